"""Cells over time, and the doubling time of exponential growth with its interval.

The number of cells is fitted by Poisson regression, log(cells) = a + rate * frame, so that few cells weigh little. Counts of
successive frames are of the same cells, so the interval is not taken from the residuals: founders (tracks without a parent)
are drawn with replacement, each with all its descendants, and the fit is repeated.

Source of the bootstrap over clusters: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecell_monai.errors import SettingError
from livecell_monai.tracks.lineages import trace_founders
from livecell_monai.tracks.tracks import Floats, Ints, Tracks

RESAMPLES = 1000
FEWEST_FOUNDERS = 5  #: with fewer there is no interval
FEWEST_FRAMES = 3  #: with fewer there is no fit
HOURS_FROM = 180.0  #: minutes from which a time is shown in hours
_STEPS = 25  # of Newton's method; 6 are usual
_LONGEST_STEP = 2.0
_NO_GROWTH = 1e-9  # rate per frame, up to which it is 0 but for rounding


@dataclass(frozen=True)
class Growth:
    """The number of cells in each frame, and the growth that was fitted to it."""

    cells: Floats  #: (frames,), NaN for a frame that is missing
    span: tuple[int, int]  #: first and last frame of the fit
    rate: float  #: of exponential growth, per frame; NaN if there is no fit
    level: float  #: cells at frame 0 of the fitted curve; NaN if there is no fit
    interval: tuple[float, float] | None  #: 95 % interval of the rate; None with fewer than five founders
    founders: int  #: tracks without a parent in the span
    problem: str = ""  #: why there is no doubling time, in words; empty if there is one

    @property
    def doubling_frames(self) -> float:
        """The doubling time in frames, NaN if there is none."""
        return float("nan") if self.problem else float(np.log(2) / self.rate)

    @property
    def doubling_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the doubling time in frames."""
        if self.problem or self.interval is None:
            return None
        return float(np.log(2) / self.interval[1]), float(np.log(2) / self.interval[0])


def fit_growth(tracks: Tracks, span: tuple[int, int] | None = None, seed: int = 0) -> Growth:
    """Count the cells of each frame and fit their doubling time.

    Args:
        tracks: the movie.
        span: first and last frame of the fit; None for the whole movie.
        seed: of the bootstrap.

    Raises a SettingError if the span is not inside the movie.
    """
    first, last = span or (0, tracks.frames - 1)
    if not 0 <= first < last < tracks.frames and span is not None:
        raise SettingError(
            f"the span of growth must be two frames of 0 to {tracks.frames - 1}, the first one before the last, got "
            f"{first} to {last}; choose others"
        )
    cells = np.bincount(tracks.frame, minlength=tracks.frames).astype(np.float64)
    cells[list(tracks.missing)] = np.nan
    used = np.array([frame for frame in range(first, last + 1) if frame not in set(tracks.missing)], np.int64)
    if len(used) < FEWEST_FRAMES or np.count_nonzero(cells[used]) < FEWEST_FRAMES:
        problem = f"fewer than {FEWEST_FRAMES} frames with cells"
        return Growth(cells, (first, last), np.nan, np.nan, None, 0, problem)
    by_founder = _count_by_founder(tracks, used)
    rate, level = (float(values[0]) for values in fit_rates(used, cells[used][None]))
    interval = _resample(by_founder, used, seed) if by_founder.shape[0] >= FEWEST_FOUNDERS else None
    problem = "the number of cells does not grow" if rate <= _NO_GROWTH else ""
    if not problem and interval is not None and interval[0] <= _NO_GROWTH:
        problem = "the interval of the growth rate includes 0"
    return Growth(cells, (first, last), rate, level, interval, by_founder.shape[0], problem)


