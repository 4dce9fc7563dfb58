"""Lengths in µm and times in minutes, from the numbers and units that image files state."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

#: units of length in µm, by their lower-case names in OME-XML, OME-Zarr, ImageJ and NIfTI; µ has two code points
UNITS_UM = {
    **dict.fromkeys(("\u00b5m", "\u03bcm", "\\u00b5m", "um", "micron", "microns", "micrometer"), 1.0),
    "angstrom": 1e-4,
    **dict.fromkeys(("nm", "nanometer"), 1e-3),
    **dict.fromkeys(("mm", "millimeter"), 1e3),
    **dict.fromkeys(("cm", "centimeter"), 1e4),
    **dict.fromkeys(("m", "meter"), 1e6),
}
#: units of time in minutes, by their lower-case names in OME-XML, OME-Zarr and ImageJ
UNITS_MIN = {
    **dict.fromkeys(("ns", "nanosecond"), 1e-9 / 60),
    **dict.fromkeys(("\u00b5s", "\u03bcs", "us", "microsecond"), 1e-6 / 60),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3 / 60),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1 / 60),
    **dict.fromkeys(("min", "minute", "minutes"), 1.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 60.0),
    **dict.fromkeys(("d", "day", "days"), 1440.0),
}
SIZES_UM = (1e-3, 1e4)  #: of a pixel; others are mistakes of the program that wrote the file
JITTER = 0.1  #: fraction of the median step by which a step may differ: a frame is taken once the stage rests


def to_number(text: Any) -> float:
    """A number of a file's metadata, NaN if it is missing or no number."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def to_um(value: float, unit: str) -> float:
    """A length in µm, NaN if the unit is unknown."""
    return value * UNITS_UM.get(unit.strip().lower(), math.nan)


def pixel_size(sizes: Sequence[float], units: Sequence[str]) -> tuple[float, float] | None:
    """The size (Y, X) of a pixel in µm, from sizes (Y, X) and units; None if a unit is unknown or a size is impossible."""
    y, x = map(to_um, sizes, units)
    return (y, x) if is_size(y) and is_size(x) else None


def is_size(um: float) -> bool:
    """Whether a pixel, or a step between planes, of an image of cells can have this size in µm; False for NaN."""
    return SIZES_UM[0] <= um <= SIZES_UM[1]


def to_minutes(value: float, unit: str) -> float | None:
    """The time between frames in minutes, None if the unit is unknown or the time is below 1 ns or above a year."""
    minutes = value * UNITS_MIN.get(unit.strip().lower(), math.nan)
    return minutes if 1e-9 / 60 <= minutes <= 366 * 1440 else None


def even_interval(times: Sequence[float]) -> float | None:
    """The median step of the times of frames, in their unit; None if there are fewer than two or they are uneven."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    if not steps:
        return None
    usual = median(steps)
    is_even = 0 < usual < math.inf and all(abs(step - usual) <= JITTER * usual for step in steps)
    return usual if is_even else None
