"""The limits of linking, each measured from the movie itself with its reason, or set by the user."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from scipy.spatial import KDTree

from livecell_monai.errors import SettingError
from livecell_monai.tracks.divisions import Divisions, median_diameter
from livecell_monai.tracks.objects import Objects
from livecell_monai.tracks.tracks import Floats, Ints, Limit

_FAST = 5.0  # times the 95th percentile of steps between mutual nearest objects
_DIVISION_DIAMETERS = 1.6
_WIDEST_DIAMETERS = 1.5
LONGEST_GAP = 5  #: frames without a cell that may be measured
_CHANCE = 2.0  # times more tracks must come back than by chance
_SHARE = 0.25  # of the tracks that end must come back
_CLEAR = 0.5  # cost of a division, below which it is clear
_ENOUGH = 10  # clear divisions, from which their angle and size are measured
_OPPOSITE, _ANGLE_SHARE = 90.0, 2 / 3  # degrees: daughters lie on both sides of the mother; a drifting cell may show less
_RATIO = 8.0  # with fewer: a generous limit of the size
_LONGEST_CUT = 3  # frames for which a cell may be in two pieces, or two cells one object
UNITS = {
    "greatest_step": "px",
    "greatest_cut": "frames",
    "greatest_gap": "frames",
    "division_distance": "px",
    "division_angle": "degrees",
}
#: name of each limit -> the least and greatest value that a user may set
BOUNDS = {
    "greatest_step": (0.1, 1e5),
    "greatest_cut": (0, 1000),
    "greatest_gap": (0, 1000),
    "division_distance": (0, 1e5),
    "division_angle": (0, 180),
    "division_ratio": (1, 1e3),
}


class Limits:
    """The limits so far; `measure` adds one, unless the user has set it.

    Raises a SettingError for a limit that does not exist, or whose value is out of bounds.
    """

    def __init__(self, given: Mapping[str, float] | None = None) -> None:
        self._given = dict(given or {})
        for name, value in self._given.items():
            if name not in BOUNDS:
                raise SettingError(f"a limit of linking must be one of {', '.join(BOUNDS)}, got {name!r}; correct it")
            low, high = BOUNDS[name]
            if not low <= value <= high:
                option = f"--{name.replace('_', '-')}"
                raise SettingError(f"{option} must be from {low:g} to {high:g}, got {value:g}; correct it")
        self.list: list[Limit] = []

    def measure(self, name: str, measured: Callable[[], tuple[float, str]]) -> float:
        """The value of a limit: the user's, or what a function measures, with its reason."""
        value, reason = (self._given[name], "set by the user") if name in self._given else measured()
        self.list.append(Limit(name, float(value), UNITS.get(name, ""), reason))
        return float(value)


def usual_step(objects: Objects) -> float:
    """The step in px that 95 % of the cells keep below from one frame to the next, at least half a median diameter."""
    steps = _list_steps(objects)[0]
    return max(median_diameter(objects) / 2, float(np.percentile(steps, 95)) if len(steps) else 0.0)


def measure_step(objects: Objects) -> tuple[float, str]:
    """The greatest step in px from one frame to the next."""
    diameter = median_diameter(objects)
    steps, spacing = _list_steps(objects)
    widest = max(_WIDEST_DIAMETERS * diameter, spacing / 2)
    if not len(steps):
        return widest, f"{_WIDEST_DIAMETERS:g} median diameters ({diameter:.3g} px), or half the distance of neighbours"
    usual = float(np.percentile(steps, 95))
    value = float(np.clip(_FAST * usual, diameter, widest))
    bound = "" if value == _FAST * usual else f", kept between one median diameter ({diameter:.3g} px) and {widest:.3g} px"
    return (
        value,
        f"{_FAST:g} times the step that 95 % of {len(steps):,} mutual nearest cells keep below, {usual:.3g} px{bound}",
    )


def choose_cut() -> tuple[float, str]:
    """The greatest number of frames in which a cell may be in two pieces, or two cells one object."""
    return float(
        _LONGEST_CUT
    ), "two pieces of a cell are joined, and merged cells parted, for so long; the same for all movies, 0 does neither"


