"""From maps to cells: a label image in which each cell has an id of its own.

Each pixel of the mask has a height, from its distance from the background and the distance map. A watershed gives each
maximum its region, and regions without a deep enough pass between them are one cell. Pixels are taken in an order that
depends on their values and their place in the whole image only, so that a part of an image gives the cells of the whole.

Source: Meyer, "Color image segmentation", ICIP 1992 (watershed from markers); Najman and Schmitt, "Geodesic saliency of
watershed contours and hierarchical segmentation", IEEE PAMI 18, 1996 (regions merged by the depth between them).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

from livecell_monai.cells.height import DEPTH_STEP, LEVELS, MOST, WHOLE, Window, average, measure_height
from livecell_monai.sample import Pixels

Labels = NDArray[np.int32]

SMOOTHING = 0.08  # of the diameter: pixels on each side over which the distance map is averaged
_UNKNOWN = 1  # the id, during the watershed, of what may depend on pixels outside of the window
_PLACE_BITS = 18  # of a row or a column in the order of pixels: unique up to 262,144 pixels


@dataclass(frozen=True)
class Decoding:
    """How maps become cells; lengths and areas in pixels of the image's own grid."""

    seed_depth: float = 2.0  #: px by which the middle of a cell is higher than the pass to the next one
    cell_diameter: float = 40.0  #: px, of a typical cell: half of it is the depth where the distance map is 1
    map_threshold: float = 0.5  #: a cell in which the distance map reaches less is dropped
    min_area: int = 1  #: px; smaller cells are dropped


