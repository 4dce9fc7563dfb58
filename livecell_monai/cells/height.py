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
REACH = 150  #: px; masks that are deeper take another way
FAR = (REACH + 1) ** 2  # with the square of the reach, less than 2**16
_STEPS = (1, 2, 4, 8, 16, 32, 64, 24)  # px; each distance up to `REACH` + 1 is a sum of some of them
STRIP, BLOCK = 128, 64  # rows that are processed at once: they fit into the cache of a processor
AT_ONCE = 5  # steps of a search between two looks at what is left; the last one is `REACH`
MANY = 1 / 16  # of the pixels of an image: fewer are compared by themselves


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
    rounded = np.empty(distance.shape, np.uint8)
    for top in range(0, len(distance), STRIP):
        part = distance[top : top + STRIP] * np.float32(LEVELS)
        rounded[top : top + STRIP] = np.rint(part, out=part)
    return rounded


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
    mask: Pixels,
    place: NDArray[np.int64],
    distance: NDArray[np.float32] | None,
    radius: float,
    window: Window,
    reach: int,
) -> NDArray[np.int32]:
    """The height (N,) of a mask's pixels in steps of `DEPTH_STEP`, at least 1, `MOST` where it depends on what lies outside.

    `place` (N,) are these pixels in the flat mask. With the distance map (N,), averaged over squares of this reach, it is a
    weighted mean of the depth in the mask and of the depth that the map tells for a cell of this radius in px.
    """
    depth = measure_depth(mask, place)
    height: NDArray[np.floating[Any]] = depth
    if distance is not None:
        height = (depth + distance * np.float32(MAP_WEIGHT * radius / LEVELS)) / np.float32(1 + MAP_WEIGHT)
    level: NDArray[np.int32] = np.clip(np.rint(height / np.float32(DEPTH_STEP)), 1, MOST - 1).astype(np.int32)
    if any(window.cut):
        level[_find_unknown(mask.shape, place, depth, window, reach)] = MOST
    return level


def measure_depth(mask: Pixels, place: NDArray[np.int64]) -> NDArray[np.float32]:
    """The distance (N,) in px of each pixel of a mask from the background; the border of the image is no background.

    `place` (N,) are these pixels in the flat mask.
    """
    if len(place) == mask.size:
        return np.full(mask.size, max(mask.shape), np.float32)
    square: Pixels = _search_rows(place, _measure_in_row(mask))
    if square.max(initial=0) > REACH**2:
        square = _measure_square(mask)[mask]
    return np.sqrt(square.astype(np.float32))


def _measure_in_row(mask: Pixels) -> NDArray[np.uint16]:
    """The square (Y + 2 * REACH, X) of the distance from the background in each row, at most `FAR`, also above and below."""
    near = np.full((len(mask) + 2 * REACH, mask.shape[1]), FAR, np.uint16)
    for top in range(0, len(mask), STRIP):
        far = np.multiply(mask[top : top + STRIP], REACH + 1, dtype=np.uint8)
        known = 0  # px, distances that are exact
        for step in _STEPS:
            if far.max() <= known:
                break
            further = far + np.uint8(step)
            np.minimum(far[:, step:], further[:, :-step], out=far[:, step:])
            np.minimum(far[:, :-step], further[:, step:], out=far[:, :-step])
            known += step
        np.multiply(far, far, out=near[REACH + top : REACH + top + len(far)], dtype=np.uint16)
    return near


def _search_rows(place: NDArray[np.int64], near: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The square (N,) of the distance from the background at places of the flat image, more than REACH^2 if unknown.

    `near` (Y + 2 * REACH, X) holds those in each row; rows above and below are searched for nearer background. As long as
    many pixels may have a nearer one, all are compared, then only these.

    Source: Saito and Toriwaki, "New algorithms for Euclidean distance transformation", Pattern Recognition 27, 1994.
    """
    inside, step = near[REACH : len(near) - REACH], 0
    few = MANY * inside.size
    if len(place) > few:
        inside = inside.copy()
        while step < REACH and np.count_nonzero(inside > step**2) > few:
            for top in range(0, len(inside), BLOCK):
                _lower(inside[top : top + BLOCK], near[top : top + BLOCK + 2 * REACH], step)
            step += AT_ONCE
    square = inside.ravel()[place]
    flat, width = near.ravel(), near.shape[1]
    left = np.flatnonzero(square > step**2)
    while len(left) and step < REACH:
        best = square[left]
        above = place[left] + width * (REACH - step)
        below = above + 2 * width * step
        for far in range(step + 1, step + 1 + AT_ONCE):
            above -= width
            below += width
            other = np.minimum(flat[above], flat[below])
            other += np.uint16(far**2)
            np.minimum(best, other, out=best)
        step += AT_ONCE
        square[left] = best
        left = left[best > step**2]
    return square


def _lower(square: NDArray[np.uint16], near: NDArray[np.uint16], step: int) -> None:
    """Lower the squares (Y, X) by `AT_ONCE` more rows above and below, after so many steps."""
    other = np.empty_like(square)
    for far in range(step + 1, step + 1 + AT_ONCE):
        above, below = (near[REACH + shift : REACH + shift + len(square)] for shift in (-far, far))
        np.minimum(above, below, out=other)
        other += np.uint16(far**2)
        np.minimum(square, other, out=square)


def _measure_square(mask: Pixels) -> NDArray[np.float32]:
    """The square (Y, X) of the distance of each pixel of a mask from the background; exact up to 4,096 px."""
    nearest: NDArray[np.int32] = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    rows, columns = (np.arange(length, dtype=np.int32) for length in mask.shape)
    down, right = (each.astype(np.float32) for each in (nearest[0] - rows[:, None], nearest[1] - columns))
    return np.asarray(down * down + right * right)


def _find_unknown(
    shape: tuple[int, ...], place: NDArray[np.int64], depth: NDArray[np.float32], window: Window, reach: int
) -> NDArray[np.int64]:
    """The indices (U,) of pixels whose height may depend on pixels outside of the window, and of those beside a cut.

    They are those of a mask (Y, X) at these places (N,) of the flat one.
    """
    height, width = shape
    far = int(max(depth.max(initial=0), reach, 1))  # px from a cut; no pixel further away is unknown
    near = np.ones(shape, bool)
    above, below, left, right = (far * is_cut for is_cut in window.cut)
    near[above : max(0, height - below), left : max(0, width - right)] = False
    some = np.flatnonzero(near.ravel()[place])
    rows, columns = np.divmod(place[some], width)
    inside = np.full(len(some), np.inf, np.float32)
    for is_cut, px in zip(window.cut, (rows + 1, height - rows, columns + 1, width - columns), strict=True):
        if is_cut:
            inside = np.minimum(inside, px)
    return some[(depth[some] > inside) | (inside <= max(reach, 1))]
