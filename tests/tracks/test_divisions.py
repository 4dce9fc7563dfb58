import numpy as np
import pytest

from livecell_monai.sample import Pixels
from livecell_monai.tracks.costs import ABSENCE, LinkCosts
from livecell_monai.tracks.divisions import Divisions, find_divisions, median_diameter
from livecell_monai.tracks.objects import measure_objects
from tests.support.moving_cells import Drawn, draw, objects


def test_a_track_that_starts_beside_a_cell_that_moved_away_is_a_daughter() -> None:
    found = objects({1: (30, 30), 2: (30, 60)}, {1: (30, 25), 2: (30, 60), 3: (30, 35)})
    links = np.array([2, 3, -1, -1, -1]), np.array([-1, -1, 0, 1, -1])
    starts = [(np.array([0, 1]), np.array([4]), 1)]
    divisions = find_divisions(found, LinkCosts(found, 20), links, starts, 40)
    assert (divisions.mother.tolist(), divisions.first.tolist(), divisions.second.tolist()) == ([0], [2], [4])
    assert divisions.angle[0] == pytest.approx(180)
    assert divisions.ratio[0] == 1
    iou = 2 * 7 / (98 - 14)
    assert divisions.cost[0] == pytest.approx((5 / median_diameter(found) + 2 * iou) / 2)


def test_a_cell_that_rests_has_not_divided() -> None:
    found = objects({1: (30, 30)}, {1: (30, 30), 3: (30, 40)})
    links = np.array([1, -1, -1]), np.array([-1, 0, -1])
    assert not len(find_divisions(found, LinkCosts(found, 20), links, [(np.array([0]), np.array([2]), 1)], 40))
    assert not len(find_divisions(found, LinkCosts(found, 20), links, [], 40))


def possible(*frames: Pixels, later: int = 1) -> Divisions:
    """The divisions of the only cell of the first frame, whose first daughter is linked to it."""
    found = measure_objects(Drawn(list(frames)), correct_drift=False)
    following, previous = np.full(len(found), -1), np.full(len(found), -1)
    following[0], previous[1] = 1, 0
    return find_divisions(found, LinkCosts(found, 20), (following, previous), [(np.array([0]), np.array([2]), later)], 40)


def test_a_daughter_may_be_missing_at_first() -> None:
    mother, first = draw({1: (30, 30)}), draw({1: (30, 24)})
    late = possible(mother, first, draw({2: (30, 36)}), later=2)
    assert late.second.tolist() == [2]
    assert late.cost[0] == pytest.approx(possible(mother, draw({1: (30, 24), 2: (30, 36)})).cost[0] + ABSENCE)


def test_two_daughters_are_at_most_two_cells_of_the_mothers_size() -> None:
    mother = draw({1: (30, 30)})
    assert len(possible(mother, draw({1: (30, 24), 2: (30, 36)})))
    larger = np.maximum(draw({1: (30, 24)}), draw({2: (30, 38)}, half=4))
    assert not len(possible(mother, larger))


def test_small_daughters_within_the_mother_are_no_pieces() -> None:
    mother = draw({1: (30, 30)}, half=6)  # 13 x 13
    halves = mother * 0
    halves[24:37, 24:30], halves[24:37, 31:37] = 1, 2
    assert not len(possible(mother, halves))
    small = mother * 0
    small[25:36, 24:28], small[25:36, 33:37] = 1, 2
    assert len(possible(mother, small))
