"""Where cells are: their labels, and each pixel's place in its cell and in its nucleus.

A cell is a polar outline around its centre, in coordinates that smooth noise displaces. A pixel belongs to the cell to
whose centre it is nearest, relative to the outline: a weighted Voronoi diagram that ends at the outlines. Crowded cells thus
share borders, and a field of hundreds of cells takes some 50 ms.

Source: Aurenhammer, "Voronoi Diagrams: A Survey of a Fundamental Geometric Data Structure", ACM Computing Surveys 23, 1991.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label as label_pieces

from livecell_monai.data.samples.synthetic_cell import ROUND, Kind, draw_radii
from livecell_monai.data.stream.noise import Plane, is_chosen, smooth_noise, window_around
from livecell_monai.data.stream.ranges import CROWD, POPULATIONS, Population

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """The cells of a field, and properties of cell 1..N by id; index 0 is the background."""

    label: NDArray[np.int32]  #: (Y, X) ids 1..N without gaps, each one piece
    ratio: Plane  #: (Y, X) 0 in the centre of a cell, 1 at its outline and outside of cells
    nucleus: Plane  #: (Y, X) 0 in the centre of a nucleus, 1 at its rim, larger outside
    depth: Plane  #: (Y, X) px from the nearest pixel of another cell or of the background, 0 outside of cells
    diameters: Numbers  #: (N + 1,) px
    heights: Numbers  #: (N + 1,) thickness of the kind, relative
    rounded: NDArray[np.bool_]  #: (N + 1,)
    diameter: float  #: px of the typical cell


@dataclass(frozen=True)
class _Seed:
    """A cell before it is drawn."""

    y: float
    x: float
    diameter: float
    kind: Kind
    rounded: bool


def draw_layout(shape: tuple[int, int], population: str, rng: np.random.Generator) -> Layout:
    """Cells of one of `POPULATIONS` on (Y, X) px: none, some, or so many that they touch everywhere."""
    diameter = float(np.clip(CROWD.typical * np.exp(rng.normal(0, CROWD.typical_deviation)), *CROWD.typical_range))
    kinds = POPULATIONS[population]
    is_confluent, coverage = _draw_coverage(kinds, rng)
    seeds = _place(shape, kinds, diameter, coverage, rng) if coverage > 0 else []
    growth = rng.uniform(*CROWD.growth) if is_confluent else 1.0
    grids = _displace(shape, diameter, rng.uniform(*kinds.irregular), rng)
    return _draw_cells(grids, seeds, diameter, growth, rng)


def _draw_coverage(population: Population, rng: np.random.Generator) -> tuple[bool, float]:
    """Whether cells grow until they meet, and the fraction of pixels that they would cover."""
    if is_chosen(CROWD.empty, rng):
        return False, 0.0
    if is_chosen(population.sparse, rng):
        return False, rng.uniform(*CROWD.coverage_sparse)
    return is_chosen(population.confluent, rng), rng.uniform(*CROWD.coverage_crowded)


def _place(
    shape: tuple[int, int], population: Population, diameter: float, coverage: float, rng: np.random.Generator
) -> list[_Seed]:
    """Seeds that keep a least distance, anywhere or in clusters."""
    kinds, shares = zip(*population.kinds, strict=True)
    weights = np.array(shares) * rng.uniform(0.3, 1.7, len(shares))
    weights /= weights.sum()
    area = (shape[0] + diameter) * (shape[1] + diameter)
    count = int(min(CROWD.most, max(1, round(coverage * area / (np.pi / 4 * diameter**2)))))
    rounded, dividing = rng.uniform(*CROWD.rounded), rng.uniform(*CROWD.dividing)
    spread, distance = rng.uniform(*CROWD.spread), rng.uniform(*population.distance)
    places = _draw_places(shape, 3 * count, diameter, rng)
    chosen = rng.choice(len(kinds), len(places), p=weights)
    sizes = np.exp(rng.normal(0, spread, len(places)))
    taken = np.empty((2 * count + 2, 3))
    seeds: list[_Seed] = []
    for (y, x), which, size in zip(places, chosen, sizes, strict=True):
        if len(seeds) >= count:
            break
        is_round = is_chosen(rounded, rng)
        kind = ROUND if is_round else kinds[which]
        across = float(np.clip(diameter * relative_size(kind, rng) * size, *CROWD.diameter))
        known = taken[: len(seeds)]
        squares = (known[:, 0] - y) ** 2 + (known[:, 1] - x) ** 2
        if (squares < (distance * (known[:, 2] + across / 2)) ** 2).any():
            continue
        turn, twin = rng.uniform(0, 2 * np.pi), is_chosen(dividing, rng)
        for side in (-0.5, 0.5) if twin else (0.0,):
            here = (y + side * 0.8 * across * np.sin(turn), x + side * 0.8 * across * np.cos(turn))
            taken[len(seeds)] = (*here, across / 2)
            seeds.append(_Seed(*here, across * (0.75 if twin else 1.0), kind, kind is ROUND))
    return seeds


def relative_size(kind: Kind, rng: np.random.Generator) -> float:
    """The diameter of a cell relative to the typical one; kinds of the sample set state px for a typical one of 40."""
    unit = 1.0 if kind.diameter[1] < 4 else 40.0
    return float(rng.uniform(*kind.diameter)) / unit


def _draw_places(shape: tuple[int, int], count: int, diameter: float, rng: np.random.Generator) -> Numbers:
    """Places (count, 2) anywhere, or in clusters; some lie just outside, so that the border of the field cuts cells."""
    margin = diameter / 2
    places = np.stack([rng.uniform(-margin, side + margin, count) for side in shape], axis=1)
    if is_chosen(CROWD.clustered, rng):
        clusters = max(1, int(count / rng.uniform(*CROWD.cluster_cells)))
        around = places[rng.integers(0, clusters, count)]
        places = around + rng.normal(0, rng.uniform(*CROWD.cluster_width) * diameter, (count, 2))
        places = places[np.all((places > -margin) & (places < np.array(shape) + margin), axis=1)]
    return places


def _draw_cells(
    grids: tuple[Plane, Plane], seeds: list[_Seed], diameter: float, growth: float, rng: np.random.Generator
) -> Layout:
    """Draw the cells one after the other into common planes of the displaced coordinates `grids`."""
    rows, columns = grids
    shape = rows.shape
    label = np.zeros(shape, np.int32)
    ratio, nucleus = np.ones(shape, np.float32), np.full(shape, 9.0, np.float32)
    is_stacked = is_chosen(CROWD.stacked, rng) and growth == 1.0
    inner = rng.uniform(*CROWD.nucleus)
    expected = np.zeros(len(seeds) + 1)
    for number, seed in enumerate(seeds, start=1):
        _, radii = draw_radii(seed.kind, rng)
        radii *= growth * seed.diameter / 2 / np.sqrt(np.mean(radii**2))
        expected[number] = np.pi * np.mean(radii**2)
        aspect = np.sqrt(rng.uniform(*seed.kind.aspect))
        half = radii.max() * aspect * 1.1 + 0.1 * diameter
        window = window_around(shape, seed.y, seed.x, half)
        away, relative = _measure_place(rows[window] - seed.y, columns[window] - seed.x, radii, aspect, rng)
        free = relative < ratio[window]
        if is_stacked:
            free &= label[window] == 0
        core = inner * min(float(np.median(radii)), seed.diameter / 2)
        away *= np.float32(1 / max(core, 1.0))
        for plane, values in ((label, number), (ratio, relative), (nucleus, away)):
            np.copyto(plane[window], values, where=free)
    kept = _keep_pieces(label, expected)
    return _finish(label, ratio, nucleus, seeds, kept, diameter)


def _displace(shape: tuple[int, int], diameter: float, irregular: float, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """The coordinates (Y, X) of each pixel, displaced by coarse and by fine noise; `irregular` in diameters."""
    grids = list(np.meshgrid(*(np.arange(side, dtype=np.float32) for side in shape), indexing="ij"))
    strengths = irregular * diameter, rng.uniform(*CROWD.frayed) * irregular * diameter
    for strength, grain in zip(strengths, (0.22 * diameter, max(1.0, 0.07 * diameter)), strict=True):
        grids = [grid + np.float32(strength) * smooth_noise(shape, grain, rng) for grid in grids]
    return grids[0], grids[1]


def _measure_place(y: Plane, x: Plane, radii: Numbers, aspect: float, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """The distance of offsets from the centre in px, and relative to the outline in their direction."""
    angle, bend = rng.uniform(-np.pi, np.pi), rng.normal(0, CROWD.bend) / radii.max()
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    along = x * cosine + y * sine
    across = y * cosine - x * sine
    across += np.float32(bend) * along * along
    along *= np.float32(1 / aspect)
    across *= np.float32(aspect)
    away = np.sqrt(along * along + across * across)
    turn = (np.arctan2(across, along) * np.float32(180 / np.pi) + np.float32(180)).astype(np.int16)
    inverse = (1 / np.append(radii, radii[0])).astype(np.float32)
    return away, away * inverse[turn]


def _keep_pieces(label: NDArray[np.int32], expected: Numbers) -> NDArray[np.intp]:
    """Reduce each cell to its largest piece, in place, and renumber; the old ids that are kept, in order.

    A cell of which less than `least_visible` or fewer than 12 px are left is erased, except where the border cuts it.
    """
    pieces = label_pieces(label, connectivity=1, background=0)
    sizes = np.bincount(pieces.ravel())
    owner = np.zeros(len(sizes), np.intp)
    owner[pieces.ravel()] = label.ravel()
    order = np.argsort(sizes[1:], kind="stable") + 1
    largest = np.zeros(len(expected), np.intp)
    largest[owner[order]] = order  # of several pieces, the last one written is the largest
    at_border = np.zeros(len(sizes), bool)
    for rim in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]):
        at_border[rim] = True
    enough = np.where(at_border[largest], 0, CROWD.least_visible * expected)
    kept = np.flatnonzero((largest > 0) & (sizes[largest] >= np.maximum(12, enough)))
    numbers = np.zeros(len(sizes), np.int32)
    numbers[largest[kept]] = np.arange(1, len(kept) + 1)
    label[:] = numbers[pieces]
    return kept


def _finish(
    label: NDArray[np.int32], ratio: Plane, nucleus: Plane, seeds: list[_Seed], kept: NDArray[np.intp], diameter: float
) -> Layout:
    """The layout of the cells that are kept."""
    outside = label == 0
    ratio[outside], nucleus[outside] = 1.0, 9.0
    cells = [seeds[number - 1] for number in kept]
    return Layout(
        label,
        ratio,
        nucleus,
        measure_depth(label),
        np.array([diameter, *(cell.diameter for cell in cells)]),
        np.array([0.0, *(np.mean(cell.kind.height) for cell in cells)]),
        np.array([False, *(cell.rounded for cell in cells)]),
        diameter,
    )


def measure_depth(label: NDArray[np.int32]) -> Plane:
    """The distance (Y, X) in px of each pixel from the nearest one of another id, less a half; 0 on the background."""
    inside = label > 0
    inside[1:] &= label[1:] == label[:-1]
    inside[:, 1:] &= label[:, 1:] == label[:, :-1]
    if inside.all():
        return np.full(label.shape, float(max(label.shape)), np.float32)
    return np.asarray(ndimage.distance_transform_edt(inside), dtype=np.float32)
