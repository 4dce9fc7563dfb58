"""Foreground fraction and connected components of a mask that is read chunk by chunk."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.sample import Pixels

Integers = NDArray[np.int64]


class ChunkLabels(NamedTuple):
    """The components of one chunk, labelled from 1."""

    foreground: int  #: pixels
    components: int  #: number
    edges: tuple[Pixels, Pixels, Pixels, Pixels]  #: labels (L,) of first and last row, first and last column


def label_chunk(chunk: Pixels) -> ChunkLabels:
    """Label the components of a chunk (Y, X), foreground `> 0`; diagonal neighbours are connected.

    Runs of foreground along rows are joined instead of pixels: a mask of cells has fifty times fewer of them.
    """
    height, width = chunk.shape
    stride = width + 2  # background on both sides: no run continues in the next row
    padded = np.zeros((height, stride), np.bool_)
    np.greater(chunk, 0, out=padded[:, 1:-1])
    flat = padded.ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    start, stop = ends[::2], ends[1::2]  # a run covers pixels start + 1 to stop
    count, labels = _join_runs(start, stop, stride)
    first, last = np.zeros((2, stride), np.int64)
    for row, line in ((0, first), (height - 1, last)):
        for run in range(*np.searchsorted(start, (row * stride, (row + 1) * stride)).tolist()):
            line[start[run] + 1 - row * stride : stop[run] + 1 - row * stride] = labels[run]
    left, right = np.zeros((2, height), np.int64)
    at_left, at_right = start % stride == 0, stop % stride == width
    left[start[at_left] // stride] = labels[at_left]
    right[stop[at_right] // stride] = labels[at_right]
    return ChunkLabels(int((stop - start).sum()), count, (first[1:-1], last[1:-1], left, right))


def _join_runs(start: Integers, stop: Integers, stride: int) -> tuple[int, Integers]:
    """(number of components, label of each run from 1) of runs (N,) in reading order; rows are `stride` pixels long."""
    if len(start) == 0:
        return 0, np.zeros(0, np.int64)
    lower = np.searchsorted(stop, start + stride)  # runs of the next row that a run touches, corners included
    count = np.searchsorted(start, stop + stride, side="right") - lower
    until = np.cumsum(count)
    touched = np.arange(until[-1]) + np.repeat(lower - (until - count), count)
    rows = np.concatenate([[0], until])
    graph = sparse.csr_matrix((np.ones(len(touched), np.int8), touched, rows), shape=(len(start), len(start)))
    components, labels = connected_components(graph, directed=False)
    return int(components), labels.astype(np.int64) + 1


class Components:
    """Foreground and components of a mask (Y, X) from its labelled chunks; those that touch across a border are one.

    Only the labels along one row of borders and the touching pairs are in memory.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._foreground = self._components = 0
        self._touching: list[Integers] = []
        self._above = self._below = np.zeros(shape[1] + 2, np.int64)  # with one background pixel on each side
        self._before = np.zeros(0, np.int64)

    def add(self, left: int, chunk: ChunkLabels) -> None:
        """Add the chunk that starts at the column `left`; chunks arrive row by row."""
        top_row, bottom_row, first, last = (np.where(edge > 0, edge + self._components, 0) for edge in chunk.edges)
        if left == 0:
            self._above, self._below = self._below, np.zeros_like(self._above)
        right = left + len(top_row)
        self._foreground += chunk.foreground
        self._components += chunk.components
        self._touching.append(_touching_pairs(top_row, self._above[left : right + 2]))
        if left > 0:
            self._touching.append(_touching_pairs(first, np.pad(self._before, 1)))
        self._before = last
        self._below[left + 1 : right + 1] = bottom_row

    def total(self) -> tuple[float, int]:
        """(foreground fraction in [0, 1], number of components), after all chunks were added."""
        labels, ends = np.unique(np.concatenate(self._touching), return_inverse=True)
        first, second = ends.reshape(-1, 2).T
        graph = sparse.coo_matrix((np.ones(len(first), np.int8), (first, second)), shape=(len(labels), len(labels)))
        joined = len(labels) - int(connected_components(graph, directed=False)[0]) if len(labels) else 0
        return self._foreground / (self.shape[0] * self.shape[1]), self._components - joined


def measure_mask(mask: Any) -> tuple[float, int]:
    """(foreground fraction in [0, 1], number of components) of an array (Y, X), foreground `> 0`, read by slices."""
    height, width = mask.shape
    components = Components((height, width))
    for top in range(0, height, CHUNK):
        for left in range(0, width, CHUNK):
            components.add(left, label_chunk(np.asarray(mask[top : top + CHUNK, left : left + CHUNK])))
    return components.total()


def _touching_pairs(line: Pixels, other: Pixels) -> Integers:
    """Unique pairs (N, 2) of labels that touch, diagonals included: along a line (L,) and the next one (L + 2,)."""
    where = np.flatnonzero(line)
    pairs = np.concatenate([np.stack([line[where], other[where + shift]], axis=1) for shift in range(3)])
    return np.unique(pairs[pairs[:, 1] > 0], axis=0)
