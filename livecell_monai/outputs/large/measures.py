"""Foreground and connected components of a mask that is read chunk by chunk."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.sample import Pixels

Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """What is kept of a chunk whose components are labelled by themselves.

    Attributes:
        foreground: number of pixels.
        components: how many there are, labelled from 1.
        edges: labels (L,) along the first and the last row, and along the first and the last column.
    """

    foreground: int
    components: int
    edges: tuple[Pixels, Pixels, Pixels, Pixels]


def label_chunk(chunk: Pixels) -> Labelled:
    """Components of a chunk (Y, X), `> 0` is foreground, diagonal neighbours included, as in images that fit into memory.

    Runs of foreground along rows are joined, not pixels: a mask of cells has fifty times fewer of them.
    """
    height, width = chunk.shape
    stride = width + 2  # background on both sides: no run goes on in the next row
    padded = np.zeros((height, stride), np.bool_)
    np.greater(chunk, 0, out=padded[:, 1:-1])
    flat = padded.ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    start, stop = ends[::2], ends[1::2]  # a run is pixels start + 1 to stop
    count, labels = _join_runs(start, stop, stride)
    first, last = np.zeros((2, stride), np.int64)
    for row, line in ((0, first), (height - 1, last)):
        for run in range(*np.searchsorted(start, (row * stride, (row + 1) * stride)).tolist()):
            line[start[run] + 1 - row * stride : stop[run] + 1 - row * stride] = labels[run]
    left, right = np.zeros((2, height), np.int64)
    at_left, at_right = start % stride == 0, stop % stride == width
    left[start[at_left] // stride] = labels[at_left]
    right[stop[at_right] // stride] = labels[at_right]
    return Labelled(int((stop - start).sum()), count, (first[1:-1], last[1:-1], left, right))


def _join_runs(start: Pairs, stop: Pairs, stride: int) -> tuple[int, Pairs]:
    """(number of components, label of each run from 1) of runs (N,), ordered by place in rows of so many pixels."""
    if len(start) == 0:
        return 0, np.zeros(0, np.int64)
    lower = np.searchsorted(stop, start + stride)  # the runs of the next row that a run touches, corners included
    beside = np.searchsorted(start, stop + stride, side="right") - lower
    until = np.cumsum(beside)
    touched = np.arange(until[-1]) + np.repeat(lower - (until - beside), beside)
    rows = np.concatenate([[0], until])
    graph = sparse.csr_matrix((np.ones(len(touched), np.int8), touched, rows), shape=(len(start), len(start)))
    count, labels = connected_components(graph, directed=False)
    return int(count), labels.astype(np.int64) + 1


class Components:
    """Foreground and components of a mask from its labelled chunks; those that touch across a border are counted as one.

    No more than the labels along one row of borders and the touching pairs are in memory.

    Args:
        shape: (Y, X) of the mask.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._foreground = self._components = 0
        self._touching: list[Pairs] = []
        self._above = self._below = np.zeros(shape[1] + 2, np.int64)  # a rim of none on each side
        self._before = np.zeros(0, np.int64)

    def add(self, left: int, chunk: Labelled) -> None:
        """Take the next chunk; they come row by row.

        Args:
            left: column that it begins at.
            chunk: its labels become unique here.
        """
        top_row, bottom_row, first, last = (np.where(edge > 0, edge + self._components, 0) for edge in chunk.edges)
        if left == 0:
            self._above, self._below = self._below, np.zeros_like(self._above)
        right = left + len(top_row)
        self._foreground += chunk.foreground
        self._components += chunk.components
        self._touching.append(_touch(top_row, self._above[left : right + 2]))
        if left > 0:
            self._touching.append(_touch(first, np.pad(self._before, 1)))
        self._before = last
        self._below[left + 1 : right + 1] = bottom_row

    def total(self) -> tuple[float, int]:
        """(share of foreground in [0, 1], number of components), when every chunk is there."""
        return self._foreground / (self.shape[0] * self.shape[1]), self._components - _count_joins(self._touching)


def measure_mask(mask: Any) -> tuple[float, int]:
    """(share of foreground in [0, 1], number of components) of an array (Y, X), `> 0` is foreground.

    Args:
        mask: an array that is read by slices.
    """
    height, width = mask.shape
    components = Components((height, width))
    for top in range(0, height, CHUNK):
        for left in range(0, width, CHUNK):
            components.add(left, label_chunk(np.asarray(mask[top : top + CHUNK, left : left + CHUNK])))
    return components.total()


def _touch(line: Pixels, beside: Pixels) -> Pairs:
    """Pairs (N, 2) of labels along a line (L,) and of those beside it (L + 2,), diagonals included, each once."""
    where = np.flatnonzero(line)
    pairs = np.concatenate([np.stack([line[where], beside[where + shift]], axis=1) for shift in range(3)])
    return np.unique(pairs[pairs[:, 1] > 0], axis=0)


def _count_joins(touching: list[Pairs]) -> int:
    """By how much pairs of labels that are one component reduce the number of components."""
    pairs = np.concatenate(touching)
    names, ends = np.unique(pairs, return_inverse=True)
    if len(names) == 0:
        return 0
    first, second = ends.reshape(-1, 2).T
    graph = sparse.coo_matrix((np.ones(len(first), np.int8), (first, second)), shape=(len(names), len(names)))
    return len(names) - int(connected_components(graph, directed=False)[0])
