"""Traces the outlines of all objects of a label image at once, along the edges of pixels.

A vertex (x, y) is the corner of pixels: (0, 0) is the top left corner of the image, the pixel (row, column) covers the
square from (column, row) to (column + 1, row + 1). Filling an outline again, see `filling`, therefore gives the same pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecell_monai.sample import Pixels

Integers = NDArray[np.int64]
Ring = NDArray[Any]  #: (N, 2) x, y of the corners in order, the first not repeated at the end
Polygon = tuple[Ring, ...]  #: the outer ring of a part, then its holes
_EAST, _SOUTH, _WEST, _NORTH = range(4)  # the direction of an edge; the object is on its right


@dataclass(frozen=True)
class Outlines:
    """The rings of all objects, sorted by object, then by part; of each part the outer ring first.

    Outer rings run clockwise on the screen, holes counter-clockwise. A part is a set of pixels that are connected by edges:
    pixels that touch only diagonally are two parts. Every ring is simple; a hole may touch another ring in a corner.
    """

    points: Integers  #: (V, 2) x, y of the corners of all rings, one ring after the other
    starts: Integers  #: (R + 1,) where each ring begins in `points`
    labels: Integers  #: (R,) id of the object of each ring
    parts: Integers  #: (R,) part of each ring, from 0

    def __iter__(self) -> Iterator[tuple[int, tuple[Polygon, ...]]]:
        """The id and the polygons of each object, in the order of ids."""
        starts, parts, labels = self.starts.tolist(), self.parts.tolist(), self.labels.tolist()
        ring, total = 0, len(labels)
        while ring < total:
            label, polygons = labels[ring], []
            while ring < total and labels[ring] == label:
                part, rings = parts[ring], []
                while ring < total and parts[ring] == part:
                    rings.append(self.points[starts[ring] : starts[ring + 1]])
                    ring += 1
                polygons.append(tuple(rings))
            yield label, tuple(polygons)


def trace_outlines(labels: Pixels) -> Outlines:
    """The outlines of a label image (Y, X) of integers: > 0 the id of an object, else background.

    Every object is walked round by edges of pixels, found for the whole image at once; only corners are kept.
    """
    from skimage.measure import label as find_parts

    parts = find_parts(np.where(labels > 0, labels, 0), connectivity=1)
    corners, codes, owners = _list_edges(parts)
    if not len(codes):
        nothing = np.zeros(0, np.int64)
        return Outlines(np.zeros((0, 2), np.int64), np.zeros(1, np.int64), nothing, nothing)
    following = _find_following(codes, owners, labels.shape[1] + 1)
    rings, order = _order_rings(following)
    return _collect(labels, corners[order], codes[order] % 4, rings[order], owners[order])


def _list_edges(parts: Integers) -> tuple[Integers, Integers, Integers]:
    """The edges between a part and what is beside it, sorted by code: pixels (E, 2), codes, and the part of each.

    The code of an edge is four times the number of the corner where it starts, plus its direction; corners are numbered row
    by row. An edge belongs to one part only, the one on its right. The pixel (row, column) is the one on its right.
    """
    wide = np.pad(parts, 1)
    width = parts.shape[1] + 1
    found = []
    sides = (
        (_EAST, wide[:-2, 1:-1], 0),
        (_SOUTH, wide[1:-1, 2:], 1),
        (_WEST, wide[2:, 1:-1], width + 1),
        (_NORTH, wide[1:-1, :-2], width),
    )
    for direction, beside, offset in sides:
        rows, columns = np.nonzero((parts > 0) & (parts != beside))
        codes = (rows * width + columns + offset) * 4 + direction
        found.append((codes, rows, columns))
    codes, rows, columns = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(codes)
    rows, columns = rows[order], columns[order]
    return np.stack([rows, columns], axis=1), codes[order], parts[rows, columns].astype(np.int64)


def _find_following(codes: Integers, owners: Integers, width: int) -> Integers:
    """The edge (E,) that follows each edge: the one of the same part that starts where it ends.

    In a corner where two pixels of one part meet diagonally there are two: the left one, so that no ring meets itself.
    Pixels of different parts have no edge in common.
    """
    steps = np.array([1, width, -1, -width])
    direction = codes % 4
    end = codes // 4 + steps[direction]
    following = np.full(len(codes), -1)
    for turn in (1, 0, 3):  # right, straight, left: the last one found wins
        wanted = end * 4 + (direction + turn) % 4
        place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        is_there = (codes[place] == wanted) & (owners[place] == owners)
        following[is_there] = place[is_there]
    return following


def _order_rings(following: Integers) -> tuple[Integers, Integers]:
    """The ring (E,) of each edge, and the order of all edges: ring by ring, each from its first edge along the ring."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(following)
    edges = np.arange(count)
    graph = coo_array((np.ones(count, np.int8), (edges, following)), shape=(count, count))
    _, rings = connected_components(graph, directed=False)
    first = np.unique(rings, return_index=True)[1]
    # how many edges follow until the ring is closed: by doubling the step until every edge has reached the end
    is_last = following == first[rings]
    jump = np.where(is_last, edges, following)
    left = np.where(is_last, 0, 1)
    while True:
        further = left[jump]
        if not further.any():
            break
        left, jump = left + further, jump[jump]
    return rings.astype(np.int64), np.lexsort((-left, rings))


def _collect(labels: Pixels, pixels: Integers, direction: Integers, rings: Integers, owners: Integers) -> Outlines:
    """The outlines of edges that are in the order of their rings: corners only, rings in the order of objects."""
    is_first = np.r_[True, rings[1:] != rings[:-1]]
    starts = np.flatnonzero(is_first)
    stops = np.r_[starts[1:], len(rings)]
    previous = np.arange(-1, len(rings) - 1)
    previous[starts] = stops - 1
    is_corner = direction != direction[previous]
    # where an edge starts, relative to the pixel on its right
    across, down = np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1])
    points = np.stack([pixels[:, 1] + across[direction], pixels[:, 0] + down[direction]], axis=1)
    # twice the area by the shoelace formula, negative for a hole
    after = points[
        np.where(np.r_[is_first[1:], True], starts[np.cumsum(is_first) - 1], np.arange(1, len(rings) + 1) % len(rings))
    ]
    areas = np.add.reduceat(points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1], starts)
    lengths = np.add.reduceat(is_corner.astype(np.int64), starts)
    ring_parts = owners[starts]
    ring_labels = labels[pixels[starts, 0], pixels[starts, 1]].astype(np.int64)
    sorting = np.lexsort((areas < 0, ring_parts, ring_labels))
    return Outlines(
        _gather(points[is_corner], np.r_[0, np.cumsum(lengths)[:-1]][sorting], lengths[sorting]),
        np.r_[0, np.cumsum(lengths[sorting])],
        ring_labels[sorting],
        ring_parts[sorting],
    )


def _gather(points: Integers, starts: Integers, lengths: Integers) -> Integers:
    """The runs of points of these starts and lengths, one after the other."""
    places = np.arange(lengths.sum()) + np.repeat(starts - np.r_[0, np.cumsum(lengths)[:-1]], lengths)
    gathered: Integers = points[places]
    return gathered
