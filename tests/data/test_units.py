"""Lengths and times that files state."""

import math

import pytest

from livecell_monai.data.units import even_interval, pixel_size, to_minutes, to_number


@pytest.mark.parametrize(
    ("value", "unit", "minutes"),
    [(90, "s", 1.5), (90, "sec", 1.5), (2, "Minute", 2), (1, "h", 60), (30_000, "ms", 0.5), (6e7, "\u00b5s", 1)],
)
def test_units(value, unit, minutes):
    assert to_minutes(value, unit) == pytest.approx(minutes)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (0, "s"),
        (-1, "s"),
        (math.nan, "s"),
        (math.inf, "s"),
        (1e-300, "s"),
        (1e300, "s"),
        (400, "d"),
        (5, "fortnight"),
        (5, ""),
    ],
)
def test_what_is_no_time_is_none(value, unit):
    assert to_minutes(value, unit) is None


@pytest.mark.parametrize(
    ("times", "interval"),
    [
        ([0, 5, 10, 15], 5),
        ([0, 5.2, 10, 15.1], 5.1),  # the stage takes a moment to rest
        ([0, 5, 10, 30], None),
        ([3], None),
        ([], None),
        ([0, 0, 0], None),
        ([0, math.nan, 10], None),
        ([10, 5, 0], None),
    ],
)
def test_times_of_frames(times, interval):
    assert even_interval(times) == (None if interval is None else pytest.approx(interval))


@pytest.mark.parametrize(
    ("unit", "um"),
    [("\u00b5m", 1), ("\u03bcm", 1), ("\\u00B5m", 1), ("um", 1), ("micron", 1), (" nm ", 1e-3), ("mm", 1e3), ("cm", 1e4)],
)
def test_units_become_micrometres(unit, um):
    assert pixel_size([0.2 / um, 0.3 / um], [unit, unit]) == pytest.approx((0.2, 0.3))


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf"), 6.5e-7, 9e-4, 1.1e4, 1e30])
def test_a_size_that_is_no_size_is_unknown(size):
    assert pixel_size([size, 1.0], ["um", "um"]) is None
    assert pixel_size([1.0, size], ["um", "um"]) is None


@pytest.mark.parametrize("unit", ["", "pixel", "inch", "unknown"])
def test_an_unknown_unit_gives_no_size(unit):
    assert pixel_size([1.0, 1.0], ["um", unit]) is None


@pytest.mark.parametrize(("told", "number"), [("0.5", 0.5), (2, 2.0), (None, None), ("n/a", None), ("", None), ([1], None)])
def test_numbers_that_files_state(told, number):
    assert to_number(told) == number or (number is None and math.isnan(to_number(told)))
