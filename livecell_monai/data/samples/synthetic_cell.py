"""Draws one cell: its outline and its relief, the optical thickness in arbitrary units.

A relief is about 1 for the body of a compact cell, 0 for the bare dish, below 0 where it is brighter than the dish.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Relief = NDArray[np.float32]


@dataclass(frozen=True)
class Kind:
    """The properties of a kind of cells; each pair is the range from which a cell draws."""

    share: float  #: how often the kind occurs, relative to the others
    diameter: tuple[float, float]  #: of the disc of equal area, in pixels
    arms: tuple[int, int]  #: number of processes, both ends included
    reach: tuple[float, float]  #: length of a process relative to the radius of the body
    spread: tuple[float, float]  #: half-width of a process, in radians as seen from the centre
    aspect: tuple[float, float]  #: length of the body over its width
    height: tuple[float, float]  #: thickness of the body


SPINDLE = Kind(0.36, (28, 52), (2, 2), (0.9, 2.6), (0.2, 0.42), (1.3, 2.4), (0.8, 1.7))
TRIANGLE = Kind(0.28, (30, 58), (3, 3), (0.7, 2.2), (0.2, 0.42), (1.0, 1.6), (0.65, 1.4))
STAR = Kind(0.17, (34, 62), (4, 6), (0.3, 1.3), (0.14, 0.34), (1.0, 1.6), (0.55, 1.0))
FLAT = Kind(0.13, (52, 70), (4, 8), (0.1, 0.7), (0.15, 0.4), (1.2, 2.4), (0.3, 0.55))
ROUND = Kind(0.06, (22, 31), (0, 0), (0.0, 0.0), (0.3, 0.3), (1.0, 1.15), (1.1, 1.5))
KINDS = (SPINDLE, TRIANGLE, STAR, FLAT, ROUND)

LARGEST = 109  #: pixels of a patch to either side of its centre, at most
_MARGIN = 12  # pixels of a patch around its cell, room for the halo of a round one


@dataclass(frozen=True)
class Outline:
    """The shape of one cell on a patch of its own."""

    mask: Mask  #: (H, W), one connected piece without holes, with an empty margin
    kind: Kind
    angle: float  #: direction of the long axis, in radians from the X axis towards Y


def keep_largest(mask: Mask) -> Mask:
    """The largest 4-connected piece of a (Y, X) mask; an empty mask stays empty."""
    pieces, count = ndimage.label(mask)
    if count < 2:
        return mask
    return np.asarray(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))


def window_at(y: int, x: int, patch: tuple[int, ...]) -> tuple[slice, slice]:
    """Where a patch (H, W) lies that is centred on a pixel."""
    top, left = y - patch[0] // 2, x - patch[1] // 2
    return slice(top, top + patch[0]), slice(left, left + patch[1])


def draw_noise(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> Relief:
    """A smooth random field (Y, X) of mean about 0 and deviation 1, with features about `scale` pixels wide."""
    rough = rng.standard_normal(shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(rough, scale, mode="wrap", truncate=3.0)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), dtype=np.float32)


def draw_outline(kind: Kind, rng: np.random.Generator) -> Outline:
    """An irregular outline: an ellipse with processes and hollow flanks, then bent and frayed."""
    turns, radii = draw_radii(kind, rng)
    # the area of a polar curve is pi times its mean squared radius, which fixes the scale
    scale = rng.uniform(*kind.diameter) / 2 / np.sqrt(np.mean(radii**2))
    half = int(min(scale * radii.max() * 1.6 + 8, LARGEST))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    calm = 0.3 if kind is ROUND else 1.0
    for depth, grain in ((2.8, 10.0), (0.7, 3.0)):
        y = y + calm * depth * draw_noise(y.shape, grain, rng)
        x = x + calm * depth * draw_noise(x.shape, grain, rng)
    angle = rng.uniform(-np.pi, np.pi)
    aspect = np.sqrt(rng.uniform(*kind.aspect))
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    across = across + calm * rng.normal(0, 0.25) * along**2 / (scale * radii.max())
    along, across = along / aspect, across * aspect
    reach = np.interp(np.arctan2(across, along), turns, radii, period=2 * np.pi)
    mask = np.hypot(along, across) < scale * reach
    mask[half - 1 : half + 2, half - 1 : half + 2] = True  # so that even the smallest speck survives the opening
    mask = ndimage.binary_opening(mask)
    mask = ndimage.binary_fill_holes(keep_largest(mask))
    rows, columns = ndimage.find_objects(mask.astype(np.int8))[0]
    around = tuple(slice(max(side.start - _MARGIN, 0), side.stop + _MARGIN) for side in (rows, columns))
    return Outline(mask[around], kind, float(angle))


def draw_relief(mask: Mask, outline: Outline, rng: np.random.Generator) -> Relief:
    """The thickness (H, W) of a cell whose visible part is `mask`, 0 outside of it except for the halo of a round one."""
    # the label reaches a little beyond the visible body, as an annotator's line does
    depth = np.maximum(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] - 1.0, 0).astype(np.float32)
    if depth.max() <= 0:
        return np.zeros(mask.shape, dtype=np.float32)
    height = rng.uniform(*outline.kind.height)
    if outline.kind is ROUND:
        away = ndimage.distance_transform_edt(~mask)
        return show_round(draw_round_look((mask.shape[0], mask.shape[1]), rng), depth, away, height)
    body = np.clip(depth / rng.uniform(1.3, 3.2), 0, 1)
    relief = height * body * (0.7 + 0.3 * depth / depth.max())
    relief += body * 0.08 * smear(draw_noise(mask.shape, 1.3, rng), outline.angle, 5)
    for grain, strength in ((1.0, 0.05), (4.0, 0.12)):
        relief += body * strength * draw_noise(mask.shape, grain, rng)
    relief += draw_nucleus(depth, outline.angle, rng)
    relief += draw_granules(depth, rng)
    return np.where(mask, relief, 0).astype(np.float32)


@dataclass(frozen=True)
class Arms:
    """The processes of an outline, one entry each."""

    at: NDArray[np.float64]  #: direction in radians
    reach: NDArray[np.float64]  #: length relative to the radius of the body
    spread: NDArray[np.float64]  #: half-width in radians


def draw_arms(kind: Kind, rng: np.random.Generator) -> Arms:
    """Processes in all directions, of a kind's number, lengths and widths."""
    count = int(rng.integers(kind.arms[0], kind.arms[1] + 1))
    arms = np.empty((3, count))
    for arm in range(count):
        at = 2 * np.pi * (arm + rng.uniform(-0.22, 0.22)) / count
        arms[:, arm] = at, rng.uniform(*kind.reach), rng.uniform(*kind.spread)
    return Arms(*arms)


