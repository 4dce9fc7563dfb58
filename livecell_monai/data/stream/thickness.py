"""The optical thickness (Y, X) in radians of cells and of what lies between them: the phase that light is behind the dish.

A spread cell delays green light by about 1 rad, a rounded one by several.

Source: Barer, "Refractometry and Interferometry of Living Cells", J. Opt. Soc. Am. 47, 1957.
"""

import numpy as np
from numpy.typing import NDArray

from livecell_monai.data.stream.layout import Layout
from livecell_monai.data.stream.noise import Plane, blur, is_chosen, log_uniform, scatter, smooth_noise, window_around
from livecell_monai.data.stream.ranges import BODY, DIRT

Mask = NDArray[np.bool_]


def draw_thickness(layout: Layout, rng: np.random.Generator) -> Plane:
    """The thickness of cells and debris."""
    thickness = _draw_debris(layout, rng)
    if len(layout.heights) > 1:
        thickness += _draw_bodies(layout, rng)
    return thickness


def draw_cell_noise(layout: Layout, deviation: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A factor (N + 1,) for each cell, log-normal around 1; 0 for the background."""
    factors = np.exp(rng.normal(0, deviation, len(layout.heights))).astype(np.float32)
    factors[0] = 0
    return factors


def _draw_bodies(layout: Layout, rng: np.random.Generator) -> Plane:
    shape, size, label = layout.label.shape, layout.diameter, layout.label
    typical = log_uniform(BODY.height, rng)
    heights = typical * layout.heights * draw_cell_noise(layout, rng.uniform(*BODY.height_deviation), rng)
    heights[layout.rounded] = rng.uniform(*BODY.round_height, int(layout.rounded.sum()))
    height = heights.astype(np.float32)[label]
    is_round = layout.rounded[label]
    edge = rng.uniform(*BODY.edge) * size
    rise = np.clip(layout.depth / np.float32(max(edge, 0.7)), 0, 1)
    dome = np.float32(rng.uniform(*BODY.dome))
    flat = rise * (1 - dome + dome * np.clip(layout.depth * np.float32(4 / size), 0, 1))
    ball = np.sqrt(np.clip(1 - layout.ratio * layout.ratio, 0, 1))
    texture = 1 + rng.uniform(*BODY.mottle) * smooth_noise(shape, 0.1 * size, rng)
    texture += rng.uniform(*BODY.grain) * smooth_noise(shape, rng.uniform(0.8, 1.6), rng)
    texture += _draw_nuclei(layout, rng)
    flat *= _thin_out(layout, rng)
    body = height * np.where(is_round, ball * (0.75 + 0.25 * texture), flat * texture)
    return np.asarray(body + rise * _draw_granules(layout, rng), dtype=np.float32)


def _thin_out(layout: Layout, rng: np.random.Generator) -> Plane:
    """A factor (Y, X) from 1 at the nucleus down to that of the lamella, with which a spread cell ends on some sides."""
    lamella = rng.uniform(*BODY.lamella)
    middle = np.exp(-np.square(layout.nucleus * np.float32(1 / rng.uniform(*BODY.middle))))
    uneven = np.clip(0.5 + 0.5 * smooth_noise(layout.label.shape, 0.35 * layout.diameter, rng), 0, 1)
    return np.asarray(lamella + (1 - lamella) * np.maximum(middle, uneven), dtype=np.float32)


def _draw_nuclei(layout: Layout, rng: np.random.Generator) -> Plane:
    """Nuclei (Y, X), relative to the height of the cell: a plateau with a rim."""
    plateau = 1 / (1 + np.exp(np.clip((layout.nucleus - 0.95) * 10, -30, 30)))
    rim = np.exp(-(((layout.nucleus - 1) / 0.17) ** 2))
    inside = rng.uniform(*BODY.nucleus) * plateau + rng.uniform(*BODY.nucleus_rim) * rim
    return np.asarray(inside, dtype=np.float32)


def draw_nucleoli(layout: Layout, mean: float, sigma: float, rng: np.random.Generator) -> Plane:
    """Spots (Y, X) of height about 1 inside nuclei, so many in each on the average."""
    places = np.flatnonzero(layout.nucleus.ravel() < 0.7)
    if len(places) == 0:
        return np.zeros(layout.label.shape, np.float32)
    chosen = places[rng.integers(0, len(places), rng.poisson(mean * (len(layout.heights) - 1)))]
    rows, columns = np.divmod(chosen, layout.label.shape[1])
    strengths = rng.uniform(0.5, 1.5, len(chosen)) * 2 * np.pi * sigma**2
    return blur(scatter(layout.label.shape, rows, columns, strengths), sigma)


def _draw_granules(layout: Layout, rng: np.random.Generator) -> Plane:
    """Vesicles and nucleoli (Y, X): points that are thicker than their surroundings, some thinner."""
    shape, size = layout.label.shape, layout.diameter
    count = int(rng.uniform(*BODY.granules) * 25 * layout.label.size / size**2)
    flat = rng.integers(0, layout.label.size, min(count, 6000))
    inside = layout.label.ravel()[flat] > 0
    rows, columns = np.divmod(flat[inside], shape[1])
    sigma = float(np.clip(0.02 * size, 0.7, 2.0)) * rng.uniform(0.8, 1.3)
    strength = log_uniform(BODY.granule_height, rng) * 2 * np.pi * sigma**2
    values = strength * rng.uniform(0.3, 1.7, len(rows)) * draw_cell_noise(layout, 0.6, rng)[layout.label[rows, columns]]
    values[rng.random(len(rows)) < rng.uniform(*BODY.bright_granules)] *= -1
    spots = blur(scatter(shape, rows, columns, values), sigma)
    nucleoli = draw_nucleoli(layout, rng.uniform(*BODY.nucleoli), float(np.clip(0.035 * size, 0.8, 2.5)), rng)
    return spots + np.float32(rng.uniform(0.2, 0.8)) * nucleoli


def _draw_debris(layout: Layout, rng: np.random.Generator) -> Plane:
    """Specks everywhere, smudges and remains of dead cells between the cells, fibres, scratches."""
    shape = layout.label.shape
    part = layout.label.size / 512**2
    debris = np.zeros(shape, np.float32)
    for _ in range(3):
        count = int(rng.poisson(log_uniform(DIRT.specks, rng) * part / 2))
        sigma, height = log_uniform(DIRT.speck_size, rng), log_uniform(DIRT.speck_height, rng)
        signs = rng.choice([1.0, -0.6], count, p=[0.8, 0.2])
        values = height * rng.uniform(0.3, 1.7, count) * signs * 2 * np.pi * sigma**2
        rows, columns = (rng.integers(0, side, count) for side in shape)
        debris += blur(scatter(shape, rows, columns, values), sigma)
    smudges = int(rng.poisson(rng.uniform(*DIRT.smudges) * part))
    debris += _draw_smudges(layout, smudges, rng)
    if is_chosen(DIRT.ghosts, rng):
        debris += _draw_ghosts(layout, rng)
    if is_chosen(DIRT.fibres, rng):
        debris += _draw_lines(shape, int(rng.integers(1, 5)), rng.uniform(0.6, 2.5), rng)
    if is_chosen(DIRT.scratches, rng):
        debris -= _draw_lines(shape, int(rng.integers(1, 6)), rng.uniform(0.5, 1.2), rng, bend=0.05)
    return debris


def _draw_smudges(layout: Layout, count: int, rng: np.random.Generator) -> Plane:
    """Ragged patches (Y, X) of small thickness and fine grain between the cells."""
    shape = layout.label.shape
    if count == 0:
        return np.zeros(shape, np.float32)
    away = _measure_away(layout, count, DIRT.smudge_diameter, rng)
    ragged = away + 0.35 * smooth_noise(shape, 1.6, rng) + 0.3 * smooth_noise(shape, max(2.0, 0.1 * layout.diameter), rng)
    height = rng.uniform(*DIRT.smudge_height)
    patches = np.where((ragged < 1) & (layout.label == 0), height * (0.8 + 0.6 * smooth_noise(shape, 1.2, rng)), 0)
    return blur(np.asarray(patches, np.float32), rng.uniform(0.5, 1.2))


def _draw_ghosts(layout: Layout, rng: np.random.Generator) -> Plane:
    """The loose whorls (Y, X) that dead cells leave, with no label."""
    shape = layout.label.shape
    away = _measure_away(layout, int(rng.integers(1, 6)), DIRT.ghost_diameter, rng)
    bent = away + 0.25 * smooth_noise(shape, max(2.0, 0.12 * layout.diameter), rng)
    grain = smooth_noise(shape, rng.uniform(1.2, 3.0), rng)
    whorls = np.sin(bent * rng.uniform(5, 14) + rng.uniform(0.3, 1.5) * grain) * np.clip(3 * (1.1 - bent), 0, 1)
    return np.asarray(np.where(layout.label == 0, np.float32(rng.uniform(*DIRT.ghost_height)) * whorls, 0), np.float32)


def _measure_away(layout: Layout, count: int, diameter: tuple[float, float], rng: np.random.Generator) -> Plane:
    """The distance (Y, X) from the nearest of so many random ellipses, relative to its radius; 9 far away."""
    shape = layout.label.shape
    near = np.full(shape, 9.0, np.float32)
    for _ in range(count):
        y, x = (rng.uniform(0, side) for side in shape)
        radius, flat = layout.diameter * rng.uniform(*diameter) / 2, rng.uniform(0.6, 1.6)
        window = window_around(shape, y, x, 3 * radius + 2)
        rows, columns = np.ogrid[window]
        away = np.hypot((rows - y) * flat, (columns - x) / flat).astype(np.float32) / np.float32(radius)
        near[window] = np.minimum(near[window], away)
    return near


def _draw_lines(shape: tuple[int, ...], count: int, width: float, rng: np.random.Generator, bend: float = 0.8) -> Plane:
    """Lines across the field (Y, X), of thickness up to about 1."""
    lines = np.zeros(shape, np.float32)
    for _ in range(count):
        steps = np.linspace(0, rng.uniform(0.2, 1.2) * shape[0], 3 * max(shape))
        turns = rng.uniform(-np.pi, np.pi) + bend * np.sin(steps / rng.uniform(20, 120)) + bend * 0.01 * steps
        step = steps[1]
        rows = rng.uniform(0, shape[0]) + np.cumsum(np.sin(turns)) * step
        columns = rng.uniform(0, shape[1]) + np.cumsum(np.cos(turns)) * step
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        lines[rows[inside].astype(int), columns[inside].astype(int)] = rng.uniform(0.2, 1.2)
    return blur(lines, width) * np.float32(2 * width)
