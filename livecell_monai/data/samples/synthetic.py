"""Draws fields of cells as a phase-contrast microscope shows them, with the exact label of every cell.

Cells are drawn as a relief of optical thickness, and the microscope is a filter over it: thick turns dark, its surroundings
bright. The images are for tests, demonstrations and the quick start; they replace no real data.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.data.samples.phase_contrast import draw_optics, expose
from livecell_monai.data.samples.synthetic_cell import (
    KINDS,
    LARGEST,
    STAR,
    Mask,
    Relief,
    draw_noise,
    draw_outline,
    draw_relief,
    keep_largest,
    window_at,
)

PAD = LARGEST + 1  #: px drawn around the field and cut off, so that cells may cross its edge
_FEWEST, _MOST = 0.12, 0.25  # fraction of pixels that cells cover
_TRIES = 30  # places tried for one cell
SLIVER = 40  #: pixels; a cell of which the edge of the field leaves less gets no label
_REACH = 4.0  # sigma; sums of distances beyond it weigh as plain background, an error of weight * exp(-8) at most

_Spot = tuple[int, int, float]  # centre (Y, X) of a cell on the padded field, radius of the disc of its area, in pixels


@dataclass(frozen=True)
class Field:
    """One drawn field of view."""

    image: NDArray[np.uint16]  #: (Y, X) in [8114, 65535]
    label: NDArray[np.uint16]  #: (Y, X) instance ids, 0 background; from 1 without gaps, each one connected piece


def draw_field(shape: tuple[int, int], *, rng: np.random.Generator) -> Field:
    """Draw a field (Y, X), each side at least 64 pixels, of spread, clustered and dividing cells among debris.

    `rng` also varies density, contrast and illumination from field to field.
    """
    padded = (shape[0] + 2 * PAD, shape[1] + 2 * PAD)
    ids, relief = _place_cells(shape, rng)
    remains = draw_remains(padded, rng)
    relief += np.where(ids == 0, remains, 0)
    relief += draw_specks(padded, rng)
    inner = np.s_[PAD:-PAD, PAD:-PAD]
    return Field(np.ascontiguousarray(expose(relief, draw_optics(padded, rng), rng)[inner]), _tidy(ids[inner]))


def measure_border(label: NDArray[np.integer], weight: float = 10.0, sigma: float = 5.0) -> NDArray[np.float32]:
    """The weight (Y, X) float32 in [1, 1 + weight] of each pixel, high on background that two cells nearly enclose.

    Background weighs 1 + weight * exp(-(d1 + d2)^2 / (2 sigma^2)), with d1 and d2 the distances in pixels to the nearest and
    second nearest cell of the label (Y, X), and sigma > 0 in pixels; cells weigh 1, and so does background where d1 + d2
    exceeds 4 sigma. The class weight of the paper is not included: it depends on the whole training set.

    Source: Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
    """
    nearest = np.full(label.shape, np.inf, dtype=np.float32)
    second = nearest.copy()
    margin = int(np.ceil(_REACH * sigma))
    for number, box in enumerate(ndimage.find_objects(label), start=1):
        if box is None:
            continue
        # a cell counts only within the margin, so its own surroundings are enough
        around = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)
        distance = ndimage.distance_transform_edt(label[around] != number).astype(np.float32)
        first = nearest[around]
        second[around] = np.minimum(second[around], np.maximum(first, distance))
        nearest[around] = np.minimum(first, distance)
    both = nearest + second
    between = (label == 0) & (both <= _REACH * sigma)
    border = np.ones(label.shape, dtype=np.float32)
    border[between] += weight * np.exp(-(both[between] ** 2) / (2 * sigma**2))
    return border


def _place_cells(shape: tuple[int, int], rng: np.random.Generator) -> tuple[NDArray[np.int32], Relief]:
    """Ids and relief of a random crowd, both (Y + 2 pad, X + 2 pad)."""
    ids = np.zeros((shape[0] + 2 * PAD, shape[1] + 2 * PAD), dtype=np.int32)
    relief = np.zeros(ids.shape, dtype=np.float32)
    area = shape[0] * shape[1]
    target = rng.uniform(_FEWEST + 0.01, _MOST - 0.01) * area
    company = rng.uniform(0.35, 0.75)  # chance that a cell settles beside another
    shares = np.array([kind.share for kind in KINDS]) * rng.uniform(0.5, 1.5, len(KINDS))
    placed: list[_Spot] = []
    covered = 0
    # the smallest cells cover some 400 pixels, so the target is reached long before the last attempt
    for _ in range(4 + area // 400):
        outline = draw_outline(KINDS[rng.choice(len(KINDS), p=shares / shares.sum())], rng)
        spot = _find_spot(ids, outline.mask, placed if rng.random() < company else [], rng)
        if spot is None:
            continue
        window = window_at(spot[0], spot[1], outline.mask.shape)
        mask = keep_largest(outline.mask & (ids[window] == 0))
        inner = tuple(
            slice(max(PAD - part.start, 0), PAD + side - part.start) for part, side in zip(window, shape, strict=True)
        )
        visible = int(np.count_nonzero(mask[inner]))
        if covered + visible > _MOST * area:
            continue
        placed.append(spot)
        covered += visible
        ids[window][mask] = len(placed)
        relief[window] += draw_relief(mask, outline, rng)
        if covered >= target:
            break
    return ids, relief


def _find_spot(ids: NDArray[np.int32], mask: Mask, neighbours: list[_Spot], rng: np.random.Generator) -> _Spot | None:
    """A place where at most an eighth of the cell is hidden, beside one of the neighbours if there are any."""
    radius = float(np.sqrt(mask.sum() / np.pi))
    for _ in range(_TRIES):
        y, x = (int(rng.integers(PAD, side - PAD)) for side in ids.shape)
        if neighbours:
            other_y, other_x, other_radius = neighbours[int(rng.integers(len(neighbours)))]
            turn, away = rng.uniform(0, 2 * np.pi), (radius + other_radius) * rng.uniform(0.75, 1.15)
            y, x = round(other_y + away * np.sin(turn)), round(other_x + away * np.cos(turn))
        if not (PAD <= y < ids.shape[0] - PAD and PAD <= x < ids.shape[1] - PAD):
            continue
        if np.mean(ids[window_at(y, x, mask.shape)][mask] > 0) <= 1 / 8:
            return y, x, radius
    return None


def _tidy(ids: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Ids (Y, X) from 1 without gaps, each the largest piece of its cell inside the field."""
    label = np.zeros(ids.shape, dtype=np.uint16)
    count = 0
    for number, box in enumerate(ndimage.find_objects(ids), start=1):
        if box is None:
            continue
        mask = keep_largest(ids[box] == number)
        if mask.sum() >= SLIVER:
            count += 1
            label[box][mask] = count
    return label


