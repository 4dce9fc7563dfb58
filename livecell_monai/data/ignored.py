"""Pixels of an image that are not annotated: which they are in the files, and how much is annotated."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecell_monai.data.checks.contents import find_kind
from livecell_monai.errors import DataError
from livecell_monai.sample import IGNORED, Pixels, Region

Mask = NDArray[np.bool_]


def find_ignored(pixels: Pixels, path: Path, plane: tuple[Path, Pixels] | None, unlabelled_value: int | None) -> Mask | None:
    """Where a label (Y, X) is not annotated (Y, X); None if it is everywhere.

    Args:
        pixels: of the label file, as stored.
        path: of the label file, for messages.
        plane: path and pixels (Y, X) of the file that marks what is not annotated by values other than 0.
        unlabelled_value: value of the label that marks it, beside `IGNORED`.

    Raises a DataError if the two files differ in size, the plane is no mask, or nothing is annotated.
    """
    ignored = pixels == IGNORED if pixels.dtype.kind != "u" else np.zeros(pixels.shape, bool)
    if unlabelled_value is not None:
        ignored |= pixels == unlabelled_value
    if plane is not None:
        ignored |= _mark(*plane, pixels.shape)
    if ignored.all():
        where = path if plane is None else plane[0]
        raise DataError(
            f"{where}: a label must have annotated pixels, got none in all {pixels.size}; annotate a part of the image, or "
            "remove the image"
        )
    return ignored if ignored.any() else None


def _mark(path: Path, pixels: Pixels, shape: tuple[int, ...]) -> Mask:
    if pixels.shape != shape:
        got, expected = (" x ".join(map(str, each)) for each in (pixels.shape, shape))
        raise DataError(f"{path}: an ignore file must have the size of its label, got {got} for {expected}; export it again")
    if pixels.dtype.kind not in "uif" or (pixels.dtype.kind == "f" and not np.isfinite(pixels).all()):
        raise DataError(f"{path}: an ignore file must hold finite numbers, got others; save it as 8 bit, 0 where annotated")
    if find_kind(path) == "JPEG":
        raise DataError(f"{path}: an ignore file must not be a JPEG, whose compression changes 0; save it as TIFF or PNG")
    return np.asarray(pixels != 0)


def find_labelled(label: Pixels) -> Mask | None:
    """Where a label (Y, X) is annotated; None if it is everywhere."""
    labelled = label != IGNORED
    return None if labelled.all() else labelled


def measure_foreground(label: Pixels) -> float:
    """The fraction of the annotated pixels of a label (Y, X) that are foreground; 0 if none is annotated."""
    return int((label > 0).sum()) / max(1, int((label >= 0).sum()))


def find_extent(label: Pixels) -> Region:
    """The smallest rectangle that holds all annotated pixels of a label (Y, X) with at least one."""
    labelled = label >= 0
    spans = []
    for axis in (1, 0):
        places = np.flatnonzero(labelled.any(axis=axis))
        spans.append((int(places[0]), int(places[-1]) + 1))
    (top, bottom), (left, right) = spans
    return Region(top, left, bottom, right)
