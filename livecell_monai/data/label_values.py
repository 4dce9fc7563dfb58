"""The meaning of a label's values: instance ids, one value for all cells, classes, or the grey values of a soft mask.

Ids and binary labels are returned as they are. A soft mask (antialiased, resized or JPEG) is cut at half of its maximum;
each connected component of a class becomes a cell. Grey values without meaning and a label without background are rejected.
"""

from pathlib import Path

import numpy as np
from scipy import ndimage

from livecell_monai.data.label_greys import MAX_CLASSES, count_greys, count_values, is_interpolated, is_rough
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels

NOTES = ("a soft mask", "are classes")  #: words of each kind of note
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
    greys = count_greys(pixels, path)
    if greys is not None and greys.is_soft():
        return cut_at_half(pixels, path)
    if greys is not None and greys.is_image():
        return pixels, None
    classes = _find_classes(pixels)
    return _separate_classes(pixels, classes, path) if classes else (pixels, None)


def interpret_fractions(pixels: Pixels, path: Path) -> tuple[Pixels, str] | None:
    """A soft mask (Y, X) of finite fractions >= 0, such as 0 to 1, as `interpret_label`; None if it is none."""
    levels = np.rint(pixels / (pixels.max() or 1) * 255).astype(np.uint8)
    greys = count_greys(levels, path)
    return cut_at_half(pixels, path) if greys is not None and greys.is_soft() else None


def cut_at_half(pixels: Pixels, path: Path) -> tuple[Pixels, str]:
    """The pixels above half of the maximum as 1, with a note."""
    highest = float(pixels.max())
    note = f"{path}: {NOTES[0]} with grey values up to {highest:g}; values above {highest / 2:g} are cells"
    return (pixels > highest / 2).astype(np.uint8), note


def check_label_values(pixels: Pixels, path: Path) -> None:
    """Reject, by a DataError, the greys of an image, interpolated ids, and values that number the background too.

    Pixels (Y, X) that are `IGNORED` may hold anything.
    """
    annotated = pixels[pixels >= 0][None] if pixels.min() < 0 else pixels
    pixels = np.maximum(pixels, 0)
    greys = count_greys(pixels, path)
    if greys is not None and not greys.is_soft() and greys.is_image():
        cause = "JPEG blurs" if greys.is_jpeg else "differ from pixel to pixel"
        raise DataError(
            f"{path}: a label must hold one value per cell or one for all, got grey values up to {pixels.max()} that "
            f"{cause}; save a mask of 0 and 255, or ids, as TIFF or PNG"
        )
    values, counts = count_values(annotated)
    if values[0] > 0 and len(values) > 1 and (len(values) <= MAX_CLASSES or counts.max() > annotated.size / 4):
        shown = ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")
        raise DataError(
            f"{path}: a label must be 0 in the background, got the values {shown} and no 0; if {values[counts.argmax()]} is "
            "the background, set it to 0 (programs such as ilastik number classes from 1)"
        )
    if is_interpolated(pixels):
        raise DataError(
            f"{path}: a label must hold one value per cell or one for all, got values that are only in rims of others, as "
            "if it was resized or blurred; save ids again, or resize them by nearest neighbour"
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
    values = [int(value) for value in count_values(pixels)[0] if value > 0]
    if not 2 <= len(values) <= MAX_CLASSES or min(pixels.shape) < 3 or is_rough(pixels, values[-1] + 1):
        return []
    scattered = [value for value in values if _is_scattered(pixels == value)]
    return values if 2 * len(scattered) >= len(values) else []


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