def draw_remains(shape: tuple[int, int], rng: np.random.Generator) -> Relief:
    """Relief (Y, X) of grainy remains of cells on the dish, none in the outer `PAD` px."""
    remains = np.zeros(shape, dtype=np.float32)
    texture = draw_noise(shape, 1.4, rng)
    for _ in range(rng.poisson(rng.uniform(10, 45) * remains.size / 2**20)):
        mask = draw_outline(replace(STAR, diameter=(9, 30)), rng).mask
        y, x = (int(rng.integers(PAD, side - PAD)) for side in shape)
        soft = ndimage.gaussian_filter(mask.astype(np.float32), 1.5)
        remains[window_at(y, x, mask.shape)] += rng.uniform(0.08, 0.3) * soft
    return np.asarray(remains * (0.7 + texture), dtype=np.float32)


def draw_specks(shape: tuple[int, int], rng: np.random.Generator) -> Relief:
    """Relief (Y, X) of dark and bright specks everywhere."""
    relief = np.zeros(shape, dtype=np.float32)
    for size, strength, density in ((1.0, 2.0, 260), (1.8, 8.0, 60), (2.8, 30.0, 8)):
        points = np.zeros(shape, dtype=np.float32)
        count = int(rng.poisson(rng.uniform(0.5, 1.5) * density * relief.size / 2**20))
        at = tuple(rng.integers(0, side, count) for side in shape)
        points[at] = strength * rng.uniform(0.4, 1.6, count) * rng.choice([1.0, -0.6], count, p=[0.75, 0.25])
        relief += ndimage.gaussian_filter(points, size)
    return relief
