"""Moves cells: a persistent random walk on a torus, along the cells' long axes, in which they push each other aside.

Source of the walk: Selmeczi et al., "Cell Motility as Persistent Random Motion: Theories from Experiments", Biophysical
Journal 89, 2005.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

PERSISTENCE_H = 4.0  #: hours after which a cell has forgotten its direction

_STEP_H = 0.5  # longest time step
_TURNING = 0.5  # rad / h, at most, that a body turns towards its direction
_ACROSS = 0.35  # speed across the long axis relative to that along it
_JITTER = 0.6  # px per root of an hour, also of round cells
_PUSHES = 4  # per time step
_LONGEST_PUSH, _WIDEST_TURN = 2.5, 0.06  # px and rad of one push

Numbers = NDArray[np.float64]


@dataclass
class Crowd:
    """Cells as capsules, one entry each: a disc in the middle and one at either end."""

    side: float  #: px of the torus
    numbers: NDArray[np.int64]  #: of the cells
    places: Numbers  #: (N, 2) px
    headings: Numbers  #: radians, direction of motion
    angles: Numbers  #: radians, direction of the long axis
    speeds: Numbers  #: px / h
    lengths: Numbers  #: px from the middle to the discs at the ends
    widths: Numbers  #: px, radius of the discs
    activity: Numbers  #: 1 for a spread cell, 0 for a round one, which does not walk


def walk(crowd: Crowd, hours: float, rng: np.random.Generator) -> None:
    """Move all cells by so many hours, in place."""
    steps = max(1, int(np.ceil(hours / _STEP_H - 1e-9)))
    step_h, count = hours / steps, len(crowd.numbers)
    for _ in range(steps):
        crowd.headings += rng.normal(0, np.sqrt(2 * step_h / PERSISTENCE_H), count)
        off = crowd.headings - crowd.angles
        # a long body points along its way, whichever end is in front
        crowd.angles += crowd.activity * _TURNING * step_h * np.sin(2 * off)
        along = crowd.speeds * crowd.activity * rng.uniform(0.5, 1.5, count) * step_h
        axis = np.stack([np.sin(crowd.angles), np.cos(crowd.angles)], axis=1)
        normal = np.stack([axis[:, 1], -axis[:, 0]], axis=1)
        crowd.places += (along * np.cos(off))[:, None] * axis + (_ACROSS * along * np.sin(off))[:, None] * normal
        crowd.places += rng.normal(0, _JITTER * np.sqrt(step_h), (count, 2))
        for _ in range(_PUSHES):
            push_apart(crowd)


def push_apart(crowd: Crowd) -> None:
    """Move and turn cells that overlap a little away from each other, in place."""
    count = len(crowd.numbers)
    crowd.places %= crowd.side
    axis = np.stack([np.sin(crowd.angles), np.cos(crowd.angles)], axis=1)
    offsets = np.concatenate([end * crowd.lengths[:, None] * axis for end in (-1, 0, 1)])
    discs = (np.concatenate([crowd.places] * 3) + offsets) % crowd.side
    discs[discs >= crowd.side] = 0.0  # a tiny negative number is rounded up to the side
    owners, widths = np.tile(np.arange(count), 3), np.tile(crowd.widths, 3)
    pairs = cKDTree(discs, boxsize=crowd.side).query_pairs(2 * widths.max(), output_type="ndarray")
    pairs = pairs[owners[pairs[:, 0]] != owners[pairs[:, 1]]]
    first, second = pairs.T
    gap = discs[first] - discs[second]
    gap -= crowd.side * np.round(gap / crowd.side)
    distance = np.maximum(np.hypot(*gap.T), 1e-6)
    overlap = np.maximum(widths[first] + widths[second] - distance, 0)
    force = (0.25 * overlap / distance)[:, None] * gap
    moves, turns = np.zeros((count, 2)), np.zeros(count)
    for disc, sign in ((first, 1.0), (second, -1.0)):
        np.add.at(moves, owners[disc], sign * force)
        y, x = offsets[disc].T
        lever = np.maximum(crowd.lengths[owners[disc]] ** 2, 25)
        np.add.at(turns, owners[disc], sign * (x * force[:, 0] - y * force[:, 1]) / lever)
    length = np.maximum(np.hypot(*moves.T), 1e-9)
    crowd.places += moves * np.minimum(1, _LONGEST_PUSH / length)[:, None]
    crowd.angles += crowd.activity * np.clip(turns, -_WIDEST_TURN, _WIDEST_TURN)
