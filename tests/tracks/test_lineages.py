"""Speed, age, fate and motion of tracks whose places are known."""

import numpy as np
import pytest

from livecell_monai.tracks.columns import CELL_COLUMNS, LINEAGE_COLUMNS
from livecell_monai.tracks.lineages import (
    correct_drift,
    describe_cells,
    describe_lineages,
    find_fates,
    measure_steps,
    trace_founders,
)
from tests.support.track_worlds import FRAMES, some_tracks

DRIFT = np.cumsum(np.full((FRAMES, 2), (2.0, -1.0)), axis=0) - (2.0, -1.0)


def drifting():
    """The same cells seen by a stage that drifts."""
    still = some_tracks()
    moved = DRIFT[still.frame]
    return some_tracks(y=still.y + moved[:, 0], x=still.x + moved[:, 1], drift=DRIFT)


def test_speed_is_the_step_over_the_frames_it_took():
    table = describe_cells(some_tracks())
    of_five = table["track"] == 5
    np.testing.assert_allclose(table["speed_px_per_frame"][of_five], [np.nan, 2, 2, 2, 2])  # also over its gap
    np.testing.assert_allclose(table["speed_um_per_min"][of_five], [np.nan, 0.1, 0.1, 0.1, 0.1])


def test_drift_is_taken_out_of_speeds_and_displacements_and_left_in_places():
    still, moved = some_tracks(), drifting()
    assert not np.allclose(moved.y, still.y)  # the drift shows before it is taken out
    np.testing.assert_allclose(correct_drift(moved), correct_drift(still))
    for name, values in describe_lineages(still).items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(describe_lineages(moved)[name], values, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(describe_cells(moved)["centroid_y_px"], moved.y)


def test_age_is_counted_from_the_first_frame_of_the_track():
    table = describe_cells(some_tracks())
    assert table["age_frames"][table["track"] == 2].tolist() == [0, 1, 2]
    assert table["age_min"][table["track"] == 5].tolist() == [0, 10, 30, 40, 50]


def test_every_fate_is_found():
    fates = dict(zip(some_tracks().ids.tolist(), find_fates(some_tracks()).tolist(), strict=True))
    assert fates[1] == "divided"
    assert fates[4] == "left the field"
    assert fates[6] == "lost"
    assert fates[2] == fates[3] == fates[5] == fates[7] == "end of movie"


def test_a_cell_whose_next_step_leads_out_of_the_frame_left():
    tracks = some_tracks({1: {0: (20, 40), 1: (20, 52)}}, {}, touches_border=np.zeros(2, bool))
    assert find_fates(tracks).tolist() == ["left the field"]
    slower = some_tracks({1: {0: (20, 48), 1: (20, 52)}}, {}, touches_border=np.zeros(2, bool))
    assert find_fates(slower).tolist() == ["lost"]


def test_one_child_is_no_division():
    assert find_fates(some_tracks(parents={2: 1}))[0] == "continued"


def test_the_movie_ends_with_the_last_frame_that_was_given():
    tracks = some_tracks({1: dict.fromkeys(range(FRAMES - 1), (20, 20))}, {})
    assert find_fates(tracks).tolist() == ["lost"]
    missing = some_tracks({1: dict.fromkeys(range(FRAMES - 1), (20, 20))}, {}, missing=(FRAMES - 1,))
    assert find_fates(missing).tolist() == ["end of movie"]


def test_founders_and_generations_follow_the_parents():
    places = {track: {track - 1: (10, 10)} for track in range(1, 5)}
    founders, generations = trace_founders(some_tracks(places, {2: 1, 3: 2}))
    assert founders.tolist() == [1, 1, 1, 4]
    assert generations.tolist() == [0, 1, 2, 0]


def test_persistence_is_one_on_a_straight_line_and_less_on_a_detour():
    places = {1: {0: (10, 10), 1: (10, 14), 2: (10, 18)}, 2: {0: (30, 10), 1: (33, 10), 2: (33, 14)}, 3: {0: (5, 5)}}
    table = describe_lineages(some_tracks(places, {}))
    np.testing.assert_allclose(table["persistence"], [1, 5 / 7, np.nan])
    np.testing.assert_allclose(table["net_displacement_um"], [4, 2.5, np.nan])
    np.testing.assert_allclose(table["mean_speed_px_per_frame"], [4, 3.5, np.nan])
    assert table["children"].tolist() == ["", "", ""]


@pytest.mark.parametrize("changes", [{"interval_min": None}, {"pixel_size_um": None}])
def test_unknown_units_leave_their_columns_empty(changes):
    table = describe_cells(some_tracks(**changes))
    assert np.isnan(table["speed_um_per_min"]).all()
    assert np.isnan(table["age_min" if "interval_min" in changes else "area_um2"]).all()
    assert np.isfinite(table["speed_px_per_frame"]).any()


def test_a_movie_without_cells_has_empty_tables():
    nothing = some_tracks({}, {})
    assert all(
        len(values) == 0 for table in (describe_cells(nothing), describe_lineages(nothing)) for values in table.values()
    )
    assert measure_steps(nothing)[0].shape == (0, 2)


def test_the_tables_have_the_columns_that_are_described():
    assert list(describe_cells(some_tracks())) == list(CELL_COLUMNS)
    assert list(describe_lineages(some_tracks())) == list(LINEAGE_COLUMNS)
