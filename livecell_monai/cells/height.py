"""The height of each pixel of a mask, of which each cell is a peak: from its depth in the mask and the distance map.

A part of an image gives the heights of the whole, and marks those that depend on pixels outside of it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.cells.runs import find_runs
from livecell_monai.sample import Pixels

LEVELS = 255  #: a distance map is rounded to this many steps, on disk and in memory
DEPTH_STEP = 1 / 16  #: px to which heights are rounded
MAP_WEIGHT = 2  #: of the depth that the map tells, that measured in the mask has 1
MOST = 2**16  #: the height of what is unknown, in steps; with the places, more would not fit into a float64
REACH = 150  #: px; masks that are deeper take another way
FAR = (REACH + 1) ** 2  # with the square of the reach, less than 2**16
STRIP, BLOCK = 128, 256  # rows, and px of an edge, that are processed at once: they fit into the cache of a processor


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

    def border(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Places in the flat mask (Y, X) of its pixels at the border of the image."""
        rows, columns = mask.shape
        across, down = np.arange(columns), columns * np.arange(rows)
        sides = (across, across + columns * (rows - 1), down, down + columns - 1)
        places = np.concatenate([side for side, is_cut in zip(sides, self.cut, strict=True) if not is_cut] or [across[:0]])
        return np.asarray(places[mask.ravel()[places]])


WHOLE = Window()


def quantise(distance: Pixels) -> NDArray[np.uint8]:
    """A distance map (Y, X) of [0, 1] as 0..255, as `decode` takes it and files of large images hold it."""
    return np.rint(distance * np.float32(LEVELS)).astype(np.uint8)


def average(distance: NDArray[np.uint8], reach: int, place: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean (N,) of a map (Y, X) over squares with so many pixels on each side of the middle, at places of the flat map.

    The border's pixels are repeated.
    """
    edge = 2 * reach + 1
    kind: Any = np.uint16 if LEVELS * edge**2 < 2**16 else np.uint32
    square = np.empty(distance.shape, kind)
    padded = np.pad(distance, reach, mode="edge")
    for top in range(0, len(distance), STRIP):  # in the cache of the processor
        part = padded[top : top + STRIP + 2 * reach].astype(kind)
        square[top : top + STRIP] = _add_neighbours(_add_neighbours(part, edge, 0), edge, 1)
    return np.asarray(square.ravel()[place], np.float32) / np.float32(edge**2)


def _add_neighbours(values: Pixels, count: int, axis: int) -> Pixels:
    """The sums of so many successive pixels along an axis, by sums of 1, 2, 4 and so on of them."""
    length, size, offset = values.shape[axis] - count + 1, 1, 0
    total: Pixels | None = None

    def take(first: int, length: int) -> Pixels:
        return values[first : first + length] if axis == 0 else values[:, first : first + length]

    while count:
        if count & 1:
            total = take(offset, length).copy() if total is None else np.add(total, take(offset, length), out=total)
            offset += size
        count //= 2
        if count:
            rest = values.shape[axis] - size
            values = take(0, rest) + take(size, rest)
            size *= 2
    assert total is not None
    return total


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
    square: Pixels = _search_rows(mask, _measure_in_row(mask))
    if square.max() > REACH**2:
        square = _measure_square(mask)
    return np.sqrt(square[mask].astype(np.float32))


def _measure_in_row(mask: Pixels) -> NDArray[np.uint16]:
    """The square (Y + 2 * REACH, X) of the distance from the background in each row, at most `FAR`, also above and below."""
    runs = find_runs(mask)
    runs = runs.select(runs.value)
    length = runs.length.astype(np.int32)
    first = np.cumsum(length, dtype=np.int32) - length
    from_left = np.arange(1, 1 + length.sum(), dtype=np.int32) - np.repeat(first, length)
    from_right = np.repeat(length + 1, length) - from_left
    for far, at_border in ((from_left, runs.start == 0), (from_right, runs.stop == runs.width)):
        far[np.repeat(at_border, length)] = REACH + 1
    near = np.full((len(mask) + 2 * REACH, mask.shape[1]), FAR, np.uint16)
    inside = near[REACH : REACH + len(mask)]
    inside[~mask] = 0
    inside[mask] = np.minimum(np.minimum(from_left, from_right), REACH + 1) ** 2
    return near


def _search_rows(mask: Pixels, near: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The square (Y, X) of the distance from the background, by those in rows above and below; more than REACH^2 if unknown.

    Source: Saito and Toriwaki, "New algorithms for Euclidean distance transformation", Pattern Recognition 27, 1994.
    """
    square = np.zeros(mask.shape, np.uint16)
    for top in range(0, mask.shape[0], BLOCK):
        for left in range(0, mask.shape[1], BLOCK):
            place = slice(top, min(top + BLOCK, len(mask))), slice(left, left + BLOCK)
            if not mask[place].any():
                continue
            best = near[REACH:][place].copy()
            other, most = np.empty_like(best), int(best.max())
            for step in range(1, REACH + 1):
                if step**2 >= most:
                    break
                np.minimum(near[REACH - step :][place], near[REACH + step :][place], out=other)
                other += np.uint16(step**2)
                np.minimum(best, other, out=best)
                most = int(best.max()) if step % 4 == 0 else most
            square[place] = best
    return square


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
