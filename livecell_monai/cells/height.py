"""The height of each pixel of a mask, of which each cell is a peak: from its depth in the mask and the distance map.

A part of an image gives the heights of the whole, and marks those that depend on pixels outside of it.
"""

from dataclasses import dataclass

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


def average(distance: NDArray[np.uint8], reach: int) -> NDArray[np.float64]:
    """The mean (Y, X) over squares with so many pixels on each side of the middle; the border's pixels are repeated."""
    total = distance.astype(np.int32)  # sums of integers are exact, wherever the image is cut
    for axis in (0, 1):
        total = ndimage.correlate1d(total, np.ones(2 * reach + 1), axis, mode="nearest")
    return np.asarray(total / (2 * reach + 1) ** 2)


def measure_height(
    mask: Pixels, distance: NDArray[np.float64] | None, radius: float, window: Window, reach: int
) -> NDArray[np.int32]:
    """The height (Y, X) of the pixels of a mask in steps of `DEPTH_STEP`, `MOST` where it depends on what lies outside.

    With a distance map, averaged over squares of this reach, it is a weighted mean of the depth in the mask and of the depth
    that the map tells for a cell of this radius in px.
    """
    depth = measure_depth(mask)
    height = depth
    if distance is not None:
        height = np.where(mask, (depth + MAP_WEIGHT * radius / LEVELS * distance) / (1 + MAP_WEIGHT), 0)
    level = np.minimum(np.rint(height / DEPTH_STEP), MOST - 1).astype(np.int32)
    if any(window.cut):
        level[_find_unknown(mask, depth, window, reach)] = MOST
    return level


def measure_depth(mask: Pixels) -> NDArray[np.float64]:
    """The distance (Y, X) in px of each pixel of a mask from the background; the border of the image is no background."""
    if mask.all():
        return np.full(mask.shape, float(max(mask.shape)))
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(mask)
    return depth


def _find_unknown(mask: Pixels, depth: NDArray[np.float64], window: Window, reach: int) -> NDArray[np.bool_]:
    """The pixels of a mask whose nearest background may lie outside of the window, or that are averaged with such pixels."""
    height, width = mask.shape
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    inside = np.full(mask.shape, np.inf)
    for is_cut, far in zip(window.cut, (rows + 1, height - rows, columns + 1, width - columns), strict=True):
        if is_cut:
            inside = np.minimum(inside, far)
    return np.asarray(mask & ((depth > inside) | (inside <= reach)))
