"""Doubling times of cells that grow by a known law."""

import numpy as np
import pytest

from livecell_monai.errors import SettingError
from livecell_monai.tracks.growth import describe_growth, fit_growth, fit_rates, format_time
from tests.support.track_worlds import some_tracks


def dividing(founders, frames, cycle):
    """Tracks of founders that all divide after a cycle of frames, each at another time."""
    places, parents, waiting = {}, {}, [(0, founder % cycle) for founder in range(founders)]
    while waiting:
        parent, born = waiting.pop()
        track = len(places) + 1
        ended = born + cycle if parent else born
        first = born if parent else 0
        places[track] = dict.fromkeys(range(first, min(ended, frames - 1) + 1), (10, 10))
        if parent:
            parents[track] = parent
        if ended + 1 < frames:
            waiting += [(track, ended + 1)] * 2
    return some_tracks(places, parents, frames=frames, drift=np.zeros((frames, 2)))


def test_counts_that_double_are_fitted_exactly():
    frames = np.arange(20)
    counts = np.stack([5 * 2 ** (frames / 6), 40 * 2 ** (-frames / 3)])
    rates, levels = fit_rates(frames, counts)
    np.testing.assert_allclose(np.log(2) / rates, [6, -3])
    np.testing.assert_allclose(levels, [5, 40])


def test_the_interval_has_the_doubling_time_of_a_growing_population():
    growth = fit_growth(dividing(24, 36, 11))
    low, high = growth.doubling_interval
    assert low < 12 < high  # a cycle has 12 frames from division to division
    assert low < growth.doubling_frames < high < 1.5 * low
    assert growth.founders == 24
    text = describe_growth(growth, 10.0)
    assert text.startswith("doubling time ")
    assert "95 % interval" in text
    assert "fitted on frames 0 to 35, 5.83 h" in text


def test_cells_that_do_not_divide_have_no_doubling_time():
    still = some_tracks({track: dict.fromkeys(range(6), (10, 10)) for track in range(1, 9)}, {})
    growth = fit_growth(still)
    assert np.isnan(growth.doubling_frames)
    assert describe_growth(growth, 10.0).startswith("doubling time: cannot tell, ")


def test_growth_that_hangs_on_one_founder_cannot_be_told():
    places = {track: dict.fromkeys(range(6), (10, 10)) for track in range(1, 9)} | {
        9: {5: (10, 10)},
        10: {5: (10, 10)},
    }
    places[8] = dict.fromkeys(range(5), (10, 10))
    growth = fit_growth(some_tracks(places, {9: 8, 10: 8}))
    assert growth.rate > 0  # there is a slope, but only one of eight founders makes it
    assert growth.interval[0] == pytest.approx(0, abs=1e-9)
    assert "cannot tell, the interval of the growth rate includes 0" in describe_growth(growth, None)


@pytest.mark.parametrize("places", [{}, {1: {0: (5, 5)}}, {1: {0: (5, 5), 1: (5, 5)}}])
def test_too_few_frames_with_cells_cannot_be_told(places):
    assert "fewer than 3 frames with cells" in describe_growth(fit_growth(some_tracks(places, {})), None)


def test_few_founders_have_no_interval():
    growth = fit_growth(dividing(2, 30, 9))
    assert growth.interval is None
    assert "no interval: fewer than 5 founder cells" in describe_growth(growth, None)


def test_missing_frames_do_not_count_as_frames_without_cells():
    whole = dividing(24, 36, 11)
    kept = whole.frame != 20
    changes = {name: getattr(whole, name)[kept] for name in ("track", "frame", "label", "y", "x")}
    others = {name: getattr(whole, name)[kept] for name in ("area", "intensity", "touches_border", "confidence")}
    gap = type(whole)(**{**vars(whole), **changes, **others, "missing": (20,)})
    growth = fit_growth(gap)
    assert np.isnan(growth.cells[20])
    assert growth.doubling_frames == pytest.approx(fit_growth(whole).doubling_frames, rel=0.02)


def test_the_span_of_the_fit_can_be_chosen_and_must_be_in_the_movie():
    tracks = dividing(24, 36, 11)
    assert fit_growth(tracks, (5, 30)).span == (5, 30)
    for span in ((5, 36), (9, 9), (-1, 5)):
        with pytest.raises(SettingError, match="two frames of 0 to 35"):
            fit_growth(tracks, span)


def test_times_are_shown_in_hours_minutes_or_frames():
    assert [format_time(12, minutes) for minutes in (None, 5.0, 30.0)] == ["12 frames", "60 min", "6 h"]


def test_a_time_has_the_unit_of_the_longest_one_beside_it():
    assert [format_time(frames, 30.0, 7) for frames in (0, 4, 7)] == ["0 h", "2 h", "3.5 h"]
    assert [format_time(frames, 30.0, 5) for frames in (0, 4, 5)] == ["0 min", "120 min", "150 min"]
    assert format_time(4, None, 7) == "4 frames"
