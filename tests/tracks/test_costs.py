import numpy as np
import pytest

from livecell_monai.tracks.costs import ABSENCE, LinkCosts, Links, find_pairs, rate_links, share_discs
from livecell_monai.tracks.objects import measure_objects
from tests.support.moving_cells import movie, objects


def test_only_near_pairs_are_found() -> None:
    found = objects({1: (20, 20), 2: (20, 60)}, {1: (20, 23)})
    first, second, distance = find_pairs(found, np.array([0, 1]), np.array([2]), 10)
    assert (first.tolist(), second.tolist(), distance.tolist()) == ([0], [2], [3])
    assert not len(find_pairs(found, np.array([0]), np.zeros(0, int), 10)[0])


def test_a_cell_that_rests_costs_nothing_and_one_that_moves_more() -> None:
    found = objects({1: (20, 20), 2: (40, 40)}, {1: (20, 20), 2: (40, 45)})
    links = LinkCosts(found, 10).links(np.array([0, 1]), np.array([2, 3]))
    assert links.first.tolist() == [0, 1]
    assert links.cost[0] == 0
    iou = 2 * 7 / (2 * 49 - 2 * 7)
    assert links.cost[1] == pytest.approx((0.45 * 0.5 + 0.4 * (1 - iou)) / 0.9)


def test_the_mean_intensity_decides_between_cells_that_are_alike() -> None:
    frames = movie({1: (20, 20), 2: (20, 40)}, {1: (20, 30)})
    grey = [np.where(plane == 1, 200.0, 50.0) for plane in frames.planes]
    alike = LinkCosts(measure_objects(frames, correct_drift=False), 15).links(np.array([0, 1]), np.array([2]))
    assert alike.cost[0] == alike.cost[1]
    told = LinkCosts(measure_objects(frames, grey, correct_drift=False), 15).links(np.array([0, 1]), np.array([2]))
    assert told.cost[0] < told.cost[1]


def test_an_unknown_intensity_leaves_its_share_to_the_others() -> None:
    frames = movie({1: (20, 20), 2: (40, 40)}, {1: (20, 22), 2: (40, 45)})
    grey = [np.where(plane == 1, 200.0, 50.0) for plane in frames.planes]
    grey[1][frames.planes[1] == 2] = np.nan
    told = LinkCosts(measure_objects(frames, grey, correct_drift=False), 10).links(np.array([0, 1]), np.array([2, 3]))
    alone = LinkCosts(measure_objects(frames, correct_drift=False), 10).links(np.array([0, 1]), np.array([2, 3]))
    assert told.second.tolist() == [2, 3]
    assert told.cost[1] == pytest.approx(alone.cost[1])
    assert told.cost[0] < alone.cost[0]


def test_a_gap_may_be_wider_than_a_step() -> None:
    found = objects({1: (20, 20)}, {}, {}, {}, {1: (20, 35)})
    costs = LinkCosts(found, 10)
    one, other = np.array([0]), np.array([1])
    assert not len(costs.links(one, other).cost)
    assert costs.links(one, other, 4).cost == pytest.approx((0.45 * 15 / 20 + 0.4) / 0.9 + 3 * ABSENCE)
    assert not len(costs.links(one, other, 2).cost)


def test_a_gap_costs_more_than_a_step_of_the_same_cell() -> None:
    found = objects({1: (20, 20)}, {1: (20, 22)}, {1: (20, 22)})
    costs, one = LinkCosts(found, 10), np.array([0])
    step, gap = costs.links(one, np.array([1])), costs.links(one, np.array([2]), 2)
    assert step.cost[0] < gap.cost[0] < step.cost[0] + ABSENCE  # a longer way is allowed to it


def test_the_overlap_across_a_gap_is_that_of_discs() -> None:
    found = objects({1: (20, 20)}, {}, {1: (20, 20), 2: (20, 40)})
    costs, one = LinkCosts(found, 30), np.array([0, 0])
    assert costs.iou(one, np.array([1, 2])) == pytest.approx([1, 0], abs=1e-6)
    assert not len(found.shared)  # no pixels of frames that are not neighbours are compared


@pytest.mark.parametrize(("distance", "shared"), [(0, 4 * np.pi), (1, 4 * np.pi), (3, np.pi * 2), (5, 0), (9, 0)])
def test_discs_share_what_lies_in_both(distance: float, shared: float) -> None:
    found = share_discs(np.array([9 * np.pi, 4 * np.pi]), np.array([4 * np.pi, 9 * np.pi]), np.full(2, float(distance)))
    assert found[0] == found[1]
    if distance == 3:  # counted on a fine grid
        y, x = np.mgrid[-4:6:0.005, -4:6:0.005]
        shared = float(((y**2 + x**2 <= 9) & (y**2 + (x - 3) ** 2 <= 4)).sum() * 0.005**2)
    assert found[0] == pytest.approx(shared, rel=1e-3, abs=1e-3)


def test_confidence_is_low_where_another_link_costs_the_same() -> None:
    links = Links(np.array([0, 0, 1]), np.array([2, 3, 4]), np.array([0.2, 0.2, 0.2]))
    clear, unclear = rate_links(links, np.array([False, False, True])), rate_links(links, np.array([True, False, False]))
    assert clear > 0.99
    assert unclear == pytest.approx(0.5, abs=0.01)
