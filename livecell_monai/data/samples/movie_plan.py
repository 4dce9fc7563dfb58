"""Plans a population of cells over time: where each cell is in each frame, when it divides or dies.

Cells live on a torus, the field and a margin around it: who leaves on one side enters on the other, out of sight. Divisions
are timed so that the number of cells on the torus doubles in exactly the time that was asked for, and the field is a part of
the torus where it nearly does so. The cells that are oldest relative to their cycle divide.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecell_monai.data.samples.movie_crowd import Crowd, push_apart, walk
from livecell_monai.data.samples.movie_life import DYING_H, ROUND_H, ROUNDING_H, SPREADING_H, Life
from livecell_monai.data.samples.synthetic import PAD
from livecell_monai.data.samples.synthetic_cell import FLAT, ROUND, SPINDLE, STAR, TRIANGLE

KINDS = (SPINDLE, TRIANGLE, STAR, FLAT)  #: of spread cells; round ones are about to divide or to die
DENSITY = 22 / 512**2  #: cells per px in the first frame

_CYCLE_DEVIATION = 0.12  # of the logarithm of the lengths of cycles
_DEATHS = 0.08  # fraction of the cells that die in a doubling time
_SPEED, _SPEED_DEVIATION = 14.0, 0.35  # px / h: 9 µm / h at 0.65 µm a px
_SEEN = 5.0  # px of a cell within the field, from which it is counted
_RIM = 20  # px; so many cells are seen as have their centre so far from the field, or inside
_WINDOWS = 400  # places of the field on the torus that are tried
_FEWEST, _MOST = 0.85, 1.25  # cells in the field at first, relative to the torus


@dataclass(frozen=True)
class MovieSettings:
    """What a sample movie shows."""

    frames: int = 48  #: at least 1
    interval_min: float = 30.0  #: between frames, above 0
    size: int = 512  #: height and width of the field in px, at least 64
    doubling_h: float = 24.0  #: hours in which the number of cells doubles
    seed: int = 0

    @property
    def interval_h(self) -> float:
        """Hours between frames."""
        return self.interval_min / 60


@dataclass(frozen=True)
class Plan:
    """All cells of a movie by number, at y and x from the corner of the field."""

    lives: list[Life]
    settings: MovieSettings

    def count(self) -> NDArray[np.int64]:
        """The number of cells (T,) that are seen, at least in part."""
        return _count_inside(_list_discs(self.lives, self.settings), np.zeros(2), self.settings)


def plan_movie(settings: MovieSettings) -> Plan:
    """The plan of a seed: the cells in the field, too, double in about the time asked for."""
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(2,)))
    lives = _Population(settings, rng).live()
    corner = _choose_window(lives, settings, rng)
    side = settings.size + 2 * PAD
    for life in lives:
        life.places = [
            ((y - corner[0] + PAD) % side - PAD, (x - corner[1] + PAD) % side - PAD, a) for y, x, a in life.places
        ]
    return Plan(lives, settings)


def fit_doubling_h(counts: NDArray[np.int64], interval_h: float) -> float | None:
    """Hours in which counts (T,) double, by a straight line through their logarithms; None if they do not grow."""
    if len(counts) < 3 or counts.min() < 1:
        return None
    slope = np.polyfit(np.arange(len(counts)) * interval_h, np.log2(counts), 1)[0]
    return float(1 / slope) if slope > 1e-6 else None


def _choose_window(lives: list[Life], settings: MovieSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """The corner (y, x) of the field on the torus where the growth is nearest to that of the torus."""
    discs = _list_discs(lives, settings)
    expected = DENSITY * (settings.size + 2 * _RIM) ** 2
    best, least = np.zeros(2), np.inf
    for corner in rng.uniform(0, settings.size + 2 * PAD, (_WINDOWS, 2)):
        counts = _count_inside(discs, corner, settings)
        found = fit_doubling_h(counts, settings.interval_h)
        miss = 9.0 if found is None else abs(settings.doubling_h / found - 1)
        if not _FEWEST * expected <= counts[0] <= _MOST * expected:
            miss += 10
        if miss < least:
            best, least = corner, miss
    return best


def _list_discs(lives: list[Life], settings: MovieSettings) -> NDArray[np.float64]:
    """Frame, y, x, and radius (N, 3, 4) of the three discs of all cells in all frames."""
    rows = []
    for life in lives:
        for frame, (y, x, angle) in enumerate(life.places, start=life.born):
            length, width = life.capsule_px(frame, settings.interval_h)
            ends = [(end * length * np.sin(angle), end * length * np.cos(angle)) for end in (-1, 0, 1)]
            rows.append([(frame, y + down, x + right, width) for down, right in ends])
    return np.array(rows)


def _count_inside(discs: NDArray[np.float64], corner: NDArray[np.float64], settings: MovieSettings) -> NDArray[np.int64]:
    """Cells (T,) of which a part is in the field by frame; its corner is given on the torus."""
    rim = np.maximum(discs[..., 3:] - _SEEN, 0)
    away = (discs[..., 1:3] - corner + rim) % (settings.size + 2 * PAD)
    seen = np.any(np.all(away < settings.size + 2 * rim, axis=2), axis=1)
    return np.bincount(discs[seen, 0, 0].astype(np.int64), minlength=settings.frames)


class _Population:
    """Cells on the torus, frame after frame."""

    def __init__(self, settings: MovieSettings, rng: np.random.Generator) -> None:
        self._settings, self._rng = settings, rng
        self._hours = settings.interval_h
        self._side = settings.size + 2 * PAD
        self._first = max(2, round(DENSITY * self._side**2))
        self._lives: list[Life] = []
        self._lead = max(1, int(np.ceil((ROUNDING_H + ROUND_H) / self._hours)))
        self._dying = max(self._lead, int(np.ceil(DYING_H / self._hours)))
        self._planned, self._planned_to = self._first, 0  # number of cells, in the last frame whose divisions are planned

    def live(self) -> list[Life]:
        """All cells, with their places on the torus."""
        rng = self._rng
        spots, headings = rng.uniform(0, self._side, (self._first, 2)), rng.uniform(-np.pi, np.pi, self._first)
        crowd = self._gather([self._begin(0) for _ in range(self._first)], spots, headings)
        for _ in range(60):
            push_apart(crowd)
        for frame in range(self._settings.frames):
            if frame:
                walk(crowd, self._hours, rng)
                crowd = self._replace(crowd, frame)
            self._schedule(crowd, frame)
            self._resize(crowd, frame)
            for number, place, angle in zip(crowd.numbers, crowd.places, crowd.angles, strict=True):
                self._lives[number - 1].places.append((float(place[0]), float(place[1]), float(angle)))
        return self._lives

    def _begin(self, frame: int, parent: Life | None = None) -> Life:
        """A new cell; one of the first frame has an age as in a population that grows steadily."""
        rng, shares = self._rng, np.array([kind.share for kind in KINDS])
        kind = KINDS[rng.choice(len(KINDS), p=shares / shares.sum())] if parent is None else parent.kind
        cycle = self._settings.doubling_h * np.exp(rng.normal(0, _CYCLE_DEVIATION))
        life = Life(
            number=len(self._lives) + 1,
            kind=kind,
            diameter=rng.uniform(*kind.diameter),
            round_diameter=rng.uniform(*ROUND.diameter)
            if parent is None
            else parent.round_diameter * rng.uniform(0.95, 1.05),
            cycle_h=cycle,
            speed=_SPEED * np.exp(rng.normal(0, _SPEED_DEVIATION)),
            aspect=rng.uniform(*kind.aspect),
            born=frame,
            parent=0 if parent is None else parent.number,
        )
        if parent is None:
            life.head_start_h = -cycle * np.log2(1 - rng.uniform(0, 0.5))
        self._lives.append(life)
        return life

    def _gather(self, lives: list[Life], places: NDArray[np.float64], headings: NDArray[np.float64]) -> Crowd:
        numbers = np.array([life.number for life in lives], dtype=np.int64)
        speeds = np.array([life.speed for life in lives])
        zeros = (np.zeros(len(lives)) for _ in range(3))
        crowd = Crowd(self._side, numbers, places, headings, headings.copy(), speeds, *zeros)
        self._resize(crowd, lives[0].born)
        return crowd

    def _resize(self, crowd: Crowd, frame: int) -> None:
        """Measure the cells as they are in a frame."""
        for row, number in enumerate(crowd.numbers):
            life = self._lives[number - 1]
            crowd.activity[row] = 1 - life.roundness(frame, self._hours)
            crowd.lengths[row], crowd.widths[row] = life.capsule_px(frame, self._hours)

    def _replace(self, crowd: Crowd, frame: int) -> Crowd:
        """The cells of a frame: those that are gone are replaced by their daughters, if they divided."""
        gone = np.array([self._lives[number - 1].gone == frame for number in crowd.numbers])
        born: list[tuple[Life, NDArray[np.float64], float]] = []
        for number, place in zip(crowd.numbers[gone], crowd.places[gone], strict=True):
            mother = self._lives[number - 1]
            for angle in () if mother.dies else (mother.axis, mother.axis + np.pi):
                away = 0.42 * mother.round_diameter * np.array([np.sin(angle), np.cos(angle)])
                born.append((self._begin(frame, mother), (place + away) % self._side, angle))
        names = [name for name in vars(crowd) if name != "side"]
        kept = Crowd(crowd.side, *(getattr(crowd, name)[~gone] for name in names))
        if not born:
            return kept
        lives, spots, angles = zip(*born, strict=True)
        new = self._gather(list(lives), np.array(spots), np.array(angles))
        return Crowd(crowd.side, *(np.concatenate([getattr(kept, name), getattr(new, name)]) for name in names))

    def _schedule(self, crowd: Crowd, frame: int) -> None:
        """Choose the cells that begin to die, and those that divide so that their number follows the doubling time."""
        settings, rng = self._settings, self._rng
        free = [life for number in crowd.numbers if (life := self._lives[number - 1]).gone is None]
        grown = [life for life in free if life.age_h(frame, self._hours) > 2 * SPREADING_H]
        deaths = min(int(rng.poisson(_DEATHS * len(crowd.numbers) * self._hours / settings.doubling_h)), len(grown))
        for row in rng.choice(len(grown), deaths, replace=False):
            grown[row].gone, grown[row].dies = frame + self._dying, True
        while self._planned_to < frame + self._lead:
            self._planned_to += 1
            target = round(self._first * 2 ** (self._planned_to * self._hours / settings.doubling_h))
            lost = sum(life.dies and life.gone == self._planned_to for life in self._lives)
            free = [life for life in free if life.gone is None]
            free.sort(key=lambda life: life.age_h(frame, self._hours) / life.cycle_h, reverse=True)
            dividing = free[: max(0, target - self._planned + lost)]
            for life in dividing:
                life.gone, life.axis = self._planned_to, rng.uniform(-np.pi, np.pi)
            self._planned += len(dividing) - lost
