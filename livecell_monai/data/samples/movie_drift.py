"""What drifts while a movie is taken: the stage, the focus and the lamp; each a sum of slow waves, with jitter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

SLOW_H = (11.0, 23.0, 47.0)  #: periods in hours of what drifts

_STAGE, _STAGE_JITTER = 3.5, 0.7  # px
_FOCUS = 1.0  # px of blur
_LIGHT, _LIGHT_JITTER = 0.03, 0.004  # relative


@dataclass(frozen=True)
class Drift:
    """The state of the microscope by frame."""

    shift: Numbers  #: (T, 2) px, how far the sample is moved in y and x against the first frame
    blur: Numbers  #: (T,) px, sigma of a Gaussian, by which a frame is out of focus beside the optics' own
    light: Numbers  #: (T,) brightness of the lamp, about 1


def draw_drift(frames: int, interval_h: float, rng: np.random.Generator) -> Drift:
    """The drift of so many frames."""
    hours = np.arange(frames) * interval_h
    y, x, focus, lamp = (draw_waves(1, SLOW_H, rng) for _ in range(4))
    shift = np.stack([[_STAGE * float(measure_waves(way, SLOW_H, hour)[0]) for hour in hours] for way in (y, x)], axis=1)
    shift += rng.normal(0, _STAGE_JITTER, shift.shape)
    blur, light = (np.array([float(measure_waves(way, SLOW_H, hour)[0]) for hour in hours]) for way in (focus, lamp))
    return Drift(shift - shift[0], _FOCUS * np.abs(blur), 1 + _LIGHT * light + rng.normal(0, _LIGHT_JITTER, frames))


def draw_waves(count: int, periods_h: tuple[float, ...], rng: np.random.Generator) -> Numbers:
    """The phases (N, K) of so many sums of waves."""
    return rng.uniform(0, 2 * np.pi, (count, len(periods_h)))


def measure_waves(phases: Numbers, periods_h: tuple[float, ...], hours: float) -> Numbers:
    """The value (N,) of each sum of waves at a time: smooth, of mean 0 and deviation 1 over long times."""
    turns = 2 * np.pi * hours / np.array(periods_h)
    return np.asarray(np.sin(turns + phases).sum(axis=1) * np.sqrt(2 / len(periods_h)))
