import math

import pytest

from livecell_monai.data.readers.interval import even_interval, to_minutes


@pytest.mark.parametrize(
    ("value", "unit", "minutes"),
    [(90, "s", 1.5), (90, "sec", 1.5), (2, "Minute", 2), (1, "h", 60), (30_000, "ms", 0.5), (6e7, "\u00b5s", 1)],
)
def test_units(value, unit, minutes):
    assert to_minutes(value, unit) == pytest.approx(minutes)


@pytest.mark.parametrize(
    ("value", "unit"), [(0, "s"), (-1, "s"), (math.nan, "s"), (math.inf, "s"), (5, "fortnight"), (5, "")]
)
def test_what_is_no_time_is_none(value, unit):
    assert to_minutes(value, unit) is None


@pytest.mark.parametrize(
    ("times", "interval"),
    [
        ([0, 5, 10, 15], 5),
        ([0, 5.2, 10, 15.1], 5.1),  # the stage must come to rest
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
