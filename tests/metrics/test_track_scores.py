import sys

import numpy as np
import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.metrics.track_scores import (
    NAMES,
    Matches,
    check_ctc_metrics,
    match_movies,
    measure_intervals,
    score_blocks,
    score_tracks,
)
from tests.support.moving_cells import Drawn, movie

TRUTH = [{1: (20, 20), 2: (40, 60)}] * 3 + [{3: (20, 15), 4: (20, 25), 2: (40, 60)}] * 3
PARENTS = {3: 1, 4: 1}


def matched(result: Drawn, truth: Drawn | None = None) -> Matches:
    return match_movies(truth or movie(*TRUTH), result, "dish")


def test_a_result_that_is_its_truth_scores_1() -> None:
    scores = score_tracks(matched(movie(*TRUTH)), PARENTS, PARENTS)
    assert {name: scores[name] for name in NAMES} == dict.fromkeys(NAMES, 1.0)
    assert [scores[name] for name in ("divisions", "divisions_found", "divisions_false")] == [1, 1, 0]


def test_ids_need_not_be_consecutive() -> None:
    renamed = [{label * 1000: place for label, place in cells.items()} for cells in TRUTH]
    scores = score_tracks(matched(movie(*renamed)), PARENTS, {3000: 1000, 4000: 1000})
    assert {scores[name] for name in NAMES} == {1.0}


def test_a_missed_division_costs_links_only() -> None:
    scores = score_tracks(matched(movie(*TRUTH)), PARENTS, {})
    assert scores["DET"] == scores["SEG"] == 1
    assert scores["LNK"] == pytest.approx(1 - 2 / 13)  # two of 13 links
    assert scores["division_F1"] == 0
    assert scores["TRA"] == pytest.approx(1 - 1.5 * 2 / (10 * 15 + 1.5 * 13))


@pytest.mark.parametrize(("late", "right"), [(1, 1), (2, 0)])
def test_a_division_may_be_one_frame_late(late: int, right: int) -> None:
    result = movie(*TRUTH)
    for plane in result.planes[3 : 3 + late]:
        plane[np.isin(plane, (3, 4))] = 1
    assert score_tracks(matched(result), PARENTS, PARENTS)["divisions_found"] == right


def test_a_result_without_cells_scores_0() -> None:
    empty = matched(movie(*[{}] * 6))
    assert {score_tracks(empty, PARENTS, {})[name] for name in NAMES} == {0.0}
    assert score_tracks(empty, {}, {})["division_F1"] is None


def test_a_truth_without_divisions_has_no_score_of_them() -> None:
    assert score_tracks(matched(movie(*TRUTH)), {}, {})["division_F1"] is None


def test_a_cell_that_covers_half_of_a_true_one_is_no_match() -> None:
    matches = Matches()
    truth = np.array([[1, 1, 0, 0]])
    matches.add(truth, np.array([[5, 0, 0, 0]]))
    matches.add(truth, np.array([[5, 5, 5, 5]]))
    assert matches.matched_found == [[], [5]]
    assert matches.iou == [[], [0.5]]


def test_blocks_are_scored_apart() -> None:
    wrong = movie(*TRUTH)
    wrong.planes[5] = np.zeros_like(wrong.planes[5])
    blocks = score_blocks(matched(wrong), PARENTS, PARENTS, frames=3)
    assert [one["DET"] for one in blocks] == [1, pytest.approx(1 - 3 / 9)]
    assert blocks[0]["division_F1"] is None
    assert len(score_blocks(matched(wrong), PARENTS, PARENTS, frames=4)) == 1


def test_intervals_are_over_blocks_that_have_the_score() -> None:
    scores = [dict.fromkeys(NAMES, value) | {"division_F1": None} for value in (0.2, 0.4, 0.9)]
    found = measure_intervals(scores)
    mean, interval, count = found["TRA"]
    assert (mean, count) == (pytest.approx(0.5), 3)
    assert interval is not None
    assert 0.2 <= interval[0] < 0.5 < interval[1] <= 0.9
    assert "division_F1" not in found


@pytest.mark.parametrize(
    ("result", "truth", "message"),
    [
        (movie(*TRUTH[:5]), movie(*TRUTH), "6 frames of 60 x 80, got 5 frames"),
        (movie(TRUTH[0]), movie(TRUTH[0]), "two frames or more, got 1"),
        (movie(*TRUTH), movie(*[{}] * 6), "a truth must have cells, got none in 6 frames"),
    ],
)
def test_movies_that_cannot_be_scored_are_rejected(result: Drawn, truth: Drawn, message: str) -> None:
    with pytest.raises(DataError, match=message):
        matched(result, truth)


def test_without_py_ctcmetrics_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctc_metrics", None)
    with pytest.raises(SettingError, match=r"livecell-monai\[track\]"):
        check_ctc_metrics()
