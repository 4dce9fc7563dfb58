"""The meaning of a label's values: instance ids, one value for all cells, classes, or the grey values of a soft mask.

Ids and binary labels are returned as they are. A soft mask (antialiased, resized or JPEG) is cut at half of its maximum;
each connected component of a class becomes a cell. Grey values without meaning and a label without background are rejected.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from livecell_monai.data.checks.contents import find_kind
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels

MAX_CLASSES = 16  # labels with more values hold ids
NOTES = ("a soft mask", "are classes")  #: words of each kind of note
_SOFT_MAXIMUM = 64  # masks with a lower maximum are not soft
_BAND = 512  # rows that are examined at once
_STEP = 1 / 32  # of the maximum: neighbours in a soft rim differ by more, those in a cell do not
_CLOSE = 1 / 8  # of the maximum: the noise of a JPEG is this close to 0 or to the maximum
_NEARLY_ALL = 0.9
_CORE_SHARE = 0.4  # of the pixels above half are close to the maximum
_ZERO_SHARE = 0.1  # of the pixels below half are 0; few are in an image that was saved as a label
_SIMILAR = 0.25  # of the largest piece's area; smaller pieces of a value are fragments
_FAR = 2.5  # diameters between the pieces of a class; the parts of one cell are closer
_NESTED = 1.5  # parts of classes for each part of the foreground, from which on they are parts of one cell
_CONNECTED = np.ones((3, 3))  # diagonal neighbours are connected


def interpret_label(pixels: Pixels, path: Path) -> tuple[Pixels, str | None]:
    """The label (Y, X) as 0 for background and ids or one value for cells, with a note if values were changed.

    Args:
        pixels: (Y, X) integers >= 0.
        path: of the label, for the note.
    """
    greys = _count_greys(pixels, path)
    if greys is not None and greys.is_soft():
        return cut_at_half(pixels, path)
    if greys is not None and greys.is_image():
        return pixels, None
    classes = _find_classes(pixels)
    return _separate_classes(pixels, classes, path) if classes else (pixels, None)


def interpret_fractions(pixels: Pixels, path: Path) -> tuple[Pixels, str] | None:
    """A soft mask (Y, X) of finite fractions >= 0, such as 0 to 1, as `interpret_label`; None if it is none."""
    levels = np.rint(pixels / (pixels.max() or 1) * 255).astype(np.uint8)
    greys = _count_greys(levels, path)
    return cut_at_half(pixels, path) if greys is not None and greys.is_soft() else None


def cut_at_half(pixels: Pixels, path: Path) -> tuple[Pixels, str]:
    """The pixels above half of the maximum as 1, with a note."""
    highest = float(pixels.max())
    note = f"{path}: {NOTES[0]} with grey values up to {highest:g}; values above {highest / 2:g} are cells"
    return (pixels > highest / 2).astype(np.uint8), note


def check_label_values(pixels: Pixels, path: Path) -> None:
    """Reject, by a DataError, the grey values of an image, and classes or ids that number the background too."""
    greys = _count_greys(pixels, path)
    if greys is not None and not greys.is_soft() and greys.is_image():
        cause = "JPEG blurs" if greys.is_jpeg else "differ from pixel to pixel"
        raise DataError(
            f"{path}: a label must hold one value per cell or one for all, got grey values up to {pixels.max()} that "
            f"{cause}; save a mask of 0 and 255, or ids, as TIFF or PNG"
        )
    if pixels.min() == 0:
        return
    values, counts = _count_values(pixels)
    if len(values) > 1 and (len(values) <= MAX_CLASSES or counts.max() > pixels.size / 4):
        shown = ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")
        raise DataError(
            f"{path}: a label must be 0 in the background, got the values {shown} and no 0; if {values[counts.argmax()]} is "
            "the background, set it to 0 (programs such as ilastik number classes from 1)"
        )


def _separate_classes(pixels: Pixels, classes: list[int], path: Path) -> tuple[Pixels, str]:
    """Ids (Y, X) of the connected parts of each class, with a note."""
    components, found = np.zeros(pixels.shape, np.int32), 0
    for value in classes:
        pieces, count = ndimage.label(pixels == value, structure=_CONNECTED)
        components += np.where(pieces > 0, pieces + found, 0).astype(np.int32)
        found += count
    whole, count = ndimage.label(pixels > 0, structure=_CONNECTED)
    if found > _NESTED * count:  # parts of one cell, such as its rim and its interior
        components, found = whole, count
    shown = ", ".join(map(str, classes))
    return components, f"{path}: the values {shown} {NOTES[1]}, not ids; each of their {found} connected parts is a cell"


def _find_classes(pixels: Pixels) -> list[int]:
    """The values above 0 if they are classes: few, and at least half of them in pieces too far apart for one cell."""
    if pixels.max() < 2 or pixels.min() > 0:
        return []
    values = [int(value) for value in _count_values(pixels)[0] if value > 0]
    if not 2 <= len(values) <= MAX_CLASSES or min(pixels.shape) < 3 or _is_rough(pixels, values[-1] + 1):
        return []
    scattered = [value for value in values if _is_scattered(pixels == value)]
    return values if 2 * len(scattered) >= len(values) else []


def _count_values(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """The values of a label in increasing order, with their numbers of pixels."""
    if pixels.dtype.itemsize > 2:
        return np.unique(pixels, return_counts=True)
    counts = np.zeros(2**16, np.int64)
    for top in range(0, len(pixels), _BAND):
        counts += np.bincount(pixels[top : top + _BAND].ravel(), minlength=2**16)
    values = np.flatnonzero(counts)
    return values, counts[values]


def _is_scattered(mask: Pixels) -> bool:
    """Whether the mask (Y, X) bool of a value has pieces of similar areas that are too far apart for one cell."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    pieces, count = ndimage.label(mask[box], structure=_CONNECTED)
    if count < 2:
        return False
    areas = np.bincount(pieces.ravel())[1:]
    similar = np.flatnonzero(areas >= _SIMILAR * areas.max())
    boxes = ndimage.find_objects(pieces)
    centres = np.array([[(side.start + side.stop) / 2 for side in boxes[piece]] for piece in similar])
    diameter = 2 * np.sqrt(areas.max() / np.pi)
    return bool(np.hypot(*np.ptp(centres, axis=0)) > _FAR * diameter)


