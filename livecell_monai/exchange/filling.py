"""Fills polygons of any coordinates with pixels, for all polygons of an image at once.

A pixel is inside if its centre is (even-odd rule); a centre on the outline counts if it is on the left or top side. Outlines
along the edges of pixels, see `outlines`, give their pixels back exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecell_monai.exchange.outlines import Integers, Polygon
from livecell_monai.sample import Pixels


@dataclass(frozen=True)
class Spans:
    """Runs of pixels along the rows of an image of one size, each of one object."""

    objects: Integers  #: (S,) number of the object, from 0
    starts: Integers  #: (S,) first pixel: row * width + column
    lengths: Integers  #: (S,) number of pixels, > 0

    def expand(self) -> Integers:
        """All pixels, span by span: row * width + column."""
        before = np.r_[0, np.cumsum(self.lengths)[:-1]] if len(self.lengths) else self.lengths
        return np.arange(self.lengths.sum()) + np.repeat(self.starts - before, self.lengths)

    def take(self, order: NDArray[np.intp]) -> "Spans":
        """The spans in another order, or some of them."""
        return Spans(self.objects[order], self.starts[order], self.lengths[order])

    def measure_areas(self, count: int) -> Integers:
        """(count,) number of pixels of each object."""
        return np.bincount(self.objects, self.lengths, count).astype(np.int64)


def join_spans(parts: Sequence[Spans]) -> Spans:
    """The spans of several lists, one after the other."""
    nothing = np.zeros(0, np.int64)
    return Spans(
        np.concatenate([nothing, *(part.objects for part in parts)]),
        np.concatenate([nothing, *(part.starts for part in parts)]),
        np.concatenate([nothing, *(part.lengths for part in parts)]),
    )


def fill_polygons(polygons: Sequence[Polygon], objects: Sequence[int], shape: tuple[int, int]) -> Spans:
    """The spans of polygons in an image of a size (Y, X); what lies outside of it is cut off.

    Args:
        polygons: each an outer ring and its holes, rings (N, 2) x, y.
        objects: the number of the object of each polygon; polygons of one object that overlap give spans that overlap.
        shape: (Y, X) of the image.
    """
    rings = [ring for polygon in polygons for ring in polygon]
    if not rings:
        return join_spans([])
    number = np.repeat(np.arange(len(polygons)), [len(polygon) for polygon in polygons])
    lengths = np.array([len(ring) for ring in rings])
    points = np.concatenate(rings).astype(np.float64)
    stops = np.cumsum(lengths)
    after = np.arange(1, len(points) + 1)
    after[stops[lengths > 0] - 1] = (stops - lengths)[lengths > 0]
    keys = _find_crossings(points, points[after], np.repeat(number, lengths), shape)
    line, column = np.divmod(keys, shape[1] + 1)
    line, start, length = line[::2], column[::2], column[1::2] - column[::2]
    is_filled = length > 0
    which, row = np.divmod(line[is_filled], shape[0])
    return Spans(np.asarray(objects, np.int64)[which], row * shape[1] + start[is_filled], length[is_filled])


def _find_crossings(
    begin: NDArray[np.float64], end: NDArray[np.float64], number: Integers, shape: tuple[int, int]
) -> Integers:
    """Where edges cross the middle of rows, sorted: ((polygon * Y) + row) * (X + 1) + first column to the right of it.

    A polygon has an even number of crossings in each row.
    """
    height, width = shape
    top, bottom = np.minimum(begin[:, 1], end[:, 1]), np.maximum(begin[:, 1], end[:, 1])
    first = np.clip(np.ceil(top - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(bottom - 0.5), 0, height).astype(np.int64)
    counts = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(begin)), counts)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    (x0, y0), (x1, y1) = begin[edge].T, end[edge].T
    x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
    columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    return np.sort((number[edge] * height + rows) * (width + 1) + columns)


def paint(spans: Spans, values: Integers, shape: tuple[int, int], dtype: type[np.generic]) -> Pixels:
    """An image (Y, X) with the value of its object in each pixel, 0 elsewhere; a later span covers an earlier one."""
    image = np.zeros(shape, dtype)
    image.ravel()[spans.expand()] = np.repeat(values[spans.objects], spans.lengths).astype(dtype)
    return image
