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
from scipy import ndimage

from livecell_monai.cells.height import DEPTH_STEP, LEVELS, MOST, WHOLE, Window, average, measure_height
from livecell_monai.sample import Pixels

Labels = NDArray[np.int32]
Places = NDArray[np.int64]  #: of pixels in a flat image

SMOOTHING = 0.12  # of the diameter: pixels on each side over which the distance map is averaged
_UNKNOWN = 1  # the id, until the end, of what may depend on pixels outside of the window


@dataclass(frozen=True)
class Decoding:
    """How maps become cells; lengths and areas in pixels of the image's own grid."""

    seed_depth: float = 2.0  #: px by which the middle of a cell is higher than the pass to the next one
    cell_diameter: float = 40.0  #: px, of a typical cell: half of it is the depth where the distance map is 1
    map_threshold: float = 0.5  #: a cell in which the distance map reaches less is dropped
    min_area: int = 1  #: px; smaller cells are dropped
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
    level = measure_height(mask, smooth, decoding.cell_diameter / 2, window, reach)
    pixels, height = _pad(mask.shape, place, level)
    regions = _climb(pixels, height)
    peaks = _find_highest(regions, level)
    cell = _merge(peaks, _list_passes(pixels, regions, height), round(decoding.seed_depth / DEPTH_STEP))
    if smooth is not None:
        highest = np.zeros(len(cell), np.float32)
        np.maximum.at(highest, cell, _find_highest(regions, smooth))
        cell[(highest[cell] < decoding.map_threshold * LEVELS) & (cell != _UNKNOWN)] = 0
    labels = np.zeros(mask.shape, np.int32)
    labels.ravel()[place] = cell[regions]
    return _clean(labels, place, decoding.min_area)


def _pad(shape: tuple[int, ...], place: Places, level: NDArray[np.int32]) -> tuple[Places, NDArray[np.int32]]:
    """The places (N,) of pixels in a flat image with a border of one pixel, and the levels (Y + 2, X + 2); 0 elsewhere."""
    height = np.zeros((shape[0] + 2, shape[1] + 2), np.int32)
    pixels = place + 2 * (place // shape[1]) + shape[1] + 3
    height.ravel()[pixels] = level
    return pixels, height


def _climb(pixels: Places, height: NDArray[np.int32]) -> Labels:
    """The region (N,) of each pixel, numbered from 2 by its maximum; 1 is what leads to an unknown height.

    Pixels are places in the flat `height` (Y, X), in which they are above 0 and not at the border.
    """
    flat = height.ravel()
    target, highest = pixels, flat[pixels]
    for step in (-height.shape[1], -1, 1, height.shape[1]):  # of equal neighbours the first, wherever the image is cut
        beside = flat[pixels + step]
        target = np.where(beside > highest, pixels + step, target)
        highest = np.maximum(highest, beside)
    number = np.zeros(flat.shape, np.int32)
    number[pixels] = np.arange(len(pixels))
    top = number[target]
    while not np.array_equal(top, further := top[top]):
        top = further
    is_maximum = np.zeros(height.shape, bool)
    is_maximum.ravel()[pixels[target == pixels]] = True
    maxima = label_regions(is_maximum)[0].ravel()  # neighbours among them are equally high
    end = pixels[top]
    return np.where(flat[end] == MOST, _UNKNOWN, maxima[end] + _UNKNOWN).astype(np.int32)


def label_regions(mask: Pixels, structure: Pixels | None = None) -> tuple[Labels, int]:
    """Connected regions (Y, X) of a mask, numbered from 1, and their number; neighbours share an edge by default."""
    found: Any = ndimage.label(mask, structure)
    return found[0], int(found[1])


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
        low, high = sorted((find(first), find(second)), key=lambda region: (height[region], -region))
        if low != high and height[low] - at < depth:
            parent[low] = high
    cell = np.array([find(region) for region in range(len(parent))], np.int32)
    first, second = cell[passes[:, 0]], cell[passes[:, 1]]
    beside = np.zeros(len(cell), bool)
    beside[first[second == _UNKNOWN]] = beside[second[first == _UNKNOWN]] = True
    cell[beside[cell]] = _UNKNOWN
    return cell


def _find_highest(regions: Labels, values: Pixels) -> NDArray[Any]:
    """The largest value (R + 1,) of each region; both (N,)."""
    highest = np.zeros(int(regions.max(initial=_UNKNOWN)) + 1, values.dtype)
    np.maximum.at(highest, regions, values)
    return highest


def _list_passes(pixels: Places, regions: Labels, height: NDArray[np.int32]) -> NDArray[np.int64]:
    """The highest pass (M, 3) between each two neighbouring regions (first, second, level), the highest first."""
    image = np.zeros(height.size, np.int32)
    image[pixels] = regions
    found = []
    for step in (1, height.shape[1]):
        other = image[pixels + step]
        border = np.flatnonzero((other != regions) & (other > 0))
        level = np.minimum(*(height.ravel()[pixels[border] + place] for place in (0, step)))
        found.append(np.vstack([np.sort(np.stack([regions[border], other[border]]), axis=0), level]))
    passes = np.hstack(found).astype(np.int64)
    passes = passes[:, np.lexsort((-passes[2], passes[1], passes[0]))]
    is_new = (np.diff(passes[:2], axis=1, prepend=-1) != 0).any(axis=0)
    passes = passes[:, is_new]
    return passes[:, np.argsort(-passes[2], kind="stable")].T


def _clean(labels: Labels, place: Places, min_area: int) -> Labels:
    """Labels (Y, X) without holes and small cells; ids 1..N in the order of first pixels, -1 for the unknown ones.

    Other pixels than those at these places of the flat image are background.
    """
    flat = labels.ravel()
    cells, (hole, around) = flat[place], find_holes(labels)
    area = np.bincount(cells, minlength=_UNKNOWN + 1)
    np.add.at(area, around, 1)
    area[: _UNKNOWN + 1] = -1  # neither background nor unknown
    kept = np.flatnonzero(area >= min_area)
    first = np.zeros(len(area), np.int64)
    first[cells[::-1]] = place[::-1]  # of several values for one cell, the last one stays
    ids = np.zeros(len(area), np.int32)
    ids[kept[np.argsort(first[kept])]] = np.arange(1, len(kept) + 1)
    ids[_UNKNOWN] = -1
    flat[place], flat[hole] = ids[cells], ids[around]
    return labels


def find_holes(labels: Labels) -> tuple[Places, Labels]:
    """Places in a flat label image (Y, X) of background that one label encloses, and the labels."""
    background, count = label_regions(labels == 0, np.ones((3, 3)))
    is_inside = np.ones(count + 1, bool)
    is_inside[0] = False
    for edge in (background[0], background[-1], background[:, 0], background[:, -1]):
        is_inside[edge] = False
    if not is_inside.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    place = np.flatnonzero(is_inside[background])  # none is at the border
    hole = background.ravel()[place]
    least, most = np.full(count + 1, np.iinfo(np.int32).max), np.zeros(count + 1, np.int32)
    for step in (-labels.shape[1], -1, 1, labels.shape[1]):
        beside = labels.ravel()[place + step]
        is_rim = beside > 0
        np.minimum.at(least, hole[is_rim], beside[is_rim])
        np.maximum.at(most, hole[is_rim], beside[is_rim])
    is_enclosed = (least == most)[hole]
    return place[is_enclosed], most[hole[is_enclosed]]
