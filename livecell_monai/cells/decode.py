"""From maps to cells: a label image in which each cell has an id of its own.

Each pixel of the mask has a height, from its distance from the background and the distance map. From each pixel a way leads
upwards, always to the highest neighbour, and pixels whose ways end at the same maximum are a region. Regions without a deep
enough pass between them are one cell. A way depends on the heights along it only, so that a part of an image gives the
cells of the whole.

Source: Beucher and Meyer, "The Morphological Approach to Segmentation: The Watershed Transformation", 1993; Najman and
Schmitt, "Geodesic saliency of watershed contours and hierarchical segmentation", IEEE PAMI 18, 1996 (regions merged by the
depth between them).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from livecell_monai.cells.height import DEPTH_STEP, LEVELS, MOST, STRIP, WHOLE, Window, average, measure_height
from livecell_monai.cells.runs import Runs, find_runs
from livecell_monai.sample import Pixels

Labels = NDArray[np.int32]
Places = NDArray[np.int64]  #: of pixels in a flat image

SMOOTHING = 0.12  # of the diameter: pixels on each side over which the distance map is averaged
_ORDER = (7, 6, 5, 4, 3)  # of equally high pixels itself, above, left, right and below: the first, wherever the image is cut
_UNKNOWN = 1  # the id, until the end, of what may depend on pixels outside of the window


@dataclass(frozen=True)
class Decoding:
    """How maps become cells; lengths and areas in pixels of the image's own grid."""

    seed_depth: float = 2.0  #: px by which the middle of a cell is higher than the pass to the next one
    cell_diameter: float = 40.0  #: px, of a typical cell: half of it is the depth where the distance map is 1
    map_threshold: float = 0.5  #: a cell in which the distance map reaches less is dropped
    min_area: int = 1  #: px; smaller cells are dropped
    #: px; cells that the border of the image cuts are dropped if smaller, and need not reach the threshold; 0: as others
    min_border_area: int = 0
    own_diameter: float = 0.0  #: px, of a typical cell of this image, see `fit_decoding`; 0 for `cell_diameter`


def decode(mask: Pixels, distance: NDArray[np.uint8] | None, decoding: Decoding, window: Window = WHOLE) -> Labels:
    """The cells of a mask (Y, X) bool: 0 for background, ids 1..N in the order of the cells' first pixels, row by row.

    Each cell is connected by its edges and has no hole. `distance` (Y, X) is the quantised distance map; without one, cells
    are split at necks of the mask only. In a window of an image, -1 marks pixels whose cell depends on what lies outside;
    all other cells are those of the whole image.
    """
    place = np.flatnonzero(mask)
    reach = 0 if distance is None else round(SMOOTHING * (decoding.own_diameter or decoding.cell_diameter))
    smooth = None if distance is None else average(distance, reach, place)
    level = measure_height(mask, place, smooth, decoding.cell_diameter / 2, window, reach)
    pixels, height = _pad(place, level, mask.shape)
    regions, tops = _climb(pixels, height)
    peaks = _find_highest(regions, level, tops)
    cell = _merge(peaks, _list_passes(pixels, regions, height), round(decoding.seed_depth / DEPTH_STEP))
    border = window.border(mask) if decoding.min_border_area else place[:0]
    at_border = cell[regions[np.searchsorted(place, border)]]
    least = np.full(len(cell), max(1, decoding.min_area))
    least[at_border] = max(decoding.min_area, decoding.min_border_area)
    if smooth is not None:
        highest = np.zeros(len(cell), np.float32)
        np.maximum.at(highest, cell, _find_highest(regions, smooth))
        highest[at_border] = LEVELS  # their middles may lie outside
        cell[(highest[cell] < decoding.map_threshold * LEVELS) & (cell != _UNKNOWN)] = 0
    labels = np.zeros(mask.shape, np.int32)
    labels.ravel()[place] = cells = cell[regions]
    return _clean(labels, cells, place, least)


def _pad(place: Places, level: NDArray[np.int32], shape: tuple[int, ...]) -> tuple[Places, NDArray[np.int32]]:
    """Places (N,) of pixels in a flat image with a border of one pixel; their levels (Y + 2, X + 2), else 0.

    They are at `place` in the flat image (Y, X) of this shape.
    """
    pixels = place // max(1, shape[1])
    pixels *= 2
    pixels += place + (shape[1] + 3)
    height = np.zeros((shape[0] + 2, shape[1] + 2), np.int32)
    height.ravel()[pixels] = level
    return pixels, height


