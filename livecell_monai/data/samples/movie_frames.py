"""Draws the frames of a planned movie one after the other, each with the cells that are seen in it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from livecell_monai.data.samples.movie_cell import CellLook
from livecell_monai.data.samples.movie_drift import Drift
from livecell_monai.data.samples.movie_life import REMAINS_H, Life
from livecell_monai.data.samples.movie_plan import Plan
from livecell_monai.data.samples.phase_contrast import Optics, draw_optics, expose
from livecell_monai.data.samples.synthetic import PAD, draw_remains, draw_specks
from livecell_monai.data.samples.synthetic_cell import STAR, Relief, draw_noise, draw_outline, keep_largest

_MARGIN = 48  # px drawn around the field and cut off: halos reach so far
_FAR = -40.0  # px; depth where there is no cell
_INNER = np.s_[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


Spectrum = NDArray[np.complex64]


@dataclass(frozen=True)
class MovieFrame:
    """One frame."""

    image: NDArray[np.uint16]  #: (Y, X)
    cells: NDArray[np.int32]  #: (Y, X) number of the cell, 0 background; each cell is one connected piece


class MoviePainter:
    """Draws frames in order; in memory are the cells of one frame."""

    def __init__(self, plan: Plan, drift: Drift) -> None:
        self._plan, self._drift = plan, drift
        self._seed, self._hours = plan.settings.seed, plan.settings.interval_h
        side = plan.settings.size + 2 * PAD
        rng = self._draw_from(3)
        outer = np.s_[PAD - _MARGIN : side - PAD + _MARGIN, PAD - _MARGIN : side - PAD + _MARGIN]
        remains, specks = draw_remains((side, side), rng)[outer], draw_specks((side, side), rng)[outer]
        optics = draw_optics((side, side), rng)
        self._optics = replace(optics, light=optics.light[outer])
        self._remains, self._specks, self._grain = (_transform(plane) for plane in (remains, specks, optics.grain[outer]))
        self._shape = remains.shape
        self._looks: dict[int, CellLook] = {}

    def paint(self) -> Iterator[MovieFrame]:
        """Each frame."""
        for frame in range(self._plan.settings.frames):
            cells, relief, cover = self._place_cells(frame)
            shift = self._drift.shift[frame]
            relief += _move(self._remains, shift) * np.clip(-cover, 0, 1) + _move(self._specks, shift)
            relief += self._draw_dead(frame) * np.clip(-cover, 0, 1)
            image = expose(relief, self._expose_at(frame), self._draw_from(4, frame))[_INNER]
            yield MovieFrame(np.ascontiguousarray(image), _keep_pieces(cells[_INNER]))

    def _draw_from(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=key))

    def _expose_at(self, frame: int) -> Optics:
        """The optics of a frame."""
        optics, drift = self._optics, self._drift
        return replace(
            optics,
            blur=float(np.hypot(optics.blur, drift.blur[frame])),
            light=optics.light * np.float32(drift.light[frame]),
            grain=_move(self._grain, drift.shift[frame]),
        )

    def _place_cells(self, frame: int) -> tuple[NDArray[np.int32], Relief, Relief]:
        """Numbers and relief of the cells of a frame, and the depth of the deepest one (Y, X)."""
        shape = self._shape
        cells, relief = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        cover = np.full(shape, _FAR, np.float32)
        looks: dict[int, CellLook] = {}
        for life in self._plan.lives:  # those with lower numbers lie above
            if not life.born <= frame < life.born + len(life.places):
                continue
            look = self._looks.get(life.number) or CellLook(life, self._draw_from(5, life.number))
            looks[life.number] = look
            if not self._is_near(life, frame, look.reach):
                continue
            shown = look.show(frame, self._hours, self._drift.shift[frame] + _MARGIN)
            here, part = _cut(shape, shown.top, shown.left, shown.depth.shape)
            padded = np.full(shown.depth.shape, _FAR, np.float32)
            padded[part] = cover[here]
            visible, seen = look.draw_relief(shown, padded)
            cells[here][visible[part]] = life.number
            relief[here] += seen[part]
            cover[here] = np.maximum(cover[here], shown.depth[part])
        self._looks = looks  # those of cells that have left are dropped
        return cells, relief, cover

    def _is_near(self, life: Life, frame: int, reach: float) -> bool:
        """Whether a cell may reach what is drawn."""
        places = np.array(life.places[frame - life.born][:2]) + self._drift.shift[frame] + _MARGIN
        return bool(np.all((places > -reach) & (places < np.array(self._shape) + reach)))

    def _draw_dead(self, frame: int) -> Relief:
        """Relief (Y, X) of what half of the dead cells left on the dish, which fades."""
        relief = np.zeros(self._shape, np.float32)
        for life in self._plan.lives:
            if not life.dies or life.gone is None or frame < life.gone:
                continue
            left = 1 - (frame - life.gone) * self._hours / REMAINS_H
            rng = self._draw_from(6, life.number)
            if left <= 0 or rng.random() < 0.5:
                continue
            mask = draw_outline(replace(STAR, diameter=(10, 18)), rng).mask
            soft = ndimage.gaussian_filter(mask.astype(np.float32), 1.5) * (0.7 + draw_noise(mask.shape, 1.4, rng))
            y, x = (at + _MARGIN for at in life.places[-1][:2])
            here, part = _cut(self._shape, round(y) - mask.shape[0] // 2, round(x) - mask.shape[1] // 2, mask.shape)
            relief[here] += left * rng.uniform(0.3, 0.5) * soft[part]
        return _move(_transform(relief), self._drift.shift[frame]) if relief.any() else relief


def _cut(
    shape: tuple[int, ...], top: int, left: int, patch: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a patch at a corner lies on a plane, and the part of the patch that does."""
    spans = [
        (min(max(start, 0), side), min(max(start + length, 0), side))
        for start, length, side in zip((top, left), patch, shape, strict=True)
    ]
    rows, columns = (slice(start, stop) for start, stop in spans)
    inner = [slice(start - corner, stop - corner) for (start, stop), corner in zip(spans, (top, left), strict=True)]
    return (rows, columns), (inner[0], inner[1])


def _transform(plane: Relief) -> Spectrum:
    return np.asarray(fft.rfft2(plane), dtype=np.complex64)


def _move(spectrum: Spectrum, shift: NDArray[np.float64]) -> Relief:
    """The square plane (Y, X) of a spectrum, moved by parts of a px without blurring; what leaves enters opposite."""
    side = spectrum.shape[0]
    rows, columns = (
        np.exp(-2j * np.pi * way * frequencies(side)).astype(np.complex64)
        for way, frequencies in zip(shift, (fft.fftfreq, fft.rfftfreq), strict=True)
    )
    return np.asarray(fft.irfft2(spectrum * rows[:, None] * columns[None], (side, side)), dtype=np.float32)


def _keep_pieces(cells: NDArray[np.int32]) -> NDArray[np.int32]:
    """The cells (Y, X), each reduced to its largest piece."""
    kept = np.zeros_like(cells)
    for number, box in enumerate(ndimage.find_objects(cells), start=1):
        if box is not None:
            kept[box][keep_largest(cells[box] == number)] = number
    return kept
