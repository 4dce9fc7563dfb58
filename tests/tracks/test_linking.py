import numpy as np
import pytest

from livecell_monai.tracks.linking import link
from livecell_monai.tracks.objects import measure_objects
from livecell_monai.tracks.tracks import Tracks
from tests.support.moving_cells import Cells, movie

WALKING: list[Cells] = [{10 + frame: (20, 20 + 2 * frame), 3: (40, 60 - 2 * frame)} for frame in range(6)]


def linked(*frames: Cells, missing: tuple[int, ...] = (), **limits: float) -> Tracks:
    labels = movie(*frames, missing=missing)
    return link(measure_objects(labels, correct_drift=False), labels, limits)


def list_tracks(tracks: Tracks) -> list[list[tuple[int, int]]]:
    """(frame, label) of each track."""
    return [list(zip(tracks.frame[span].tolist(), tracks.label[span].tolist(), strict=True)) for _, span in tracks.spans()]


def test_cells_keep_their_track_whatever_their_labels() -> None:
    tracks = linked(*WALKING)
    assert list_tracks(tracks) == [[(frame, 3) for frame in range(6)], [(frame, 10 + frame) for frame in range(6)]]
    assert np.isnan(tracks.confidence[[0, 6]]).all()
    assert (np.delete(tracks.confidence, [0, 6]) > 0.9).all()
    assert [limit.name for limit in tracks.limits] == [
        *("greatest_step", "greatest_cut", "greatest_gap", "division_distance", "division_angle", "division_ratio")
    ]


def test_a_cell_that_is_missing_for_a_frame_keeps_its_track() -> None:
    frames = [dict(cells) for cells in WALKING]
    del frames[2][3]
    assert [len(track) for track in list_tracks(linked(*frames))] == [5, 6]
    assert [len(track) for track in list_tracks(linked(*frames, greatest_gap=0))] == [2, 6, 3]


def test_a_missing_frame_is_linked_across() -> None:
    frames = [*WALKING[:3], {}, *WALKING[3:]]
    assert [len(track) for track in list_tracks(linked(*frames, missing=(3,)))] == [6, 6]
    assert linked(*frames, missing=(3,)).missing == (3,)


def test_a_division_has_two_daughters() -> None:
    apart = [{1: (30, 30 - 5 - frame), 2: (30, 30 + 5 + frame)} for frame in range(3)]
    tracks = linked(*[{1: (30, 30)}] * 3, *apart)
    assert [len(track) for track in list_tracks(tracks)] == [3, 3, 3]
    assert tracks.parents == {2: 1, 3: 1}
    assert np.isnan(tracks.confidence[[0, 3, 6]]).all()
    assert linked(*[{1: (30, 30)}] * 3, *apart, division_distance=3).parents == {}


def test_a_daughter_that_is_missing_at_first_has_its_mother_where_cells_may_be_missing() -> None:
    apart: list[Cells] = [{1: (30, 30 - 5 - frame), 2: (30, 30 + 5 + frame)} for frame in range(5)]
    apart[0] = {1: apart[0][1]}
    frames = [*[{1: (30, 30)}] * 3, *apart]
    tracks = linked(*frames, greatest_gap=1)
    assert [len(track) for track in list_tracks(tracks)] == [3, 5, 4]
    assert tracks.parents == {2: 1, 3: 1}
    assert linked(*frames, greatest_gap=0, division_distance=6).parents == {}


def test_a_cell_beside_one_that_moved_is_no_daughter_on_the_same_side() -> None:
    frames = [{1: (30, 30)}, *[{1: (30, 36), 2: (37, 36)}] * 3]
    assert linked(*frames, greatest_step=10).parents == {}
    assert len(linked(*frames, greatest_step=10, division_angle=0).parents) == 2


@pytest.mark.parametrize(("life", "divisions"), [(1, 0), (2, 0), (3, 1)])
def test_a_cell_that_is_split_for_a_moment_has_not_divided(life: int, divisions: int) -> None:
    apart = [{1: (30, 30 - 5 - frame), 2: (30, 30 + 5 + frame)} for frame in range(life)]
    again: list[Cells] = [{1: (30, 30 - 5 - life)}] * 3
    tracks = linked(*[{1: (30, 30)}] * 3, *apart, *again, greatest_gap=0)
    assert len(set(tracks.parents.values())) == divisions


def test_a_cell_that_enters_the_field_has_no_mother() -> None:
    entering = [{1: (30, 70)}, {1: (30, 66), 2: (30, 78)}]
    assert linked(*entering, greatest_step=7).parents == {}
    inside = [{1: (30, 50)}, {1: (30, 46), 2: (30, 58)}]
    assert linked(*inside, greatest_step=7).parents == {2: 1, 3: 1}


@pytest.mark.parametrize("frames", [[{}], [{}, {}, {}], [{1: (20, 20)}], [{1: (20, 20)}, {}]])
def test_a_movie_with_next_to_nothing_has_a_right_result(frames: list[Cells]) -> None:
    tracks = linked(*frames)
    assert len(tracks) == sum(map(len, frames))
    assert tracks.frames == len(frames)
    assert tracks.parents == {}


def test_entries_are_sorted_by_track_and_frame() -> None:
    tracks = linked(*WALKING)
    assert np.array_equal(np.lexsort((tracks.frame, tracks.track)), np.arange(len(tracks)))
    assert tracks.ids.tolist() == [1, 2]