def _is_rough(pixels: Pixels, highest: int) -> bool:
    """Whether most pixels between 0 and the maximum differ from a neighbour above, below or beside: a quick look."""
    count = solid = 0
    for part in _bands(pixels):
        inner = part[1:-1, 1:-1]
        grey = (inner > 0) & (inner < highest)
        count += int(np.count_nonzero(grey))
        for other in (part[:-2, 1:-1], part[2:, 1:-1], part[1:-1, :-2], part[1:-1, 2:]):
            grey &= inner == other
        solid += int(np.count_nonzero(grey))
    return solid < count / 2


@dataclass(frozen=True)
class _Greys:
    """Numbers of pixels of a label by their grey value: 0, near 0, between, near the maximum, or the maximum."""

    size: int  # of the label
    is_jpeg: bool
    is_deep: bool  # the maximum is high enough for a soft mask
    zero: int  # in a JPEG also what is almost 0
    above_zero: int
    above_half: int
    near: int  # to 0 or to the maximum, and neither
    near_rough: int  # with a neighbour of another value
    between: int
    between_in_rim: int  # with a neighbour that differs clearly
    high: int  # near the maximum, or the maximum
    highest: int
    uneven: int  # above 0, with another neighbour above 0

    def is_soft(self) -> bool:
        """Whether the label is a soft mask: cells of the maximum, a background of 0, and few other values."""
        # soft edges: what lies between is in rims, and the cells have a core
        has_rims = (
            self.between > 0
            and self.between_in_rim >= _NEARLY_ALL * self.between
            and self.high >= _CORE_SHARE * self.above_half
        )
        # a JPEG of high quality has noise in place of rims
        is_noisy = (
            self.between <= 0.01 * self.above_half
            and 0 < _NEARLY_ALL * self.near <= self.near_rough
            and self.highest >= self.high / 2
        )
        # a file that is a JPEG holds no ids
        is_jpeg_mask = self.is_jpeg and self.between + self.near > 0 and self.between <= self.above_half / 2
        has_background = self.zero >= _ZERO_SHARE * (self.size - self.above_half)
        return self.is_deep and has_background and (has_rims or is_noisy or is_jpeg_mask)

    def is_image(self) -> bool:
        """Whether a label that is no soft mask holds the grey values of another image."""
        return self.uneven >= _NEARLY_ALL * max(1, self.above_zero) or (
            self.is_jpeg and (self.uneven > 0 or not self.is_deep)
        )


