"""Foreground and connected components of a mask that is read chunk by chunk."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from livecell_monai.data.mosaics.chunks import CHUNK
from livecell_monai.sample import Pixels

_NEIGHBOURS = np.ones((3, 3))  # diagonals too, as in images that fit into memory
Pairs = NDArray[np.int64]


def measure_mask(mask: Any) -> tuple[float, int]:
    """(share of foreground in [0, 1], number of components) of an array (Y, X), `> 0` is foreground.

    Each chunk is labelled by itself; components that touch across a border are counted as one. No more than a chunk, the
    labels along one row of borders and the touching pairs are in memory.

    Args:
        mask: an array that is read by slices.
    """
    height, width = mask.shape
    foreground = components = 0
    touching: list[Pairs] = []
    above = np.zeros(width + 2, np.int64)  # labels in the row over this row of chunks, from 1; a rim of none on each side
    for top in range(0, height, CHUNK):
        below, before = np.zeros(width + 2, np.int64), np.zeros(0, np.int64)
        for left in range(0, width, CHUNK):
            found = np.asarray(mask[top : top + CHUNK, left : left + CHUNK]) > 0
            foreground += int(found.sum())
            labels, count = ndimage.label(found, structure=_NEIGHBOURS)
            top_row, bottom_row, first, last = (
                np.where(edge > 0, edge.astype(np.int64) + components, 0)
                for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1])
            )
            components += int(count)
            right = left + labels.shape[1]
            touching.append(_touch(top_row, above[left : right + 2]))
            if left > 0:
                touching.append(_touch(first, np.pad(before, 1)))
            before = last
            below[left + 1 : right + 1] = bottom_row
        above = below
    return foreground / (height * width), components - _count_joins(touching)


def _touch(line: Pixels, beside: Pixels) -> Pairs:
    """Pairs (N, 2) of labels along a line (L,) and of those beside it (L + 2,), diagonals included, each once."""
    pairs = np.concatenate([np.stack([line, beside[shift : shift + len(line)]], axis=1) for shift in range(3)])
    return np.unique(pairs[(pairs > 0).all(axis=1)], axis=0)


def _count_joins(touching: list[Pairs]) -> int:
    """By how much pairs of labels that are one component reduce the number of components."""
    pairs = np.concatenate(touching)
    names, ends = np.unique(pairs, return_inverse=True)
    if len(names) == 0:
        return 0
    first, second = ends.reshape(-1, 2).T
    graph = sparse.coo_matrix((np.ones(len(first), np.int8), (first, second)), shape=(len(names), len(names)))
    return len(names) - int(connected_components(graph, directed=False)[0])
