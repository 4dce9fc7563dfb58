"""Label images by their runs, the parts of rows with one id: there are about twenty times fewer runs than pixels of cells.

Source: Rosenfeld and Pfaltz, "Sequential Operations in Digital Picture Processing", J. ACM 13, 1966 (regions from runs).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecell_monai.sample import Pixels

Values = NDArray[Any]  #: one for each run or each pair of runs


@dataclass(frozen=True)
class Runs:
    """The runs (R,) of pixels with one value in a part of the values of an image (Y, X), row by row."""

    width: int  #: X
    value: Values
    row: Values
    start: Values  #: column of the first pixel
    stop: Values  #: column after the last pixel

    @cached_property
    def length(self) -> Values:
        """The number of pixels."""
        return self.stop - self.start

    @property
    def place(self) -> Values:
        """The first pixel in the flat image."""
        return self.row * self.width + self.start

    def select(self, which: Values) -> "Runs":
        """The runs at these indices, or where this is true."""
        return Runs(self.width, self.value[which], self.row[which], self.start[which], self.stop[which])

    def crop(self, top: int, left: int, width: int) -> "Runs":
        """The runs as those of a part of the image of this width, in which all of them lie."""
        return Runs(width, self.value, self.row - top, self.start - left, self.stop - left)

    def pair(self, reach: int = 0) -> tuple[Values, Values]:
        """The pairs (upper run, lower run) as indices, of runs in adjacent rows that share an edge.

        With a reach of 1 also those that touch diagonally only.
        """
        place = self.row * (self.width + 1)  # a column between rows, so that their ends do not touch
        first, last = place + self.start, place + self.stop
        below = self.width + 1
        begin = np.searchsorted(last, first + (below - reach), side="right")
        end = np.searchsorted(first, last + (below + reach), side="left")
        count = np.maximum(end - begin, 0)
        upper = np.repeat(np.arange(len(count)), count)
        lower = np.arange(len(upper)) + np.repeat(begin - np.cumsum(count) + count, count)
        return upper, lower


def find_runs(image: Pixels) -> Runs:
    """The runs of equal values of an image (Y, X), also those of 0."""
    is_first = np.ones(image.shape, bool)
    np.not_equal(image[:, 1:], image[:, :-1], out=is_first[:, 1:])
    begin = np.flatnonzero(is_first)
    row = begin // max(1, image.shape[1])
    stop = np.append(begin[1:], image.size)
    return Runs(image.shape[1], image.ravel()[begin], row, begin - row * image.shape[1], stop - row * image.shape[1])


def find_cell_runs(labels: Pixels) -> Runs:
    """The runs of ids above 0 of a label image (Y, X)."""
    runs = find_runs(labels)
    return runs.select(runs.value > 0)


def put_above(above: Runs, runs: Runs) -> Runs:
    """The runs of an image below those of one row, which becomes row -1."""
    row = np.concatenate([np.full(len(above.row), -1), runs.row])
    parts = ((getattr(above, name), getattr(runs, name)) for name in ("value", "start", "stop"))
    value, start, stop = map(np.concatenate, parts)
    return Runs(runs.width, value, row, start, stop)


def list_touching(runs: Runs, diagonally: bool = True) -> Values:
    """The pairs (2, N) of values of runs that touch in the image, the lower value first."""
    upper, lower = runs.pair(reach=int(diagonally))
    beside = np.flatnonzero((runs.row[1:] == runs.row[:-1]) & (runs.start[1:] == runs.stop[:-1]))
    first, second = np.append(upper, beside), np.append(lower, beside + 1)
    pairs = np.sort(np.stack([runs.value[first], runs.value[second]]), axis=0)
    return np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)