def decode(mask: Pixels, distance: NDArray[np.uint8] | None, decoding: Decoding, window: Window = WHOLE) -> Labels:
    """The cells of a mask (Y, X) bool: 0 for background, ids 1..N in the order of the cells' first pixels, row by row.

    Each cell is connected by its edges and has no hole. `distance` (Y, X) is the quantised distance map; without one, cells
    are split at necks of the mask only. In a window of an image, -1 marks pixels whose cell depends on what lies outside;
    all other cells are those of the whole image.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    reach = 0 if distance is None else round(SMOOTHING * decoding.cell_diameter)
    smooth = None if distance is None else average(distance, reach)
    level = measure_height(mask, smooth, decoding.cell_diameter / 2, window, reach)
    regions = _flood(mask, _order_pixels(level, window), _add_seedless(mask, _mark_maxima(mask, level, window)))
    regions = _merge(regions, level, round(decoding.seed_depth / DEPTH_STEP))
    if any(window.cut):
        regions = _spread_unknown(regions)
    if smooth is not None:
        regions = _drop_low(regions, smooth, decoding.map_threshold * LEVELS)
    return _clean(regions, decoding.min_area)


def _mark_maxima(mask: Pixels, level: NDArray[np.int32], window: Window) -> Labels:
    """Markers (Y, X) of all maxima of the height, from 2 on, and the marker of what is unknown."""
    markers, _ = label_regions(local_maxima(level, connectivity=1) & mask)
    markers[markers > 0] += _UNKNOWN
    markers[level == MOST] = _UNKNOWN
    if any(window.cut):
        rim = window.rim(mask.shape) & mask
        is_cut = np.isin(markers, markers[rim]) & (markers > 0)
        markers[is_cut | rim] = _UNKNOWN
    return markers


def label_regions(mask: Pixels, structure: Pixels | None = None) -> tuple[Labels, int]:
    """Connected regions (Y, X) of a mask, numbered from 1, and their number; neighbours share an edge by default."""
    found: Any = ndimage.label(mask, structure)
    return found[0], int(found[1])


def _add_seedless(mask: Pixels, markers: Labels) -> Labels:
    """The markers with one for each connected region of the mask that has none."""
    regions, count = label_regions(mask)
    has_seed = np.zeros(count + 1, bool)
    has_seed[regions[markers > 0]] = True
    has_seed[0] = True
    if has_seed.all():
        return markers
    return np.where(has_seed[regions], markers, regions + max(_UNKNOWN, int(markers.max()))).astype(np.int32)


def _order_pixels(level: Pixels, window: Window) -> NDArray[np.float64]:
    """A different number for each pixel (Y, X): the higher its level the smaller, and among equals by its place."""
    rows, columns = (np.arange(length, dtype=np.int64) for length in level.shape)
    place = ((rows[:, None] + window.top) << _PLACE_BITS) + columns + window.left
    # scattered, so that equal pixels are not taken row by row
    return _scatter(place, 2 * _PLACE_BITS) - level.astype(np.float64) * 2.0 ** (2 * _PLACE_BITS)


def _scatter(place: NDArray[np.int64], bits: int) -> NDArray[np.float64]:
    """Different numbers of so many bits for different ones, without order."""
    mixed, low = place.astype(np.uint64), np.uint64(2**bits - 1)
    for factor in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9):  # odd, so that no two products are equal
        mixed = (mixed * np.uint64(factor)) & low
        mixed ^= mixed >> np.uint64(bits // 2)
    return mixed.astype(np.float64)


def _flood(mask: Pixels, order: NDArray[np.float64], markers: Labels) -> Labels:
    """The regions (Y, X) that grow from markers, the smallest number first."""
    inner = np.zeros(mask.shape, bool)  # pixels whose four neighbours have their marker have nothing to grow into
    middle = markers[1:-1, 1:-1]
    beside = (markers[:-2, 1:-1], markers[2:, 1:-1], markers[1:-1, :-2], markers[1:-1, 2:])
    inner[1:-1, 1:-1] = middle > 0
    for other in beside:
        inner[1:-1, 1:-1] &= other == middle
    regions = watershed(order, np.where(inner, 0, markers), connectivity=1, mask=mask & ~inner)
    return np.where(inner, markers, regions).astype(np.int32)


def _merge(regions: Labels, level: Pixels, depth: int) -> Labels:
    """The regions of all maxima, merged where the lower one of two is less than `depth` above the pass between them."""
    peaks = _find_highest(regions, level).astype(np.int64)
    peaks[_UNKNOWN] = 2 * MOST
    parent = np.arange(len(peaks))

    def find(region: int) -> int:
        while parent[region] != region:
            parent[region] = region = parent[parent[region]]
        return int(region)

    for first, second, height in _list_passes(regions, level):
        low, high = sorted((find(first), find(second)), key=lambda region: (peaks[region], -region))
        if low != high and peaks[low] - height < depth:
            parent[low] = high
    return np.array([find(region) for region in range(len(parent))], np.int32)[regions]


def _find_highest(regions: Labels, values: Pixels) -> NDArray[Any]:
    """The largest value (N + 1,) in each region; 0 for the background, which is not looked at."""
    highest = np.zeros(int(regions.max()) + 1, values.dtype)
    inside = regions > 0
    np.maximum.at(highest, regions[inside], values[inside])
    return highest


def _list_passes(regions: Labels, level: Pixels) -> list[list[int]]:
    """The highest pass between each two neighbouring regions (first, second, level), the highest first."""
    found = []
    for (first, second), (height, other) in zip(_neighbours(regions), _neighbours(level), strict=True):
        is_border = (first != second) & (first > 0) & (second > 0)
        pair = np.sort(np.stack([first[is_border], second[is_border]]), axis=0)
        found.append(np.vstack([pair, np.minimum(height[is_border], other[is_border])]))
    passes = np.hstack(found).astype(np.int64)
    passes = passes[:, np.lexsort((-passes[2], passes[1], passes[0]))]
    is_new = (np.diff(passes[:2], axis=1, prepend=-1) != 0).any(axis=0)
    passes = passes[:, is_new]
    ordered: list[list[int]] = passes[:, np.argsort(-passes[2], kind="stable")].T.tolist()
    return ordered


def _spread_unknown(regions: Labels) -> Labels:
    """The regions in which those beside an unknown one are unknown: without it, they may be larger."""
    beside = np.zeros(int(regions.max()) + 1, bool)
    for first, second in _neighbours(regions):
        beside[first[second == _UNKNOWN]] = True
        beside[second[first == _UNKNOWN]] = True
    beside[0] = False
    return np.where(beside[regions], _UNKNOWN, regions)


def _neighbours(labels: Labels) -> tuple[tuple[Labels, Labels], tuple[Labels, Labels]]:
    """Each pixel and the next one, below and to the right."""
    return (labels[:-1], labels[1:]), (labels[:, :-1], labels[:, 1:])


def _drop_low(regions: Labels, distance: NDArray[np.float64], least: float) -> Labels:
    """The regions in which the distance map reaches a value, and the unknown one; others become background."""
    is_kept = _find_highest(regions, distance) >= least
    is_kept[_UNKNOWN] = True
    return np.where(is_kept[regions], regions, 0).astype(np.int32)


def _clean(regions: Labels, min_area: int) -> Labels:
    """The regions without holes and small ones; ids 1..N in the order of first pixels, -1 for the unknown ones."""
    filled = fill_holes(regions)
    count = np.bincount(filled.ravel())
    is_kept = count >= min_area
    is_kept[: _UNKNOWN + 1] = False  # neither background nor unknown
    flat = filled.ravel()
    runs = flat[np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)]
    found, first = np.unique(runs, return_index=True)
    order = found[np.argsort(first)]
    order = order[is_kept[order]]
    ids = np.zeros(len(count), np.int32)
    ids[order] = np.arange(1, len(order) + 1)
    ids[_UNKNOWN : _UNKNOWN + 1] = -1
    return ids[filled]


def fill_holes(labels: Labels) -> Labels:
    """Labels (Y, X) in which background that one label encloses belongs to it."""
    background, count = label_regions(labels == 0, np.ones((3, 3)))
    if count < 2:
        return labels
    least, most = np.full(count + 1, np.iinfo(np.int32).max), np.zeros(count + 1, np.int32)
    for (first, second), (before, after) in zip(_neighbours(labels), _neighbours(background), strict=True):
        for label, hole in ((first, after), (second, before)):
            is_rim = (label > 0) & (hole > 0)
            np.minimum.at(least, hole[is_rim], label[is_rim])
            np.maximum.at(most, hole[is_rim], label[is_rim])
    for edge in (background[0], background[-1], background[:, 0], background[:, -1]):
        most[edge] = 0
    fill = np.where((least == most) & (most > 0), most, 0)
    return np.where(labels == 0, fill[background], labels).astype(np.int32)
