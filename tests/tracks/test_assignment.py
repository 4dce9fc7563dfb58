import sys

import numpy as np
import pytest

from livecell_monai.errors import SettingError
from livecell_monai.tracks import assignment
from livecell_monai.tracks.assignment import assign_frames, assign_segments, check_laptrack

NONE = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def test_the_cheapest_set_of_links_is_made_not_the_cheapest_link() -> None:
    rows, columns, costs = np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.1, 0.3, 0.2])
    assert assign_frames(rows, columns, costs, (2, 2)).tolist() == [False, True, True]
    assert assign_frames(*NONE, (2, 0)).tolist() == []


def test_a_track_that_starts_is_a_daughter_or_one_that_comes_back() -> None:
    gaps = (np.array([0]), np.array([2]), np.array([0.3]))
    dear, cheap = ((np.array([2]), np.array([77]), np.array([cost])) for cost in (0.4, 0.2))
    assert [made.tolist() for made in assign_segments(gaps, dear, 3)] == [[True], [False]]
    assert [made.tolist() for made in assign_segments(gaps, cheap, 3)] == [[False], [True]]
    assert [made.tolist() for made in assign_segments(gaps, NONE, 3)] == [[True], []]
    assert [made.tolist() for made in assign_segments(NONE, NONE, 3)] == [[], []]


def test_a_mother_has_one_more_daughter() -> None:
    two = (np.array([1, 2]), np.array([5, 5]), np.array([0.4, 0.3]))
    assert assign_segments(NONE, two, 3)[1].tolist() == [False, True]


def test_groups_that_are_assigned_apart_give_the_same_links(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    gaps = (rng.integers(0, 20, 30), rng.integers(20, 40, 30), rng.random(30))
    gaps = tuple(column[np.unique(gaps[0] * 40 + gaps[1], return_index=True)[1]] for column in gaps)
    whole = assign_segments(gaps, NONE, 40)[0]
    monkeypatch.setattr(assignment, "_TOGETHER", 1)
    assert assign_segments(gaps, NONE, 40)[0].tolist() == whole.tolist()
    assert 5 < whole.sum() < len(whole)


def test_without_laptrack_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "laptrack", None)
    with pytest.raises(SettingError, match=r"livecell-monai\[track\]"):
        check_laptrack()
