"""Plots of growth, speed and direction."""

import numpy as np
import pytest

from livecell_monai.report.motion import count_sectors, draw_growth, draw_rose, draw_speeds
from livecell_monai.tracks.growth import fit_growth
from livecell_monai.tracks.lineages import describe_lineages
from tests.support.track_worlds import some_tracks

TIMES = [10.0 * frame for frame in range(6)]


def moving(y, x, cells=6):
    """Cells that move alike, by (y, x) px a frame."""
    places = {track: {frame: (20 + y * frame, 20 + x * frame) for frame in range(6)} for track in range(1, cells + 1)}
    return some_tracks(places, {})


def test_growth_shows_the_cells_of_each_frame_and_the_span_of_the_fit():
    tracks = some_tracks()
    axes = draw_growth(tracks, fit_growth(tracks, (1, 4)), TIMES, "time (min)").axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xydata()[:, 1], [5, 5, 3, 4, 4, 4])
    np.testing.assert_array_equal(axes.lines[1].get_xydata()[:, 0], TIMES[1:5])
    assert "frames 1 to 4" in axes.get_title()
    assert axes.get_xlabel() == "time (min)"


def test_growth_without_cells_is_drawn():
    nothing = some_tracks({}, {})
    axes = draw_growth(nothing, fit_growth(nothing), TIMES, "frame").axes[0]
    assert "cannot tell" in axes.get_title()
    assert len(axes.lines) == 1  # no fit


@pytest.mark.parametrize(("changes", "text"), [({}, "µm / min"), ({"interval_min": None}, "px / frame")])
def test_speeds_are_in_the_units_that_are_known(changes, text):
    tracks = some_tracks(**changes)
    axes = draw_speeds(tracks, describe_lineages(tracks)).axes[0]
    assert text in axes.get_xlabel()
    assert axes.patches[0].get_data().values.sum() == 2  # tracks of five frames or more: 5 and 7


@pytest.mark.parametrize(("step", "sector"), [((0, 2), 0), ((-2, 0), 4), ((0, -2), 8), ((2, 0), 12), ((-2, 2), 2)])
def test_the_rose_points_where_cells_go_in_the_image(step, sector):
    axes = draw_rose(describe_lineages(moving(*step))).axes[0]
    heights = [patch.get_height() ** 2 for patch in axes.patches]
    assert heights[sector] == pytest.approx(6)
    assert sum(heights) == pytest.approx(6)
    assert axes.get_title().startswith("6 tracks; common direction 1.00")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["right", "up", "left", "down"]


def test_sectors_meet_around_the_right():
    angles = np.deg2rad([0, 10, -10, 350, 12, 180, -180])
    counts = count_sectors(angles)
    assert (counts[0], counts[1], counts[8], counts.sum()) == (4, 1, 2, 7)


@pytest.mark.parametrize("places", [{}, {1: {0: (5, 5), 1: (6, 6)}}])
def test_short_tracks_are_in_no_histogram(places):
    tracks = some_tracks(places, {})
    for figure in (draw_speeds(tracks, describe_lineages(tracks)), draw_rose(describe_lineages(tracks))):
        assert figure.axes[0].texts[0].get_text() == "no track of 5 frames or more that moves"
