"""The time from frame to frame in minutes."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

#: One unit of time in minutes, by the names that OME-XML, OME-Zarr and ImageJ give it, in lower case; µ has two code points.
UNITS_MIN = {
    **dict.fromkeys(("ns", "nanosecond"), 1e-9 / 60),
    **dict.fromkeys(("\u00b5s", "\u03bcs", "us", "microsecond"), 1e-6 / 60),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3 / 60),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1 / 60),
    **dict.fromkeys(("min", "minute", "minutes"), 1.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 60.0),
    **dict.fromkeys(("d", "day", "days"), 1440.0),
}
JITTER = 0.1  #: share of the median step that a step may differ by: frames are taken when the stage has come to rest


def to_minutes(value: float, unit: str) -> float | None:
    """A time in minutes, None where the unit is unknown or the time is not a positive number."""
    minutes = value * UNITS_MIN.get(unit.strip().lower(), math.nan)
    return minutes if 0 < minutes < math.inf else None


def even_interval(times: Sequence[float]) -> float | None:
    """The median step of the times of frames, in their unit; None where they are fewer than two or not evenly spaced."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    if not steps:
        return None
    usual = median(steps)
    is_even = 0 < usual < math.inf and all(abs(step - usual) <= JITTER * usual for step in steps)
    return usual if is_even else None
