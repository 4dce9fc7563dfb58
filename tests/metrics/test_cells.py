"""Scores of cells, against other libraries' numbers and by hand."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from livecell_monai.metrics import cells
from livecell_monai.metrics.cells import (
    add_counts,
    aji,
    average_precision,
    cell_f1,
    count_error,
    keep_labelled,
    match_cells,
    mean_average_precision,
    panoptic_quality,
    seg,
)
from tests.support.cell_worlds import boxes, distorted

#: of `distorted(0..2)`: AP50, AP75, mean AP, F1 and PQ by stardist 0.9.2, SEG by py-ctcmetrics 1.3.3
GOLDEN = [
    (0.6744186046511628, 0.22033898305084745, 0.3041424728717563, 0.8055555555555556, 0.585020489162869, 0.546948414983186),
    (0.6744186046511628, 0.3333333333333333, 0.3011421751722153, 0.8055555555555556, 0.5864309734768338, 0.5555133797501128),
    (
        0.5777777777777777,
        0.12698412698412698,
        0.2455831495445413,
        0.7323943661971831,
        0.5164163079060299,
        0.5092895923170024,
    ),
]


@pytest.mark.parametrize("seed", range(3))
def test_other_libraries_give_the_same_scores(seed):
    truth, predicted = distorted(seed)
    counts = match_cells(predicted, truth).counts
    ours = [
        average_precision(counts),
        average_precision(counts, 75),
        mean_average_precision(counts),
        cell_f1(counts),
        panoptic_quality(counts),
        seg(counts),
    ]
    np.testing.assert_allclose(ours, GOLDEN[seed], rtol=1e-6)  # theirs are partly in float32


@pytest.mark.parametrize("seed", range(3))
def test_aji_by_its_definition(seed):
    truth, predicted = distorted(seed)
    intersection = union = 0
    used = set()
    for number in np.unique(truth[truth > 0]):
        cell = truth == number
        found = {other: predicted == other for other in np.unique(predicted[cell]) if other > 0}
        alike = {other: (cell & one).sum() / (cell | one).sum() for other, one in found.items()}
        best = max(alike, key=alike.get, default=None)
        if best is None:
            union += cell.sum()
            continue
        intersection, union = intersection + (cell & found[best]).sum(), union + (cell | found[best]).sum()
        used.add(best)
    union += sum((predicted == other).sum() for other in set(np.unique(predicted[predicted > 0])) - used)
    assert aji(match_cells(predicted, truth).counts) == intersection / union


TRUTH = boxes((5, 5, 15, 15), (5, 15, 15, 25), (20, 5, 30, 25), (30, 40, 35, 50), (2, 40, 8, 50))


def test_what_became_of_each_cell():
    predicted = boxes((5, 5, 15, 25), (20, 5, 30, 12), (20, 13, 30, 20), (30, 40, 35, 49), (15, 50, 18, 55))
    found = match_cells(predicted, TRUTH)
    assert found.fate == ("right", "merged", "split", "right", "missed")
    assert found.true_ids.tolist() == [1, 2, 3, 4, 5]
    assert found.merging_ids.tolist() == [1]
    assert found.invented_ids.tolist() == [5]
    counts = found.counts
    assert (counts.merged, counts.split, counts.missed, counts.invented) == (1, 1, 1, 1)


def test_ids_do_not_matter():
    predicted = distorted(0)[1]
    truth = distorted(0)[0]
    other = match_cells(np.where(predicted > 0, 70_000 - predicted, 0).astype(np.uint32), truth * 3).counts
    assert other == match_cells(predicted, truth).counts


def test_a_perfect_and_an_empty_prediction():
    counts = match_cells(TRUTH, TRUTH).counts
    assert [average_precision(counts, 95), panoptic_quality(counts), seg(counts), aji(counts)] == [1, 1, 1, 1]
    nothing = match_cells(TRUTH * 0, TRUTH).counts
    assert [average_precision(nothing), panoptic_quality(nothing), seg(nothing), aji(nothing)] == [0, 0, 0, 0]
    assert (nothing.missed, count_error(nothing)) == (5, 1)
    empty = match_cells(TRUTH * 0, TRUTH * 0).counts
    assert [average_precision(empty), panoptic_quality(empty), seg(empty), aji(empty), count_error(empty)] == [1, 1, 1, 1, 0]
    invented = match_cells(TRUTH, TRUTH * 0).counts
    assert (invented.invented, seg(invented), average_precision(invented)) == (5, 0, 0)


def test_pixels_of_weight_0_do_not_count():
    weight = np.ones(TRUTH.shape)
    weight[:, 30:] = 0
    counts = match_cells(boxes((5, 5, 15, 15), (5, 15, 15, 25), (20, 5, 30, 25), (20, 35, 30, 45)), TRUTH, weight).counts
    assert (counts.true_cells, counts.predicted_cells, counts.matched[0]) == (3, 3, 3)
    weight[:, 30:] = 1
    weight[:, :24] = 0  # a cell mostly outside is left out, not cut
    assert match_cells(TRUTH, TRUTH, weight).counts.true_cells == 2


class TestCellsBesideTheLabelledPixels:
    """Only the left 20 columns are labelled; the true cell 1 ends there although the cell does not."""

    LABELLED = np.arange(60) < 20 * np.ones((20, 1), int)
    TRUTH = boxes((2, 12, 12, 20), shape=(20, 60))

    def test_a_predicted_cell_that_lies_mostly_outside_is_not_invented(self):
        outside = boxes((2, 12, 12, 20), (14, 18, 19, 40), shape=(20, 60))
        assert match_cells(outside, self.TRUTH).counts.invented == 1
        counts = match_cells(outside, self.TRUTH, self.LABELLED).counts
        assert (counts.predicted_cells, counts.invented, counts.matched[0]) == (1, 0, 1)

    def test_one_that_lies_mostly_inside_is(self):
        counts = match_cells(boxes((14, 10, 19, 25), shape=(20, 60)), self.TRUTH, self.LABELLED).counts
        assert (counts.invented, counts.missed) == (1, 1)

    def test_a_whole_cell_is_right_by_its_part_inside(self):
        whole = boxes((2, 12, 12, 50), shape=(20, 60))
        assert match_cells(whole, self.TRUTH).counts.matched[0] == 0
        counts = match_cells(whole, self.TRUTH, self.LABELLED).counts
        assert (counts.matched[-1], counts.invented, counts.missed) == (1, 0, 0)

    def test_what_is_kept(self):
        predicted = boxes((2, 12, 12, 50), (14, 18, 19, 40), (14, 2, 19, 25), shape=(20, 60))
        kept, truth = keep_labelled(predicted, self.TRUTH, self.LABELLED)
        assert np.unique(kept).tolist() == [0, 1, 3]
        assert (kept[:, 20:] == 0).all()
        np.testing.assert_array_equal(truth, self.TRUTH)


def test_counts_of_several_images_are_added():
    pairs = [match_cells(predicted, truth).counts for truth, predicted in map(distorted, range(3))]
    total = add_counts(pairs)
    assert total.true_cells == 120
    assert average_precision(total) == pytest.approx(84 / (120 + 95 - 84))
    assert seg(total) == pytest.approx(np.mean([golden[5] for golden in GOLDEN]))


def test_two_predictions_of_half_a_cell_match_it_once():
    truth = boxes((0, 0, 10, 20))
    halves = boxes((0, 0, 10, 10), (0, 10, 10, 20))
    counts = match_cells(halves, truth).counts
    assert counts.matched[0] == 1
    assert ndimage.label(halves)[1] == 1


def test_only_cells_that_compete_are_matched_at_once(monkeypatch):
    """A matrix of all cells of a large image would not fit into memory."""
    places = [(top, left, top + 4, left + 4) for top in range(0, 36, 6) for left in range(0, 54, 6)]
    truth, predicted = boxes(*places), boxes(*places)
    predicted[0:4, 2:4] = len(places) + 1  # two halves of the first cell
    shapes = []

    def solve(matrix, maximize):
        shapes.append(matrix.shape)
        return linear_sum_assignment(matrix, maximize)

    monkeypatch.setattr(cells, "linear_sum_assignment", solve)
    counts = match_cells(predicted, truth).counts
    assert counts.matched[0] == len(places)
    assert set(shapes) == {(1, 2)}


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="must have one shape"):
        match_cells(TRUTH, TRUTH[1:])
