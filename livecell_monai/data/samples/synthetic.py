"""ResumableSampler fields of cells as a phase-contrast microscope would show them, with the exact label of every cell.

The drawing is ours, made for tests, demonstrations and the quick start; it stands in for no real data. Cells are drawn
as a relief of optical thickness, and the microscope is a filter over it: thick turns dark, what lies around it bright.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.data.samples.border import measure_border
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
)
from livecell_monai.errors import SettingError

DARKEST, BRIGHTEST = 8114, 65535  #: range of the grey values
SMALLEST_SIDE = 64  #: pixels; below this not even one cell fits

_BARE = 31700.0  # grey value of the empty dish, about half of the range so that halos have room above
_GAIN = 36000.0  # grey values per unit of thickness that the halo filter leaves
_PAD = LARGEST + 1  # drawn around the field and cut off, so that cells may cross its edge
_FEWEST, _MOST = 0.12, 0.25  # share of pixels that cells cover
_TRIES = 30  # places tried for one cell
_SLIVER = 40  # pixels; a cell of which the edge of the field leaves less is not worth a label


@dataclass(frozen=True)
class Field:
    """One drawn field of view.

    Attributes:
        image: (Y, X) uint16 in [8114, 65535].
        label: (Y, X) uint16 instance ids, 0 background; ids run from 1 without gaps, each one connected piece.
        border: (Y, X) float32 in [1, 11], see `measure_border`.
    """

    image: NDArray[np.uint16]
    label: NDArray[np.uint16]
    border: NDArray[np.float32]


def draw_field(shape: tuple[int, int] = (1024, 1024), *, rng: np.random.Generator, cells: int | None = None) -> Field:
    """Draws one field of spread, clustered and dividing cells among debris.

    Args:
        shape: (Y, X) of the field in pixels, at least 64 each.
        rng: source of every random choice; it also varies density, contrast and illumination from field to field.
        cells: how many cells to place, fewer where they find no room. None covers 12 to 25 % of the field.

    Returns:
        Image, label and border weight, each of the given shape.

    Raises:
        SettingError: if the shape is too small or the number of cells negative.
    """
    if min(shape) < SMALLEST_SIDE:
        raise SettingError(
            f"shape: each side of a drawn field must be at least {SMALLEST_SIDE} pixels, got {tuple(shape)}; "
            "ask for a larger field"
        )
    if cells is not None and cells < 0:
        raise SettingError(f"cells: the number of cells must be 0 or more, got {cells}; give None for a random number")
    ids, relief = _place_cells(shape, cells, rng)
    relief += _draw_debris(ids, rng)
    inner = np.s_[_PAD:-_PAD, _PAD:-_PAD]
    label = _tidy(ids[inner])
    image = _expose(relief, rng)[inner]
    return Field(np.ascontiguousarray(image), label, measure_border(label))


def _place_cells(shape: tuple[int, int], cells: int | None, rng: np.random.Generator) -> tuple[NDArray[np.int32], Relief]:
    """Ids and relief of a random crowd, both (Y + 2 pad, X + 2 pad)."""
    ids = np.zeros((shape[0] + 2 * _PAD, shape[1] + 2 * _PAD), dtype=np.int32)
    relief = np.zeros(ids.shape, dtype=np.float32)
    area = shape[0] * shape[1]
    target = rng.uniform(_FEWEST + 0.01, _MOST - 0.01) * area
    company = rng.uniform(0.35, 0.75)  # chance that a cell settles beside another
    shares = np.array([kind.share for kind in KINDS]) * rng.uniform(0.5, 1.5, len(KINDS))
    placed: list[_Spot] = []
    covered = 0
    # The smallest cells cover some 400 pixels, so a free crowd reaches its target long before the last attempt.
    for _ in range(4 + area // 400 if cells is None else cells):
        outline = draw_outline(KINDS[rng.choice(len(KINDS), p=shares / shares.sum())], rng)
        spot = _find_spot(ids, outline.mask, placed if rng.random() < company else [], rng)
        if spot is None:
            continue
        window = spot.window(outline.mask.shape)
        mask = keep_largest(outline.mask & (ids[window] == 0))
        visible = _count_visible(mask, spot, shape)
        if cells is None and covered + visible > _MOST * area:
            continue
        placed.append(spot)
        covered += visible
        ids[window][mask] = len(placed)
        relief[window] += draw_relief(mask, outline, rng)
        if cells is None and covered >= target:
            break
    return ids, relief


@dataclass(frozen=True)
class _Spot:
    """The centre of a patch on the padded field, in pixels, and the radius of the disc of its cell's area."""

    y: int
    x: int
    radius: float = 0.0

    def window(self, patch: tuple[int, ...]) -> tuple[slice, slice]:
        """Where a patch lies when centred here."""
        top, left = self.y - patch[0] // 2, self.x - patch[1] // 2
        return slice(top, top + patch[0]), slice(left, left + patch[1])