def fit_rates(frames: Ints, cells: Floats) -> tuple[Floats, Floats]:
    """Growth rate per frame (B,) and cells at frame 0 (B,) of counts (B, F) in frames (F,), by Poisson regression.

    A row needs a count above 0.
    """
    middle, half = frames.mean(), max(np.ptp(frames) / 2, 1e-9)
    time = (frames - middle) / half  # in [-1, 1], so that Newton's method is well conditioned
    level, rate = np.log(np.maximum(cells.mean(axis=1), 1e-9)), np.zeros(len(cells))
    for _ in range(_STEPS):
        expected = np.exp(np.clip(level[:, None] + rate[:, None] * time, -50, 50))
        excess = cells - expected
        slopes = excess.sum(axis=1), (excess * time).sum(axis=1)
        h00, h01, h11 = expected.sum(axis=1), (expected * time).sum(axis=1), (expected * time**2).sum(axis=1)
        determinant = np.maximum(h00 * h11 - h01**2, 1e-12)
        level += np.clip((h11 * slopes[0] - h01 * slopes[1]) / determinant, -_LONGEST_STEP, _LONGEST_STEP)
        rate += np.clip((h00 * slopes[1] - h01 * slopes[0]) / determinant, -_LONGEST_STEP, _LONGEST_STEP)
    return rate / half, np.exp(level - rate * middle / half)


def describe_growth(growth: Growth, interval_min: float | None) -> str:
    """The doubling time in words: with its interval and the span of the fit, or why there is none."""
    first, last = growth.span
    span = f"frames {first} to {last}"
    if interval_min is not None:
        span += f", {format_time(last - first, interval_min)}"
    if growth.problem:
        return f"doubling time: cannot tell, {growth.problem} ({span})"
    ends = growth.doubling_interval
    longest = ends[1] if ends else 0.0
    text = f"doubling time {format_time(growth.doubling_frames, interval_min, longest)}"
    if ends is None:
        text += f" (no interval: fewer than {FEWEST_FOUNDERS} founder cells)"
    else:
        low, high = (format_time(one, interval_min, longest) for one in ends)
        text += f" (95 % interval {low} to {high}, over {growth.founders} founder cells)"
    longer = "; it is longer than that span" if growth.doubling_frames > last - first else ""
    return f"{text}, fitted on {span}{longer}"


def format_time(frames: float, interval_min: float | None, longest: float = 0.0) -> str:
    """A time in hours or minutes with three digits; in frames if the time between them is unknown.

    `longest` are the frames of the longest time beside it, whose unit it has.
    """
    if interval_min is None:
        return f"{frames:.3g} frames"
    minutes = frames * interval_min
    in_hours = max(frames, longest) * interval_min >= HOURS_FROM
    return f"{minutes / 60:.3g} h" if in_hours else f"{minutes:.3g} min"


def _count_by_founder(tracks: Tracks, used: Ints) -> NDArray[np.float32]:
    """The cells (R, F) of each founder and its descendants in the frames used, without founders that have none."""
    founder, _ = trace_founders(tracks)
    _, clone = np.unique(founder[np.searchsorted(tracks.ids, tracks.track)], return_inverse=True)
    place = np.full(tracks.frames, -1)
    place[used] = np.arange(len(used))
    inside = place[tracks.frame] >= 0
    _, clone = np.unique(clone[inside], return_inverse=True)
    counts = np.zeros((int(clone.max(initial=-1)) + 1, len(used)), np.float32)
    np.add.at(counts, (clone, place[tracks.frame[inside]]), 1)
    return counts


def _resample(counts: NDArray[np.float32], used: Ints, seed: int) -> tuple[float, float]:
    """The 95 % interval of the growth rate over founders drawn with replacement."""
    random, founders = np.random.default_rng(seed), len(counts)
    drawn = random.multinomial(founders, np.full(founders, 1 / founders), size=RESAMPLES).astype(np.float32)
    totals = (drawn @ counts).astype(np.float64)
    rates, _ = fit_rates(used, totals[totals.sum(axis=1) > 0])
    low, high = np.percentile(rates, (2.5, 97.5))
    return float(low), float(high)
