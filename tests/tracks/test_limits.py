import numpy as np
import pytest

from livecell_monai.errors import SettingError
from livecell_monai.tracks.divisions import Divisions
from livecell_monai.tracks.limits import (
    Limits,
    count_returns,
    measure_angle,
    measure_gap,
    measure_ratio,
    measure_step,
    usual_step,
)
from tests.support.moving_cells import objects


def divisions(count: int, angle: float = 160, ratio: float = 1.2) -> Divisions:
    ints, ones = np.arange(count), np.ones(count)
    return Divisions(ints, ints, ints, ones, angle * ones, ratio * ones, 0.1 * ones)


def test_the_greatest_step_follows_the_steps_of_the_movie() -> None:
    slow = [{1: (20, 20 + frame), 2: (40, 50 - frame)} for frame in range(5)]
    fast = [{1: (20, 20 + 2 * frame), 2: (40, 60 - 2 * frame)} for frame in range(5)]
    value, reason = measure_step(objects(*slow))
    assert value == pytest.approx(2 * np.sqrt(49 / np.pi))  # 5 px, kept at one diameter
    assert "kept between one median diameter" in reason
    assert measure_step(objects(*fast))[0] == pytest.approx(10)
    assert measure_step(objects({}, {}))[0] > 0


def test_a_cell_that_comes_back_is_looked_for_within_its_usual_step() -> None:
    fast = [{1: (20, 20 + 6 * frame), 2: (50, 60 - 6 * frame)} for frame in range(5)]
    assert usual_step(objects(*fast)) == pytest.approx(6)
    assert usual_step(objects({1: (20, 20)}, {1: (20, 20)})) == pytest.approx(np.sqrt(49 / np.pi))  # half a diameter
    assert usual_step(objects({}, {})) > 0


def test_the_greatest_gap_is_the_longest_that_is_more_than_chance() -> None:
    assert measure_gap({1: (40, 2.0), 2: (30, 3.0), 3: (30, 16.0), 4: (50, 1.0)}, 100)[0] == 2
    assert measure_gap({1: (40, 2.0), 2: (30, 3.0)}, 130)[0] == 1
    value, reason = measure_gap({1: (3, 2.0), 2: (0, 0.0)}, 9)
    assert value == 0
    assert "3 of 9 tracks that end come back after 1 frame, 2 by chance" in reason
    assert measure_gap({1: (0, 0.0)}, 0) == (0, "no track ends before the movie does, so that none can come back")


def test_returns_are_counted_beside_those_by_chance() -> None:
    found = objects({1: (20, 20)}, {}, {1: (20, 21)}, {2: (20, 22)})
    counts = count_returns(found, np.array([0]), np.array([1, 2]), found.frame, 10, (60, 80))
    assert counts[1] == (1, pytest.approx(np.pi * 200 / 4800))
    assert counts[2] == (1, pytest.approx(np.pi * 300 / 4800))
    assert counts[3] == (0, 0)
    assert count_returns(found, np.array([0]), np.array([1]), found.frame, 0.5, (60, 80))[1][0] == 0


def test_angle_and_size_are_measured_from_clear_divisions() -> None:
    assert measure_angle(divisions(20))[0] == 90
    assert measure_angle(divisions(20, angle=60))[0] == 40
    assert measure_ratio(divisions(20))[0] == pytest.approx(3.6)
    value, reason = measure_angle(divisions(3, angle=60))
    assert value == 90
    assert reason.endswith("(only 3 clear divisions, 10 are needed to measure it)")
    assert measure_ratio(divisions(3))[0] == 8


def test_a_limit_of_the_user_overrides_the_measured_one() -> None:
    limits = Limits({"greatest_step": 30})
    assert limits.measure("greatest_step", lambda: (5, "measured")) == 30
    assert limits.measure("greatest_gap", lambda: (2, "measured")) == 2
    assert [str(one) for one in limits.list] == [
        "greatest_step = 30 px: set by the user",
        "greatest_gap = 2 frames: measured",
    ]


@pytest.mark.parametrize(
    ("given", "message"), [({"speed": 1}, "got 'speed'"), ({"division_angle": 200}, "from 0 to 180, got 200")]
)
def test_a_wrong_limit_is_rejected(given: dict[str, float], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Limits(given)