def _find_spot(ids: NDArray[np.int32], mask: Mask, neighbours: list[_Spot], rng: np.random.Generator) -> _Spot | None:
    """A place where at most an eighth of the cell is hidden, beside one of the neighbours if there are any."""
    radius = float(np.sqrt(mask.sum() / np.pi))
    for _ in range(_TRIES):
        y, x = (int(rng.integers(_PAD, side - _PAD)) for side in ids.shape)
        if neighbours:
            other = neighbours[int(rng.integers(len(neighbours)))]
            turn, away = rng.uniform(0, 2 * np.pi), (radius + other.radius) * rng.uniform(0.75, 1.15)
            y, x = round(other.y + away * np.sin(turn)), round(other.x + away * np.cos(turn))
        if not (_PAD <= y < ids.shape[0] - _PAD and _PAD <= x < ids.shape[1] - _PAD):
            continue
        spot = _Spot(y, x, radius)
        if np.mean(ids[spot.window(mask.shape)][mask] > 0) <= 1 / 8:
            return spot
    return None


def _count_visible(mask: Mask, spot: _Spot, shape: tuple[int, int]) -> int:
    """How many pixels of a cell lie on the field of the given shape, without its padding."""
    y, x = np.nonzero(mask)
    y, x = y + spot.y - mask.shape[0] // 2 - _PAD, x + spot.x - mask.shape[1] // 2 - _PAD
    return int(np.count_nonzero((y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])))


def _tidy(ids: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Ids (Y, X) from 1 without gaps, each the largest piece that the edge of the field leaves of its cell."""
    label = np.zeros(ids.shape, dtype=np.uint16)
    count = 0
    for number, box in enumerate(ndimage.find_objects(ids), start=1):
        if box is None:
            continue
        mask = keep_largest(ids[box] == number)
        if mask.sum() >= _SLIVER:
            count += 1
            label[box][mask] = count
    return label


def _draw_debris(ids: NDArray[np.int32], rng: np.random.Generator) -> Relief:
    """Relief (Y, X) of what is no cell: grainy remains on the dish, and specks, dark and bright, on anything."""
    remains = np.zeros(ids.shape, dtype=np.float32)
    per_megapixel = ids.size / 2**20
    texture = draw_noise(ids.shape, 1.4, rng)
    for _ in range(rng.poisson(rng.uniform(10, 45) * per_megapixel)):
        mask = draw_outline(replace(STAR, diameter=(9, 30)), rng).mask
        spot = _Spot(*(int(rng.integers(_PAD, side - _PAD)) for side in ids.shape))
        soft = ndimage.gaussian_filter(mask.astype(np.float32), 1.5)
        remains[spot.window(mask.shape)] += rng.uniform(0.08, 0.3) * soft
    relief = np.where(ids == 0, remains * (0.7 + texture), 0).astype(np.float32)
    for size, strength, density in ((1.0, 2.0, 260), (1.8, 8.0, 60), (2.8, 30.0, 8)):
        points = np.zeros(ids.shape, dtype=np.float32)
        count = int(rng.poisson(rng.uniform(0.5, 1.5) * density * per_megapixel))
        at = tuple(rng.integers(0, side, count) for side in ids.shape)
        points[at] = strength * rng.uniform(0.4, 1.6, count) * rng.choice([1.0, -0.6], count, p=[0.75, 0.25])
        relief += ndimage.gaussian_filter(points, size)
    return relief


def _draw_light(shape: tuple[int, ...], rng: np.random.Generator) -> Relief:
    """Brightness (Y, X) of the bare dish, about 1: tilted, brighter or darker amid, mottled, with rings of dust."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in shape), indexing="ij")
    light = 1 + rng.normal(0, 0.05) * y + rng.normal(0, 0.05) * x + rng.normal(-0.02, 0.05) * (y**2 + x**2)
    coarse = draw_noise((12, 12), 1.0, rng)
    light += rng.uniform(0.01, 0.035) * ndimage.zoom(coarse, [side / 12 for side in shape], order=3, mode="nearest")
    for _ in range(rng.poisson(rng.uniform(5, 16) * shape[0] * shape[1] / 2**20)):
        radius = rng.uniform(6, 60)
        half = int(radius + 24)
        spot = _Spot(*(int(rng.integers(half, side - half)) for side in shape))
        y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
        away = np.hypot(y, x) - radius
        rings = np.cos(away * 2 * np.pi / rng.uniform(7, 14)) * np.exp(-((away / rng.uniform(5, 10)) ** 2))
        light[spot.window(rings.shape)] += rng.uniform(0.015, 0.05) * rings
    return np.asarray(light, dtype=np.float32)


def _expose(relief: Relief, rng: np.random.Generator) -> NDArray[np.uint16]:
    """The image (Y, X) uint16 of a relief: phase contrast, illumination, defocus and the camera's noise."""
    # A phase plate shows thickness relative to its surroundings: dark within, a halo without, grey inside wide flats.
    near, far = ndimage.gaussian_filter(relief, rng.uniform(3.2, 4.6)), ndimage.gaussian_filter(relief, 14)
    phase = relief - 0.8 * near - 0.15 * far
    phase = np.where(phase < 0, 2 * phase, phase)  # halos outshine what the bodies darken
    phase = ndimage.gaussian_filter(phase, rng.uniform(0.6, 1.0))
    grain = 0.012 * draw_noise(relief.shape, 1.0, rng) + 0.012 * draw_noise(relief.shape, 5.0, rng)
    grey = _BARE * (_draw_light(relief.shape, rng) + grain) - _GAIN * rng.uniform(0.75, 1.15) * phase
    # Photon noise grows with the root of the light; 400 grey values on the bare dish.
    shot = 400 * np.sqrt(np.clip(grey, 0, None) / _BARE) * rng.standard_normal(grey.shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(grey + shot), DARKEST, BRIGHTEST), dtype=np.uint16)
