"""Draws one cell of a sample movie at any time of its life.

A cell has a frame of its own, with its long axis along X. Its texture is fixed there, so that it moves and turns with the
cell; its outline changes smoothly. Both are then resampled where the cell is.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.data.samples.movie_drift import draw_waves, measure_waves
from livecell_monai.data.samples.movie_life import Life
from livecell_monai.data.samples.synthetic_cell import (
    LARGEST,
    Arms,
    Mask,
    Relief,
    draw_arms,
    draw_granules,
    draw_noise,
    draw_nucleus,
    draw_round_look,
    keep_largest,
    measure_radii,
    show_round,
    smear,
)

_PERIODS_H = (7.0, 11.0, 17.0)  # of what changes in an outline
_REACH, _TURN = 0.35, 0.12  # by which processes change their length, relative, and their direction, in radians
_WARP, _FRAY = 2.8, 0.7  # px by which an outline is displaced, coarsely and finely
_MARGIN = 14  # px around a cell, room for its halo
_ROUND_HEIGHT = 1.3


@dataclass(frozen=True)
class Shown:
    """A cell where it is in a frame: on a window of the image, which may reach beyond it."""

    number: int
    top: int
    left: int
    depth: Relief  #: (H, W) px inside of its outline, below 0 outside
    deepest: float  #: px, greatest depth
    texture: Relief  #: (H, W) relief of what moves with the cell
    plate: Relief  #: (H, W) unevenness of a round cell
    roundness: float
    decay: float


class CellLook:
    """How one cell looks, drawn from its own random numbers."""

    def __init__(self, life: Life, rng: np.random.Generator) -> None:
        self._life = life
        self._arms = draw_arms(life.kind, rng)
        count = len(self._arms.at)
        self._reach, self._turn = draw_waves(count, _PERIODS_H, rng), draw_waves(count, _PERIODS_H, rng)
        self._sway = draw_waves(1, _PERIODS_H, rng)
        self._bend = rng.normal(0, 0.25)
        self._height, self._edge = rng.uniform(*life.kind.height), rng.uniform(1.3, 3.2)
        wide = replace(self._arms, reach=self._arms.reach * 1.7)
        self._half = _measure_half(
            measure_radii(wide), 0.6 * life.diameter / _mean_radius(self._arms), life.aspect, self._bend
        )
        self.reach = float(np.hypot(*self._half)) + 1  #: px from its middle, farthest
        shape = (2 * self._half[0] + 1, 2 * self._half[1] + 1)
        warps = [_WARP * draw_noise(shape, 10.0, rng) + _FRAY * draw_noise(shape, 3.0, rng) for _ in range(4)]
        self._warps = np.stack(warps).reshape(2, 2, *shape)  # two displacements (Y, X), between which an outline sways
        self._round = draw_round_look(shape, rng)
        depth = np.maximum(self._measure_depth(0.0, life.diameter, 0.0, 0.0) - 1, 0)
        texture = _draw_texture(_fit(depth, shape), rng)
        self._texture = ndimage.spline_filter(texture, output=np.float32)
        self._plate = ndimage.spline_filter(self._round.plate, output=np.float32)

    def show(self, frame: int, interval_h: float, shift: NDArray[np.float64]) -> Shown:
        """The cell in a frame, moved by `shift` (y, x) px."""
        life = self._life
        y, x, angle = life.places[frame - life.born]
        roundness, decay = life.roundness(frame, interval_h), life.decay(frame, interval_h)
        own = self._measure_depth(frame * interval_h, life.diameter_px(frame, interval_h), roundness, decay)
        sine, cosine = np.sin(angle), np.cos(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        half = np.ceil(np.abs(turn) @ (np.array(own.shape) // 2)).astype(int)
        middle = np.array([y + shift[0], x + shift[1]])
        corner = np.floor(middle).astype(int) - half
        shape = (2 * int(half[0]) + 1, 2 * int(half[1]) + 1)

        def resample(plane: Relief, order: int) -> Relief:
            offset = np.array(plane.shape) // 2 + turn @ (corner - middle)
            moved = ndimage.affine_transform(plane, turn, offset, shape, order=order, prefilter=False, mode="nearest")
            return np.asarray(moved, dtype=np.float32)

        texture = resample(self._texture, 3) if roundness < 1 else np.zeros(shape, np.float32)
        plate = resample(self._plate, 3) if roundness > 0 else np.zeros(shape, np.float32)
        top, left = corner.tolist()
        return Shown(life.number, top, left, resample(own, 1), float(own.max()), texture, plate, roundness, decay)

    def draw_relief(self, shown: Shown, cover: Relief) -> tuple[Mask, Relief]:
        """What is seen of the cell (H, W) and its relief, where cells above it reach `cover` px (H, W) into it."""
        visible = np.minimum(shown.depth, -cover)
        depth = np.maximum(visible - 1, 0)  # the label reaches a little beyond the visible body
        body = np.clip(depth / self._edge, 0, 1)
        relief = body * (self._height * (0.7 + 0.3 * depth / max(shown.deepest - 1, 1)) + shown.texture)
        if shown.roundness > 0:
            look = replace(self._round, plate=shown.plate)
            bright = show_round(look, depth, np.maximum(-shown.depth, 0), _ROUND_HEIGHT)
            relief = (1 - shown.roundness) * relief + shown.roundness * (1 - 0.5 * shown.decay) * bright
        return visible > 0, np.asarray(relief, dtype=np.float32)

    def _measure_depth(self, hours: float, diameter: float, roundness: float, decay: float) -> Relief:
        """The signed distance (H, W) in px from the outline, above 0 inside, on a patch that fits the cell in its frame."""
        spread = 1 - roundness
        reach = self._arms.reach * spread * np.maximum(1 + _REACH * measure_waves(self._reach, _PERIODS_H, hours), 0.2)
        at = self._arms.at + _TURN * measure_waves(self._turn, _PERIODS_H, hours)
        arms = Arms(at, reach, self._arms.spread)
        turns, radii = measure_radii(arms)
        scale = diameter / 2 / _mean_radius(arms)
        aspect, bend = self._life.aspect**spread, self._bend * spread
        half = np.minimum(_measure_half((turns, radii), scale, aspect, bend), self._half)
        sway = float(measure_waves(self._sway, _PERIODS_H, hours)[0])
        calm = 1 - 0.7 * roundness + 0.4 * decay
        y, x = np.ogrid[-half[0] : half[0] + 1, -half[1] : half[1] + 1]
        warps = _fit(self._warps, (len(y), x.size)) * calm
        across, along = y + np.cos(sway) * warps[0, 0] + np.sin(sway) * warps[1, 0], x + np.cos(sway) * warps[0, 1]
        along = along + np.sin(sway) * warps[1, 1]
        across = across + bend * along**2 / (scale * radii.max())
        along, across = along / np.sqrt(aspect), across * np.sqrt(aspect)
        outline = scale * np.interp(np.arctan2(across, along), turns, radii, period=2 * np.pi)
        mask = ndimage.binary_fill_holes(keep_largest(ndimage.binary_opening(np.hypot(along, across) < outline)))
        mask[[0, -1]], mask[:, [0, -1]] = False, False  # a longer tip is cut off; resampling repeats the rim of a patch
        inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
        return np.asarray(ndimage.gaussian_filter((inside - outside).astype(np.float32), 0.8), dtype=np.float32)


def _mean_radius(arms: Arms) -> float:
    """The radius of a disc of equal area, relative to the body without arms."""
    return float(np.sqrt(np.mean(measure_radii(arms)[1] ** 2)))


def _measure_half(
    outline: tuple[NDArray[np.float64], NDArray[np.float64]], scale: float, aspect: float, bend: float
) -> tuple[int, int]:
    """The half height and width in px of a patch that holds an outline in the frame of its cell, with room for its halo."""
    turns, radii = outline
    x, y = scale * radii * np.cos(turns) * np.sqrt(aspect), scale * radii * np.sin(turns) / np.sqrt(aspect)
    y = y - bend * x**2 / (scale * radii.max())
    halves = (min(int(np.abs(side).max() + _MARGIN), LARGEST) for side in (y, x))
    return next(halves), next(halves)


def _fit(planes: Relief, shape: tuple[int, int]) -> Relief:
    """The middle (..., H, W) of planes, or planes padded with 0 around it."""
    for axis, length in zip((-2, -1), shape, strict=True):
        excess = planes.shape[axis] - length
        if excess > 0:
            planes = np.take(planes, range(excess // 2, excess // 2 + length), axis)
        elif excess < 0:
            planes = np.pad(planes, [(0, 0)] * (planes.ndim + axis) + [(-excess // 2,) * 2] + [(0, 0)] * (-1 - axis))
    return planes


def _draw_texture(depth: Relief, rng: np.random.Generator) -> Relief:
    """What a cell of this depth (H, W) contains: streaks, grain, a nucleus, granules."""
    texture = 0.08 * smear(draw_noise(depth.shape, 1.3, rng), 0.0, 5)
    for grain, strength in ((1.0, 0.05), (4.0, 0.12)):
        texture += strength * draw_noise(depth.shape, grain, rng)
    return texture + draw_nucleus(depth, 0.0, rng) + draw_granules(depth, rng)
