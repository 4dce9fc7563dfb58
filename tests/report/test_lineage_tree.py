"""The lineage tree: where each track is, and what is left out."""

import numpy as np

from livecell_monai.report.lineage_tree import draw_tree, lay_out
from tests.support.track_worlds import some_tracks

TIMES = [float(frame) for frame in range(6)]


def test_large_lineages_come_first_and_a_parent_is_between_its_children():
    layout = lay_out(some_tracks())
    assert layout.rows[1] == 0.5
    assert (layout.rows[2], layout.rows[3], layout.rows[4]) == (0, 1, 2)
    assert (layout.count, layout.left_out) == (6, 0)


def test_no_two_leaves_share_a_row():
    places = {track: {track // 4: (9, 9)} for track in range(1, 16)}
    layout = lay_out(some_tracks(places, {child: child // 2 for child in range(2, 16)}))
    assert sorted(layout.rows[track] for track in range(8, 16)) == list(range(8))
    assert layout.rows[1] == 3.5


def test_lineages_that_find_no_room_are_counted():
    layout = lay_out(some_tracks(), most_rows=3)
    assert set(layout.rows) == {1, 2, 3, 4}
    assert (layout.count, layout.left_out) == (3, 3)


def test_the_figure_has_a_line_for_each_track_and_marks_for_fates():
    tracks = some_tracks()
    figure = draw_tree(tracks, lay_out(tracks), TIMES, "frame")
    axes = figure.axes[0]
    lines = axes.collections[0].get_segments()
    assert len(lines) == 7
    np.testing.assert_allclose(lines[1 if lay_out(tracks).rows.keys() else 0][0], (2, 0.5))  # where track 1 was seen last
    marks = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_allclose(marks["left the field"], [(2, 2)])
    np.testing.assert_allclose(marks["lost"], [(1, 4)])
    assert {text.get_text() for text in axes.texts} == {"2", "3", "4", "5", "6", "7"}


def test_a_tree_of_nothing_and_of_one_frame_is_drawn():
    nothing = some_tracks({}, {}, frames=1, drift=np.zeros((1, 2)))
    assert draw_tree(nothing, lay_out(nothing), [0.0], "frame").axes[0].get_xlabel() == "frame"
    one = some_tracks({1: {0: (5, 5)}}, {}, frames=1, drift=np.zeros((1, 2)))
    assert len(draw_tree(one, lay_out(one), [0.0], "frame").axes[0].collections[0].get_segments()) == 1


def test_a_tree_of_many_tracks_has_a_limited_height():
    places = {track: {0: (5, 5)} for track in range(1, 2001)}
    tracks = some_tracks(places, {})
    layout = lay_out(tracks)
    assert (layout.count, layout.left_out) == (200, 1800)
    assert draw_tree(tracks, layout, TIMES, "frame").get_figheight() < 26
