"""The map that separates touching cells: the distance from the rim of each cell, 1 in its middle."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label as label_ids

from livecell_monai.sample import Pixels

STRAY = 0.05  # of the area of the median cell: smaller pieces are slips of the hand that drew the label


def normalise_distance(labels: Pixels) -> NDArray[np.float32]:
    """The distance (Y, X) float32 of each pixel from the outside of its cell, divided by the largest in this cell; else 0.

    Labels are (Y, X) ids above 0; pieces of one id that do not touch are cells of their own, but for strays, which are
    smaller than 5 % of the median cell and stay 0. The border of the image is no rim: cells continue beyond it.
    """
    pieces = separate_pieces(labels)
    areas = np.bincount(pieces.ravel())
    least = STRAY * np.median(np.unique(labels[labels > 0], return_counts=True)[1]) if pieces.any() else 0
    distance = np.zeros(labels.shape, np.float32)
    for number, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
        if areas[number] < least:
            continue
        cell = pieces[rows, columns] == number
        margins = [
            (int(span.start > 0), int(span.stop < length))
            for span, length in zip((rows, columns), labels.shape, strict=True)
        ]
        padded = np.pad(cell, margins)
        inner = np.ones(padded.shape) if padded.all() else ndimage.distance_transform_edt(padded)
        inside = tuple(slice(before, before + edge) for (before, _), edge in zip(margins, cell.shape, strict=True))
        distance[rows, columns][cell] = (inner[inside] / inner.max())[cell]
    return distance


def has_ids(labels: Pixels) -> bool:
    """Whether a label (Y, X) tells cells apart: it has several ids, or at most one cell."""
    ids = np.unique(labels)
    return len(ids[ids > 0]) != 1 or int(separate_pieces(labels).max()) == 1


def separate_pieces(labels: Pixels) -> NDArray[np.int32]:
    """Ids 1..N (Y, X) of the regions of equal ids above 0 that are connected by their edges."""
    return np.asarray(label_ids(np.maximum(labels, 0), connectivity=1, background=0), np.int32)


def find_cut(labels: Pixels) -> NDArray[np.bool_]:
    """The pixels (Y, X) of cells that touch a pixel below 0, which is not annotated, also diagonally: their end is unknown.

    Of an id with several pieces that do not touch, only the pieces that are cut.
    """
    ignored = labels < 0
    if not ignored.any():
        return ignored
    pieces = separate_pieces(labels)
    is_cut = np.zeros(int(pieces.max()) + 1, bool)
    is_cut[pieces[ndimage.binary_dilation(ignored, np.ones((3, 3)))]] = True
    is_cut[0] = False
    return is_cut[pieces]