def measure_gap(counts: Mapping[int, tuple[int, float]], ends: int) -> tuple[float, str]:
    """The greatest number of frames in which a cell may be missing.

    `counts` gives, by this number, how many ended tracks have a track that starts nearby so much later, and how many would
    if tracks started anywhere; `ends` is the number of tracks that end before the movie does.
    """
    if not ends:
        return 0.0, "no track ends before the movie does, so that none can come back"
    gap = 0
    for missing, (later, chance) in sorted(counts.items()):
        if later < max(1.0, _CHANCE * chance, _SHARE * ends):
            break
        gap = missing
    later, chance = counts.get(gap or 1, (0, 0.0))
    frames = "1 frame" if gap < 2 else f"{gap} frames"
    what = f"{later} of {ends} tracks that end come back after {frames}, {chance:.2g} by chance"
    return float(
        gap
    ), f"longest gap after which {_SHARE:.0%} of tracks come back, and {_CHANCE:g} times more than by chance ({what})"


def measure_division_distance(objects: Objects) -> tuple[float, str]:
    """The greatest distance in px of a daughter from its mother."""
    diameter = median_diameter(objects)
    return _DIVISION_DIAMETERS * diameter, f"{_DIVISION_DIAMETERS:g} times the median diameter of {diameter:.3g} px"


def measure_angle(divisions: Divisions) -> tuple[float, str]:
    """The least angle in degrees between two daughters as seen from the mother."""
    clear = divisions.angle[divisions.cost < _CLEAR]
    if len(clear) < _ENOUGH:
        few = f"only {len(clear)} clear divisions, {_ENOUGH} are needed to measure it"
        return _OPPOSITE, f"daughters lie on opposite sides of the mother ({few})"
    value = math.floor(min(_OPPOSITE, _ANGLE_SHARE * float(np.percentile(clear, 5))))
    return value, f"two thirds of the angle that 95 % of {len(clear)} clear divisions exceed, at most {_OPPOSITE:g}"


def measure_ratio(divisions: Divisions) -> tuple[float, str]:
    """The greatest ratio of the areas of two daughters."""
    clear = divisions.ratio[divisions.cost < _CLEAR]
    if len(clear) < _ENOUGH:
        return _RATIO, f"a wide one: only {len(clear)} clear divisions, {_ENOUGH} are needed to measure it"
    value = max(2.0, 3 * float(np.percentile(clear, 95)))
    return value, f"3 times the ratio that 95 % of {len(clear)} clear divisions keep below, at least 2"


def count_returns(
    objects: Objects, ends: Ints, starts: Ints, position: Ints, reach: float, shape: tuple[int, int]
) -> dict[int, tuple[int, float]]:
    """For each gap in frames, see `measure_gap`.

    Args:
        objects: of the movie.
        ends: the last object of each track.
        starts: the first object of each track.
        position: (N,) of each object, the index of its frame among those that are not missing.
        reach: px in which a cell that comes back is looked for, see `usual_step`; more after a longer gap.
        shape: (Y, X) of a frame, in which tracks start anywhere by chance.
    """
    places = objects.places
    by_frame: dict[int, list[int]] = {}
    for start in starts:
        by_frame.setdefault(int(position[start]), []).append(int(start))
    trees = {frame: KDTree(places[members]) for frame, members in by_frame.items()}
    counts = {}
    for gap in range(1, LONGEST_GAP + 1):
        radius = reach * math.sqrt(gap + 1)
        later = [(end, trees[at]) for end in ends if (at := int(position[end]) + gap + 1) in trees]
        found = sum(bool(tree.query(places[end], distance_upper_bound=radius)[1] < tree.n) for end, tree in later)
        share = min(1.0, math.pi * radius**2 / (shape[0] * shape[1]))
        counts[gap] = (found, share * sum(tree.n for _, tree in later))
    return counts


def _list_steps(objects: Objects) -> tuple[Floats, float]:
    """The distances (N,) of mutual nearest objects of neighbouring frames, and the median distance of neighbours in one."""
    places, steps, spacing = objects.places, [], []
    borders = np.searchsorted(objects.frame, [*objects.given(), objects.frames])
    frames = [places[start:stop] for start, stop in pairwise(borders)]
    for before, after in pairwise(frames):
        if not len(before) or not len(after):
            continue
        trees = KDTree(before), KDTree(after)
        distance, nearest = trees[1].query(before)
        back = trees[0].query(after)[1]
        steps.append(distance[back[nearest] == np.arange(len(before))])
        if len(before) > 1:
            spacing.append(trees[0].query(before, k=2)[0][:, 1])
    apart = float(np.median(np.concatenate(spacing))) if spacing else 0.0
    return np.concatenate(steps) if steps else np.zeros(0), apart
