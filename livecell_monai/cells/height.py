"""The height of each pixel of a mask, of which each cell is a peak: from its depth in the mask and the distance map.

A part of an image gives the heights of the whole, and marks those that depend on pixels outside of it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.sample import Pixels

LEVELS = 255  #: a distance map is rounded to this many steps, on disk and in memory
DEPTH_STEP = 1 / 16  #: px to which heights are rounded
MAP_WEIGHT = 2  #: of the depth that the map tells, that measured in the mask has 1
MOST = 2**16  #: the height of what is unknown, in steps; with the places, more would not fit into a float64


@dataclass(frozen=True)
class Window:
    """The place of an array in its image."""

    top: int = 0
    left: int = 0
    #: whether the image continues beyond (the first row, the last row, the first column, the last column)
    cut: tuple[bool, bool, bool, bool] = (False, False, False, False)

    def rim(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The pixels (Y, X) beside a cut."""
        rim = np.zeros(shape, bool)
        rim[0] |= self.cut[0]
        rim[-1] |= self.cut[1]
        rim[:, 0] |= self.cut[2]
        rim[:, -1] |= self.cut[3]
        return rim


WHOLE = Window()


def quantise(distance: Pixels) -> NDArray[np.uint8]:
    """A distance map (Y, X) of [0, 1] as 0..255, as `decode` takes it and files of large images hold it."""
    return np.rint(distance * np.float32(LEVELS)).astype(np.uint8)


def average(distance: NDArray[np.uint8], reach: int, place: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean (N,) of a map (Y, X) over squares with so many pixels on each side of the middle, at places of the flat map.

    The border's pixels are repeated.
    """
    total, edge = np.pad(distance, (reach + 1, reach), mode="edge").astype(np.uint32), 2 * reach + 1
    for axis in (0, 1):
        np.cumsum(total, axis, out=total)  # beyond 32 bits sums start again at 0, and so does their difference
    corner = place + (place // distance.shape[1]) * edge
    below, flat = corner + edge * total.shape[1], total.ravel()
    square = flat[below + edge] - flat[below] - flat[corner + edge] + flat[corner]
    return np.asarray(square, np.float32) / np.float32(edge**2)


def measure_height(
    mask: Pixels, distance: NDArray[np.float32] | None, radius: float, window: Window, reach: int
) -> NDArray[np.int32]:
    """The height (N,) of a mask's pixels in steps of `DEPTH_STEP`, at least 1, `MOST` where it depends on what lies outside.

    With the distance map (N,), averaged over squares of this reach, it is a weighted mean of the depth in the mask and of
    the depth that the map tells for a cell of this radius in px.
    """
    depth = measure_depth(mask)
    height: NDArray[np.floating[Any]] = depth
    if distance is not None:
        height = (depth + distance * np.float32(MAP_WEIGHT * radius / LEVELS)) / np.float32(1 + MAP_WEIGHT)
    level: NDArray[np.int32] = np.clip(np.rint(height / np.float32(DEPTH_STEP)), 1, MOST - 1).astype(np.int32)
    if any(window.cut):
        level[_find_unknown(mask, depth, window, reach)] = MOST
    return level


def measure_depth(mask: Pixels) -> NDArray[np.float32]:
    """The distance (N,) in px of each pixel of a mask from the background; the border of the image is no background."""
    if mask.all():
        return np.full(mask.size, max(mask.shape), np.float32)
    square = np.full(mask.shape, np.iinfo(np.int32).max, np.int32)
    for box in _list_boxes(mask):  # of a neighbour that the box cuts, too much; its own box gives the least
        np.minimum(square[box], _measure_square(mask[box]), out=square[box])
    return np.sqrt(square.ravel()[np.flatnonzero(mask)].astype(np.float32))


def _list_boxes(mask: Pixels) -> list[tuple[slice, slice]]:
    """Parts of a mask, each a connected region and the pixels around it; the whole if they are larger together."""
    regions: Any = ndimage.label(mask)
    found = ndimage.find_objects(regions[0])
    boxes = [(slice(max(0, y.start - 1), y.stop + 1), slice(max(0, x.start - 1), x.stop + 1)) for y, x in found]
    area = sum((y.stop - y.start) * (x.stop - x.start) for y, x in boxes)
    return boxes if area < mask.size else [(slice(None), slice(None))]


def _measure_square(mask: Pixels) -> NDArray[np.int32]:
    """The square (Y, X) of the distance of each pixel of a mask from the background."""
    nearest: NDArray[np.int32] = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    rows, columns = (np.arange(length, dtype=np.int32) for length in mask.shape)
    down, right = nearest[0] - rows[:, None], nearest[1] - columns
    return np.asarray(down * down + right * right)


def _find_unknown(mask: Pixels, depth: NDArray[np.float32], window: Window, reach: int) -> NDArray[np.bool_]:
    """The pixels (N,) of a mask whose height may depend on pixels outside of the window, and those beside a cut."""
    rows, columns = np.divmod(np.flatnonzero(mask), mask.shape[1])
    inside = np.full(len(rows), np.inf, np.float32)
    height, width = mask.shape
    for is_cut, far in zip(window.cut, (rows + 1, height - rows, columns + 1, width - columns), strict=True):
        if is_cut:
            inside = np.minimum(inside, far)
    return (depth > inside) | (inside <= max(reach, 1))
