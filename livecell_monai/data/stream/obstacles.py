"""Walls of dishes and channels, and air bubbles: what hides cells, and must not be taken for some."""

import numpy as np
from numpy.typing import NDArray

from livecell_monai.data.stream.noise import Plane, is_chosen, log_uniform, smooth_noise
from livecell_monai.data.stream.ranges import DIRT, OBSTACLE


def add_obstacles(light: Plane, label: NDArray[np.int32], rng: np.random.Generator) -> Plane:
    """The light (Y, X) with a wall or bubbles in part of the fields; the label of what they hide is erased in place."""
    shape = (light.shape[0], light.shape[1])
    for probability, draw in ((DIRT.wall, draw_wall), (DIRT.bubbles, draw_bubbles)):
        if is_chosen(probability, rng):
            depth, across = draw(shape, rng)
            light = cover(light, depth, across, rng)
            label[depth > 0] = 0
    return np.asarray(np.clip(light, 0.01, None), dtype=np.float32)


def draw_wall(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Px (Y, X) behind the frayed face of a slightly curved wall, below 0 in front of it, and px across the wall.

    It fills one side of the field, or is a strip with cells at both sides.
    """
    y, x = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in shape), indexing="ij", sparse=True)
    angle, radius = rng.uniform(-np.pi, np.pi), log_uniform(OBSTACLE.curvature, rng) * max(shape)
    is_strip = is_chosen(OBSTACLE.strip, rng)
    away = rng.uniform(-0.3, 0.5) if is_strip else rng.uniform(0.1, 0.48)
    centre_y, centre_x = (
        side / 2 + (away * max(shape) - radius) * turn
        for side, turn in zip(shape, (np.sin(angle), np.cos(angle)), strict=True)
    )
    across = np.hypot(y - centre_y, x - centre_x) - radius
    half = log_uniform(OBSTACLE.strip_half, rng)
    depth = half - np.abs(across) if is_strip else across
    fray = rng.uniform(*OBSTACLE.fray) * smooth_noise(shape, log_uniform(OBSTACLE.fray_grain, rng), rng)
    return np.asarray(depth + fray, dtype=np.float32), np.asarray(across + fray, dtype=np.float32)


def draw_bubbles(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Px (Y, X) inside of one to three bubbles, below 0 outside, twice."""
    y, x = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in shape), indexing="ij", sparse=True)
    depths = []
    for _ in range(int(rng.integers(1, 4))):
        centre_y, centre_x = (rng.uniform(-0.1, 1.1) * side for side in shape)
        depths.append(log_uniform(OBSTACLE.bubble_radius, rng) - np.hypot(y - centre_y, x - centre_x))
    depth = np.max(depths, axis=0) + rng.uniform(0, 2) * smooth_noise(shape, 25, rng)
    return np.asarray(depth, dtype=np.float32), np.asarray(depth, dtype=np.float32)


def cover(light: Plane, depth: Plane, across: Plane, rng: np.random.Generator) -> Plane:
    """The light (Y, X), 1 without cells, with an obstacle where the depth (Y, X) is above 0.

    It has bands along its face, which `across` (Y, X) numbers in px, textured, and fringes around it.
    """
    behind = depth > 0
    if not behind.any() or behind.all():
        return light
    low, high = np.percentile(light[~behind], (0.1, 99.9))
    through = rng.uniform(*OBSTACLE.transparency)
    inside = _draw_material(across, behind, rng) + through * (light - 1)
    width = log_uniform(OBSTACLE.fringe, rng)
    fringes = rng.uniform(*OBSTACLE.glare) * np.exp(-((depth / width) ** 2)) * np.cos(depth / (rng.uniform(0.4, 3) * width))
    shown = np.where(behind, inside, light) * (1 + fringes)
    if is_chosen(OBSTACLE.saturated, rng):  # the camera is set for the cells
        beyond = rng.uniform(*OBSTACLE.headroom) * (high - low)
        shown = np.clip(shown, low - beyond, high + beyond)
    return np.asarray(shown, dtype=np.float32)


def _draw_material(across: Plane, behind: NDArray[np.bool_], rng: np.random.Generator) -> Plane:
    """Light (Y, X) of an obstacle: bands from nearly black to glaring, each with its own strength of texture."""
    shape = (across.shape[0], across.shape[1])
    first, last = float(across[behind].min()), float(across[behind].max())
    widths = np.exp(_log_range(OBSTACLE.band, 64, rng))
    starts = first + np.concatenate([[0.0], np.cumsum(widths)])
    starts = starts[: max(2, int(np.searchsorted(starts, last)) + 1)]
    contrast = rng.uniform(*OBSTACLE.contrast)
    levels = contrast * _log_range(OBSTACLE.level, len(starts), rng)
    softness = rng.uniform(0.05, 0.95)  # part of a band over which it turns into the next one
    spans = np.diff(starts, append=last + 1)
    nodes = np.stack([starts, starts + (1 - softness) * np.maximum(spans, 1e-3)], axis=1).ravel()
    light = np.interp(across, nodes, np.repeat(levels, 2))
    amount = np.interp(across, nodes, np.repeat(contrast * rng.uniform(0, 1, len(starts)) ** 2, 2))
    grains = [log_uniform(OBSTACLE.texture_grain, rng) for _ in range(2)]
    for grain in grains:
        light = light + amount * smooth_noise(shape, grain, rng)
    if is_chosen(OBSTACLE.lumps, rng):
        lumps = smooth_noise(shape, rng.uniform(4, 20), rng) > rng.uniform(1.2, 2.5)
        light = np.where(lumps, light + rng.uniform(-2, 1), light)
    return np.asarray(np.exp(np.clip(light, -5, 3)), dtype=np.float32)


def _log_range(low_high: tuple[float, float], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Logarithms of so many numbers of a range, uniform."""
    low, high = low_high
    return rng.uniform(np.log(low), np.log(high), count)
