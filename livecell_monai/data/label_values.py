"""The meaning of a label's values: instance ids, one value for all cells, classes, or the grey values of a soft mask.

Ids and binary labels are returned as they are. A soft mask (antialiased, resized or JPEG) is cut at half of its maximum;
each connected component of a class becomes a cell. Grey values without meaning and a label without background are rejected.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels

MAX_CLASSES = 16  # labels with more values hold ids
_SOFT_MAXIMUM = 64  # masks with a lower maximum are not soft
_BAND = 512  # rows that are examined at once
_STEP = 1 / 32  # of the maximum: neighbours in a soft rim differ by more, those in a cell do not
_SOFT_SHARE = 0.9  # of the grey pixels have such a neighbour
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
    highest = int(pixels.max())
    is_soft, is_image = _measure_greys(pixels, path)
    if is_soft:
        note = f"{path}: a soft mask with grey values up to {highest}; values above {highest / 2:g} are cells"
        return (pixels > highest / 2).astype(np.uint8), note
    classes = _find_classes(pixels) if highest > 1 and not is_image else []
    if not classes:
        return pixels, None
    components, found = np.zeros(pixels.shape, np.int32), 0
    for value in classes:
        pieces, count = ndimage.label(pixels == value, structure=_CONNECTED)
        components += np.where(pieces > 0, pieces + found, 0).astype(np.int32)
        found += count
    whole, count = ndimage.label(pixels > 0, structure=_CONNECTED)
    if found > _NESTED * count:  # parts of one cell, such as its rim and its interior
        components, found = whole, count
    shown = ", ".join(map(str, classes))
    return components, f"{path}: the values {shown} are classes, not ids; each of their {found} connected parts is a cell"


def check_label_values(pixels: Pixels, path: Path) -> None:
    """Reject, by a DataError, the grey values of an image, and classes or ids that number the background too."""
    if _measure_greys(pixels, path)[1]:
        raise DataError(
            f"{path}: a label must hold one value per cell or one for all, got grey values up to {pixels.max()} that differ "
            "from pixel to pixel; save a mask of 0 and 255, or ids, as TIFF or PNG"
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


def _find_classes(pixels: Pixels) -> list[int]:
    """The values above 0 if they are classes: few, and at least half of them in pieces too far apart for one cell."""
    if pixels.min() > 0:
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


def _measure_greys(pixels: Pixels, path: Path) -> tuple[bool, bool]:
    """Whether a label is a soft mask, and whether it holds the grey values of another image.

    In a soft mask, the greys between background and maximum lie in rims, where neighbours differ. If there are none, as in
    a JPEG of high quality, the values close to 0 and to the maximum are noise: few lie in a square of 3 x 3 equal pixels.
    A JPEG holds no ids: it is a soft mask unless many greys are far from both.
    """
    highest, is_lossy = int(pixels.max()), path.suffix.lower() in (".jpg", ".jpeg")
    if highest < _SOFT_MAXIMUM or min(pixels.shape) < 3 or not (is_lossy or _is_rough(pixels, highest)):
        return False, False
    darkest = highest / 16 if is_lossy else 0
    between = rim = upper = core = plateau = noise = rough = above = mixed = dark = 0
    for part, reach, is_solid in _neighbourhoods(pixels):
        grey = (part > highest / 8) & (part < highest * 7 / 8)
        near = (part > 0) & (part < highest) & ~grey
        between += int(np.count_nonzero(grey))
        rim += int(np.count_nonzero(grey & (reach > highest * _STEP)))
        upper += int(np.count_nonzero(part > highest / 2))
        core += int(np.count_nonzero(part >= highest * 7 / 8))
        plateau += int(np.count_nonzero(part == highest))
        noise += int(np.count_nonzero(near))
        rough += int(np.count_nonzero(near & ~is_solid))
        dark += int(np.count_nonzero(part <= darkest))
        above += int(np.count_nonzero(part))
        mixed += int(np.count_nonzero((part > 0) & (reach > 0)))
    has_rims = between > 0 and rim >= _SOFT_SHARE * between and core >= _CORE_SHARE * upper
    is_noisy = between <= 0.01 * upper and 0 < noise <= rough / _SOFT_SHARE and plateau >= core / 2
    is_picture = is_lossy and between + noise > 0 and between <= upper / 2
    is_dark = dark >= _ZERO_SHARE * (pixels.size - upper)
    if is_dark and (has_rims or is_noisy or is_picture):
        return True, False
    return False, mixed >= _SOFT_SHARE * max(1, above) or (is_lossy and mixed > 0)


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