def measure_radii(arms: Arms) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions (360,) in [-pi, pi) and the radius of the outline in each, 1 for the bare body."""
    turns = np.linspace(-np.pi, np.pi, 360, endpoint=False)
    radii = np.ones_like(turns)
    for at, reach, spread in zip(arms.at, arms.reach, arms.spread, strict=True):
        away = np.abs((turns - at + np.pi) % (2 * np.pi) - np.pi)
        radii += reach * np.exp(-((away / spread) ** 1.3))
    return turns, radii


def draw_radii(kind: Kind, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions (360,) in [-pi, pi) and the radius of a random outline in each, 1 for the bare body."""
    return measure_radii(draw_arms(kind, rng))


def smear(texture: Relief, angle: float, length: int) -> Relief:
    """The texture (Y, X) averaged along a direction over about `length` pixels, scaled to deviation 1."""
    steps = np.arange(-length, length + 1)
    moved = [np.roll(texture, (round(s * np.sin(angle)), round(s * np.cos(angle))), axis=(0, 1)) for s in steps]
    mean = np.mean(moved, axis=0)
    return np.asarray(mean / max(float(mean.std()), 1e-6), dtype=np.float32)


def draw_nucleus(depth: Relief, angle: float, rng: np.random.Generator) -> Relief:
    """A smooth paler oval with a darker rim and one to three dark nucleoli, near the thickest place of the cell."""
    centre = np.unravel_index(np.argmax(ndimage.gaussian_filter(depth, 3)), depth.shape)
    radius = float(np.clip(0.62 * depth.max(), 3, 11))
    y, x = np.indices(depth.shape, dtype=np.float32)
    y, x = y - centre[0], x - centre[1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    away = np.hypot(along / 1.35, across) / radius
    relief = -0.16 / (1 + np.exp((away - 0.9) * 9)) + 0.14 * np.exp(-(((away - 1) / 0.16) ** 2))
    for _ in range(int(rng.integers(1, 4))):
        dy, dx = rng.normal(0, 0.35 * radius, 2)
        size = rng.uniform(0.9, 1.7)
        relief += rng.uniform(0.3, 0.6) * np.exp(-((y - dy) ** 2 + (x - dx) ** 2) / (2 * size**2))
    return np.asarray(relief * (depth > 0), dtype=np.float32)


def draw_granules(depth: Relief, rng: np.random.Generator) -> Relief:
    """Vesicles: mostly dark points, some bright ones, denser where the cell is thick."""
    inside = np.argwhere(depth > 2)
    relief = np.zeros(depth.shape, dtype=np.float32)
    if len(inside) == 0:
        return relief
    count = int(len(inside) / rng.uniform(90, 350)) + 1
    chance = depth[tuple(inside.T)]
    for y, x in rng.choice(inside, count, p=chance / chance.sum(dtype=np.float64)):
        relief[y, x] += rng.uniform(1.2, 4.5) * (-1.0 if rng.random() < 0.2 else 1.0)
    return np.asarray(ndimage.gaussian_filter(relief, 0.9), dtype=np.float32)


@dataclass(frozen=True)
class RoundLook:
    """How a rounded, dividing cell looks: so thick that its middle turns bright, inside a thin dark rim and a wide halo."""

    rim: float  #: px, width of the rim
    slope: float  #: px over which the middle brightens
    plate: Relief  #: (H, W) unevenness of the middle, in [-1.5, 1.5]
    glow: float  #: brightness of the middle
    halo: float  #: brightness of the halo at the outline
    reach: float  #: px, decay of the halo


def draw_round_look(shape: tuple[int, int], rng: np.random.Generator) -> RoundLook:
    """The look of a rounded cell on a patch (H, W)."""
    rim, slope = rng.uniform(0.8, 1.3), rng.uniform(2, 5)
    plate = np.clip(draw_noise(shape, 1.8, rng), -1.5, 1.5)
    return RoundLook(rim, slope, plate, rng.uniform(1.8, 2.5), rng.uniform(0.4, 0.9), rng.uniform(2.5, 4.0))


def show_round(look: RoundLook, depth: Relief, away: Relief, height: float) -> Relief:
    """The relief (H, W) of a rounded cell; `depth` and `away` are px inside and outside of its outline, 0 elsewhere."""
    rim = np.exp(-(((depth - 2.2) / look.rim) ** 2))
    middle = np.clip((depth - 2.8) / look.slope, 0, 1)
    inside = height * (0.4 * rim + np.clip(depth / 2, 0, 1)) - middle * (look.glow + 0.4 * look.plate)
    halo = -look.halo * np.exp(-away / look.reach)
    return np.asarray(np.where(away == 0, inside, halo), dtype=np.float32)
