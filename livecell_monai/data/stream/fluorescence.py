"""Cells that glow, as a fluorescence microscope shows them, and stained ones that absorb: intensities (Y, X).

Light of a plane in focus is blurred by the point spread function; light of other planes adds a wide haze.

Source: Lehmussola et al., "Computational Framework for Simulating Fluorescence Microscope Images with Cell Populations",
IEEE Trans. Med. Imaging 26, 2007.
"""

import numpy as np
from numpy.typing import NDArray

from livecell_monai.data.stream.layout import Layout
from livecell_monai.data.stream.noise import Plane, blur, is_chosen, log_uniform, scatter, smooth_noise
from livecell_monai.data.stream.ranges import FLUORESCENCE, OPTICS
from livecell_monai.data.stream.thickness import draw_cell_noise, draw_nucleoli


def show_nuclei(layout: Layout, rng: np.random.Generator) -> Plane:
    """Nuclei, which are the labelled cells: bright and dim, with spots of chromatin; perhaps faint cytoplasm around."""
    glow = _draw_profile(layout, rng) * _draw_brightness(layout, rng)[layout.label] * _draw_texture(layout, rng)
    around = blur((layout.label > 0).astype(np.float32), 0.3 * layout.diameter)
    around *= 0.6 + 0.4 * np.clip(smooth_noise(layout.label.shape, 0.2 * layout.diameter, rng), -1, 2)
    bleed = np.float32(rng.uniform(*FLUORESCENCE.bleed)) if is_chosen(0.5, rng) else np.float32(0)
    return _collect(np.asarray(glow + bleed * around, np.float32), layout, rng)


def show_cytoplasm(layout: Layout, rng: np.random.Generator) -> Plane:
    """Whole cells, with nuclei that are darker or brighter."""
    nucleus = np.float32(rng.uniform(*FLUORESCENCE.nucleus)) * (layout.nucleus < 1)
    glow = _draw_profile(layout, rng) * (1 + nucleus) * _draw_texture(layout, rng)
    glow *= _draw_brightness(layout, rng)[layout.label]
    return _collect(np.asarray(glow, np.float32), layout, rng)


def show_membrane(layout: Layout, rng: np.random.Generator) -> Plane:
    """Membranes, with less light from inside; perhaps nuclei of another channel."""
    width, inside = rng.uniform(*FLUORESCENCE.membrane), layout.label > 0
    rim = np.exp(-((layout.depth / np.float32(width)) ** 2)) * inside
    uneven = np.clip(1 + 0.4 * smooth_noise(layout.label.shape, 0.15 * layout.diameter, rng), 0.1, 3)
    bleed = np.float32(rng.uniform(*FLUORESCENCE.bleed)) * (layout.nucleus < 1)
    interior = np.float32(rng.uniform(*FLUORESCENCE.inside)) * inside * _draw_texture(layout, rng)
    glow = (rim * uneven + interior + bleed) * _draw_brightness(layout, rng)[layout.label]
    return _collect(np.asarray(glow, np.float32), layout, rng)


def show_stain(layout: Layout, rng: np.random.Generator) -> Plane:
    """Stained nuclei, dark on bright, in paler tissue: the grey of a pink and purple section."""
    shape, size = layout.label.shape, layout.diameter
    density = rng.uniform(*OPTICS.stain) * draw_cell_noise(layout, 0.35, rng)
    nuclei = _draw_profile(layout, rng) * density[layout.label] * _draw_texture(layout, rng)
    tissue = np.clip(1 + 0.5 * smooth_noise(shape, 0.5 * size, rng) + 0.35 * smooth_noise(shape, 0.1 * size, rng), 0, 3)
    holes = smooth_noise(shape, size, rng) < rng.uniform(0.2, 2.5)
    around = rng.uniform(*OPTICS.counterstain) * tissue * blur(holes.astype(np.float32), 1.5)
    return np.asarray(np.exp(-blur(np.asarray(nuclei + around, np.float32), rng.uniform(*OPTICS.blur))), dtype=np.float32)


