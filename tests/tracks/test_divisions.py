import numpy as np
import pytest

from livecell_monai.tracks.costs import LinkCosts
from livecell_monai.tracks.divisions import find_divisions, median_diameter
from tests.support.moving_cells import objects


def test_a_track_that_starts_beside_a_cell_that_moved_away_is_a_daughter() -> None:
    found = objects({1: (30, 30), 2: (30, 60)}, {1: (30, 25), 2: (30, 60), 3: (30, 35)})
    links = np.array([2, 3, -1, -1, -1]), np.array([-1, -1, 0, 1, -1])
    starts = [(np.array([0, 1]), np.array([4]))]
    divisions = find_divisions(found, LinkCosts(found, 20), links, starts, 40)
    assert (divisions.mother.tolist(), divisions.first.tolist(), divisions.second.tolist()) == ([0], [2], [4])
    assert divisions.angle[0] == pytest.approx(180)
    assert divisions.ratio[0] == 1
    iou = 2 * 7 / (98 - 14)
    assert divisions.cost[0] == pytest.approx((5 / median_diameter(found) + 2 * iou) / 2)


def test_a_cell_that_rests_has_not_divided() -> None:
    found = objects({1: (30, 30)}, {1: (30, 30), 3: (30, 40)})
    links = np.array([1, -1, -1]), np.array([-1, 0, -1])
    assert not len(find_divisions(found, LinkCosts(found, 20), links, [(np.array([0]), np.array([2]))], 40))
    assert not len(find_divisions(found, LinkCosts(found, 20), links, [], 40))
