from itertools import pairwise

import numpy as np
import pytest

from livecell_monai.data.samples.movie_plan import MovieSettings, Plan, fit_doubling_h, plan_movie
from livecell_monai.data.samples.synthetic import PAD

SETTINGS = MovieSettings(frames=40, size=256, doubling_h=16)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_movie(SETTINGS)


def count_all(plan: Plan) -> np.ndarray:
    frames = [life.born + index for life in plan.lives for index in range(len(life.places))]
    return np.bincount(frames)


def test_the_population_doubles_in_the_time_asked_for(plan: Plan) -> None:
    counts = count_all(plan)
    expected = counts[0] * 2 ** (np.arange(SETTINGS.frames) * SETTINGS.interval_h / SETTINGS.doubling_h)
    np.testing.assert_array_equal(counts, np.rint(expected))


def test_so_do_the_cells_in_the_field(plan: Plan) -> None:
    found = fit_doubling_h(plan.count(), SETTINGS.interval_h)
    assert found == pytest.approx(SETTINGS.doubling_h, rel=0.05)


def test_every_cell_has_a_place_in_each_of_its_frames(plan: Plan) -> None:
    for number, life in enumerate(plan.lives, start=1):
        assert life.number == number
        end = SETTINGS.frames if life.gone is None else min(life.gone, SETTINGS.frames)
        assert len(life.places) == end - life.born


def test_a_mother_ends_where_two_daughters_begin(plan: Plan) -> None:
    mothers = [life for life in plan.lives if life.gone is not None and life.gone < SETTINGS.frames and not life.dies]
    assert len(mothers) > 10
    side = SETTINGS.size + 2 * PAD
    for mother in mothers:
        daughters = [life for life in plan.lives if life.parent == mother.number]
        assert [life.born for life in daughters] == [mother.gone] * 2
        for daughter in daughters:
            gap = np.array(daughter.places[0][:2]) - mother.places[-1][:2]
            assert np.hypot(*(gap - side * np.round(gap / side))) < 30
    assert all(life.parent == 0 for life in plan.lives if life.born == 0)
    assert not [life for life in plan.lives if life.parent and plan.lives[life.parent - 1].dies]


def test_cells_do_not_jump(plan: Plan) -> None:
    side = SETTINGS.size + 2 * PAD
    for life in plan.lives:
        for (y, x, angle), (next_y, next_x, next_angle) in pairwise(life.places):
            gap = np.array([next_y - y, next_x - x])
            assert np.hypot(*(gap - side * np.round(gap / side))) < 30
            assert abs(next_angle - angle) < 0.8


def test_some_cells_die(plan: Plan) -> None:
    assert 1 <= sum(life.dies for life in plan.lives) <= 12


def test_a_seed_gives_one_plan() -> None:
    small = MovieSettings(frames=6, size=128)
    one, again = plan_movie(small), plan_movie(small)
    other = plan_movie(MovieSettings(frames=6, size=128, seed=1))
    assert [life.places for life in one.lives] == [life.places for life in again.lives]
    assert [life.places for life in one.lives] != [life.places for life in other.lives]


def test_a_doubling_time_is_fitted() -> None:
    hours = np.arange(20) * 0.5
    assert fit_doubling_h(np.rint(1000 * 2 ** (hours / 12)).astype(np.int64), 0.5) == pytest.approx(12, rel=0.01)
    assert fit_doubling_h(np.array([5, 5, 5, 5]), 0.5) is None
    assert fit_doubling_h(np.array([8, 4, 2]), 0.5) is None
    assert fit_doubling_h(np.array([2, 4]), 0.5) is None
    assert fit_doubling_h(np.array([0, 2, 4]), 0.5) is None


def test_a_long_interval_and_a_single_frame_make_a_plan() -> None:
    assert len(plan_movie(MovieSettings(frames=1, size=128)).count()) == 1
    slow = plan_movie(MovieSettings(frames=5, size=128, interval_min=240))
    assert count_all(slow)[-1] == round(count_all(slow)[0] * 2 ** (16 / 24))