def _count_greys(pixels: Pixels, path: Path) -> _Greys | None:
    """The grey values of a label; None if a quick look shows that it holds ids or one value."""
    highest, is_jpeg = int(pixels.max()), (find_kind(path) or path.suffix.lower()) in ("JPEG", ".jpg", ".jpeg")
    if highest <= (0 if is_jpeg else MAX_CLASSES) or min(pixels.shape) < 3:
        return None
    is_deep = highest >= _SOFT_MAXIMUM
    lowest = _find_background(pixels, highest) if is_deep else 0
    if lowest > 0:
        pixels, highest = np.maximum(pixels, lowest) - lowest, highest - lowest
    if not (is_jpeg or _is_rough(pixels, highest)):
        return None
    counts: Counter[str] = Counter()
    for part, differs_by, is_solid in _neighbourhoods(pixels):
        between = (part > highest * _CLOSE) & (part < highest * (1 - _CLOSE))
        near = (part > 0) & (part < highest) & ~between
        masks = {
            "zero": part <= (highest / 16 if is_jpeg else 0),
            "above_zero": part > 0,
            "above_half": part > highest / 2,
            "near": near,
            "near_rough": near & ~is_solid,
            "between": between,
            "between_in_rim": between & (differs_by > highest * _STEP),
            "high": part >= highest * (1 - _CLOSE),
            "highest": part == highest,
            "uneven": (part > 0) & (differs_by > 0),
        }
        counts.update({name: int(np.count_nonzero(mask)) for name, mask in masks.items()})
    return _Greys(pixels.size, is_jpeg, is_deep, **counts)


def _find_background(pixels: Pixels, highest: int) -> int:
    """0, or the low value above 0 that JPEG compression gave to the background of a mask."""
    if np.count_nonzero(pixels == 0) >= _ZERO_SHARE * pixels.size:
        return 0
    values, counts = _count_values(pixels)
    most = int(counts.argmax())
    return int(values[most]) if counts[most] > pixels.size / 2 and values[most] <= highest / 16 else 0


def _neighbourhoods(pixels: Pixels) -> Iterator[tuple[Pixels, Pixels, Pixels]]:
    """Bands (Y, X) of a label, with two measures of each pixel and its eight neighbours.

    The difference of the highest and lowest value above 0; and whether all are equal.
    """
    for wide in _bands(pixels):
        high = ndimage.maximum_filter(wide, 3)
        least = ndimage.minimum_filter(wide, 3)
        low = ndimage.minimum_filter(np.where(wide > 0, wide, np.iinfo(wide.dtype).max), 3)
        yield wide[1:-1], np.where(high >= low, high - low, 0)[1:-1], (high == least)[1:-1]


def _bands(pixels: Pixels) -> Iterator[Pixels]:
    """Bands of a label with one row more above and below; the first and last row of the label are only such rows."""
    for top in range(1, len(pixels) - 1, _BAND):
        yield pixels[top - 1 : min(top + _BAND, len(pixels) - 1) + 1]