def _draw_profile(layout: Layout, rng: np.random.Generator) -> Plane:
    """How thick cells are (Y, X), from 0 outside to 1 in the middle: flat or like a dome, one way in each field."""
    dome = np.clip(1 - layout.ratio * layout.ratio, 0, 1) ** np.float32(max(0.02, rng.uniform(*FLUORESCENCE.dome)))
    edge = np.clip((layout.depth + 0.5) / np.float32(1 + rng.uniform(*FLUORESCENCE.edge) * layout.diameter), 0.4, 1)
    return np.asarray(np.where(layout.label > 0, dome * edge, 0), dtype=np.float32)


def _draw_brightness(layout: Layout, rng: np.random.Generator) -> NDArray[np.float32]:
    """The brightness (N + 1,) of each cell, 0 for the background."""
    bright = draw_cell_noise(layout, rng.uniform(*FLUORESCENCE.brightness), rng)
    dim = rng.random(len(bright)) < (rng.uniform(*FLUORESCENCE.dim) if is_chosen(0.5, rng) else 0)
    bright[dim] *= rng.uniform(*FLUORESCENCE.dim_factor, int(dim.sum()))
    return bright


def _draw_texture(layout: Layout, rng: np.random.Generator) -> Plane:
    """A factor (Y, X) about 1: chromatin or cytoplasm, bright foci, and dark nucleoli."""
    shape, size = layout.label.shape, layout.diameter
    texture = 1 + rng.uniform(*FLUORESCENCE.texture) * smooth_noise(shape, max(0.8, rng.uniform(0.03, 0.12) * size), rng)
    texture += rng.uniform(0, 0.15) * smooth_noise(shape, max(0.7, 0.02 * size), rng)
    places = np.flatnonzero(layout.ratio.ravel() < 0.8)
    if len(places) and is_chosen(0.5, rng):
        count = rng.poisson(rng.uniform(*FLUORESCENCE.foci) * (len(layout.heights) - 1))
        sigma = max(0.7, rng.uniform(0.02, 0.06) * size)
        rows, columns = np.divmod(places[rng.integers(0, len(places), count)], shape[1])
        strengths = rng.uniform(*FLUORESCENCE.focus_strength) * rng.uniform(0.5, 1.5, count) * 2 * np.pi * sigma**2
        texture += blur(scatter(shape, rows, columns, strengths), sigma)
    if is_chosen(0.4, rng):
        sigma = max(0.8, 0.05 * size)
        texture -= rng.uniform(0.1, 0.5) * draw_nucleoli(layout, rng.uniform(*FLUORESCENCE.nucleoli), sigma, rng)
    return np.asarray(np.clip(texture, 0.1, None), dtype=np.float32)


def _collect(glow: Plane, layout: Layout, rng: np.random.Generator) -> Plane:
    """The light (Y, X) of all planes: cells in focus and out of it, haze, aggregates and the background."""
    shape, size = layout.label.shape, layout.diameter
    sharp = rng.uniform(*FLUORESCENCE.blur) * np.sqrt(max(size, 20) / 40)
    light = glow
    if is_chosen(0.4, rng):
        is_far = rng.random(len(layout.heights)) < rng.uniform(*FLUORESCENCE.unfocused)
        far = np.where(is_far[layout.label], glow, 0).astype(np.float32)
        light = glow - far + blur(far, rng.uniform(*FLUORESCENCE.unfocused_blur) * size)
    if is_chosen(FLUORESCENCE.spill, rng):
        count = int(rng.integers(1, 12))
        rows, columns = (rng.integers(0, side, count) for side in shape)
        light = light + blur(scatter(shape, rows, columns, rng.uniform(20, 200, count)), rng.uniform(1, 3))
    light = blur(light, sharp)
    haze = rng.uniform(*FLUORESCENCE.haze) * blur(
        np.roll(glow, shape[0] // 3, 0) + glow, rng.uniform(*FLUORESCENCE.haze_width)
    )
    background = log_uniform(FLUORESCENCE.background, rng)
    uneven = np.clip(1 + 0.3 * smooth_noise(shape, shape[0] / 5, rng), 0.1, 2)
    return np.asarray(light + haze + background * uneven, dtype=np.float32)