def _climb(pixels: Places, height: NDArray[np.int32]) -> tuple[Labels, Places]:
    """The region (N,) of each pixel, numbered from 2 by its maximum, and the indices of the maxima's pixels.

    Region 1 is what leads to an unknown height. Pixels are places in the flat `height` (Y, X), in which they are above 0 and
    not at the border.
    """
    table = np.zeros(8, np.int64)
    table[list(_ORDER)] = (0, -height.shape[1], -1, 1, height.shape[1])
    steps = table[_find_highest_neighbours(height).ravel()[pixels]]
    number = np.full(height.size, -1, np.int32)
    number[pixels] = np.arange(len(pixels), dtype=np.int32)
    top = number[pixels + steps].astype(np.int64)
    tops = np.flatnonzero(steps == 0)
    while not np.array_equal(top, further := top[top]):
        top = further
    region = np.zeros(len(pixels), np.int32)
    region[tops] = _join_maxima(pixels, tops, number, height.shape[1])
    region[tops[height.ravel()[pixels[tops]] == MOST]] = _UNKNOWN
    return region[top], tops


def _find_highest_neighbours(height: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The number in `_ORDER` (Y, X) of the highest of each pixel and its four neighbours; 0 at the border."""
    found = np.zeros(height.shape, np.uint8)
    for first in range(1, len(height) - 1, STRIP):
        last = min(first + STRIP, len(height) - 1)
        code = height[first - 1 : last + 1] << 3
        own = code[1:-1, 1:-1]
        best, other = own | _ORDER[0], np.empty_like(own)
        beside = (code[:-2, 1:-1], code[1:-1, :-2], code[1:-1, 2:], code[2:, 1:-1])
        for neighbour, bits in zip(beside, _ORDER[1:], strict=True):
            np.maximum(best, np.bitwise_or(neighbour, bits, out=other), out=best)
        np.bitwise_and(best, 7, out=found[first:last, 1:-1], casting="unsafe")
    return found


def _join_maxima(pixels: Places, tops: Places, number: Labels, width: int) -> Labels:
    """The region (M,) of each of the maxima's pixels, with these indices: neighbours among them are equally high."""
    rank = np.full(len(pixels) + 1, -1, np.int32)  # the last is that of what is no pixel, -1
    rank[tops] = np.arange(len(tops), dtype=np.int32)
    beside = np.stack([rank[number[pixels[tops] + step]] for step in (1, width)])
    which, first = np.nonzero(beside >= 0)
    return _connect(len(tops), first, beside[which, first]) + np.int32(_UNKNOWN + 1)


def _connect(count: int, first: NDArray[Any], second: NDArray[Any]) -> Labels:
    """The component (N,) of each of so many nodes, from the edges between them; numbered from 0 by their first nodes."""
    edges = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    found: Any = connected_components(edges.tocsr(), directed=False)[1]
    _, place, component = np.unique(found, return_index=True, return_inverse=True)
    number = np.empty(len(place), np.int32)
    number[np.argsort(place)] = np.arange(len(place))
    return np.asarray(number[component])


def _merge(peaks: NDArray[np.int32], passes: NDArray[np.int64], depth: int) -> Labels:
    """The cell (N + 1,) of each region: those of which the lower one is less than `depth` above the pass are one.

    Cells beside an unknown one are unknown: without it, they may be larger.
    """
    height, parent = peaks.tolist(), list(range(len(peaks)))

    def find(region: int) -> int:
        while parent[region] != region:
            parent[region] = region = parent[parent[region]]
        return region

    for first, second, at in passes.tolist():
        low, high = find(first), find(second)
        if height[low] > height[high] or (height[low] == height[high] and low < high):
            low, high = high, low
        if low != high and height[low] - at < depth:
            parent[low] = high
    cell = np.array([find(region) for region in range(len(parent))], np.int32)
    first, second = cell[passes[:, 0]], cell[passes[:, 1]]
    beside = np.zeros(len(cell), bool)
    beside[first[second == _UNKNOWN]] = beside[second[first == _UNKNOWN]] = True
    cell[beside[cell]] = _UNKNOWN
    return cell


def _find_highest(regions: Labels, values: Pixels, which: Places | slice = slice(None)) -> NDArray[Any]:
    """The largest value (R + 1,) of each region, of all pixels or those at these indices; regions and values are (N,)."""
    highest = np.zeros(int(regions.max(initial=_UNKNOWN)) + 1, values.dtype)
    np.maximum.at(highest, regions[which], values[which])
    return highest


def _list_passes(pixels: Places, regions: Labels, height: NDArray[np.int32]) -> NDArray[np.int64]:
    """The highest pass (M, 3) between each two neighbouring regions (first, second, level), the highest first."""
    image = np.zeros(height.size, np.int32)
    image[pixels] = regions
    pairs, levels, count = [], [], int(regions.max(initial=0)) + 1
    for step in (1, height.shape[1]):
        other = image[pixels + step]
        border = np.flatnonzero((other != regions) & (other > 0))
        here, there = regions[border].astype(np.int64), other[border]
        pairs.append(np.minimum(here, there) * count + np.maximum(here, there))
        levels.append(np.minimum(*(height.ravel()[pixels[border] + place] for place in (0, step))))
    every = np.concatenate(pairs)
    order = np.argsort(every)
    every = every[order]
    start = np.flatnonzero(np.append(True, every[1:] != every[:-1])[: len(every)])
    pair = every[start]
    level = np.maximum.reduceat(np.concatenate(levels)[order], start).astype(np.int64) if len(start) else pair
    passes = np.stack([pair // count, pair % count, level], axis=1)
    return np.asarray(passes[np.argsort(-level, kind="stable")])


def _clean(labels: Labels, cells: Labels, place: Places, least: NDArray[np.int64]) -> Labels:
    """Labels (Y, X) without holes and small cells; ids 1..N in the order of first pixels, -1 for the unknown ones.

    They are `cells` (N,) at these places of the flat image, and background elsewhere; a cell with an area
    below its entry in `least` is dropped.
    """
    runs = find_runs(labels)
    flat, (hole, around) = labels.ravel(), find_holes(labels, runs)
    area = np.bincount(runs.value, runs.length, len(least)).astype(np.int64)
    np.add.at(area, around, 1)
    area[: _UNKNOWN + 1] = -1  # neither background nor unknown
    kept = np.flatnonzero(area >= least)
    first = np.zeros(len(area), np.int64)
    first[runs.value[::-1]] = runs.place[::-1]  # of several values for one cell, the last one stays
    ids = np.zeros(len(area), np.int32)
    ids[kept[np.argsort(first[kept])]] = np.arange(1, len(kept) + 1)
    ids[_UNKNOWN] = -1
    flat[place], flat[hole] = ids[cells], ids[around]
    return labels


def find_holes(labels: Labels, runs: Runs | None = None) -> tuple[Places, Labels]:
    """Places in a flat label image (Y, X) of background that one label encloses, and the labels.

    `runs` are those of the labels, if they are known.
    """
    runs = runs or find_runs(labels)
    runs = runs.select(runs.value == 0)
    region = _connect(len(runs.row), *runs.pair(reach=1))
    count = int(region.max(initial=-1)) + 1
    is_inside = np.ones(count, bool)
    at_border = (runs.start == 0) | (runs.stop == runs.width) | (runs.row == 0) | (runs.row == len(labels) - 1)
    is_inside[region[at_border]] = False
    inside = runs.select(is_inside[region])
    hole = np.repeat(region[is_inside[region]], inside.length)
    first = inside.place - np.cumsum(inside.length) + inside.length
    place = np.arange(len(hole)) + np.repeat(first, inside.length)  # none is at the border
    least, most = np.full(count, np.iinfo(np.int32).max), np.zeros(count, np.int32)
    for step in (-labels.shape[1], -1, 1, labels.shape[1]):
        beside = labels.ravel()[place + step]
        is_rim = beside > 0
        np.minimum.at(least, hole[is_rim], beside[is_rim])
        np.maximum.at(most, hole[is_rim], beside[is_rim])
    is_enclosed = (least == most)[hole]
    return place[is_enclosed], most[hole[is_enclosed]]
