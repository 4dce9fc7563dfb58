"""Counts of pixels, and the scores that follow from them."""

import numpy as np
import pytest

from livecell_monai.metrics.counts import Counts, accuracy, count_pixels, dice, iou, precision, recall

MASK = np.array([[1, 1, 0, 0], [0, 7, 0, 0]])
TRUTH = np.array([[1, 0, 1, 0], [0, 2, 0, 0]])


def test_every_pixel_is_counted_once():
    assert count_pixels(MASK, TRUTH) == Counts(tp=2, fp=1, fn=1, tn=4)


def test_pixels_of_weight_0_are_not_counted():
    weight = np.ones_like(MASK)
    weight[0, :2] = 0
    assert count_pixels(MASK, TRUTH, weight) == Counts(tp=1, fp=0, fn=1, tn=4)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"mask and truth must have one shape, got \(2, 4\) and \(4, 2\)"):
        count_pixels(MASK, TRUTH.T)


def test_scores():
    found = [score(Counts(tp=2, fp=1, fn=3, tn=4)) for score in (iou, dice, accuracy, precision, recall)]
    assert found == pytest.approx([2 / 6, 4 / 8, 6 / 10, 2 / 3, 2 / 5])


@pytest.mark.parametrize(("counts", "value"), [(Counts(0, 0, 0, 5), 1.0), (Counts(0, 0, 0, 0), 1.0)])
def test_without_foreground_all_are_1(counts, value):
    assert {score(counts) for score in (iou, dice, accuracy, precision, recall)} == {value}


def test_a_ratio_without_denominator_is_0_where_something_is_wrong():
    assert precision(Counts(0, 0, 2, 3)) == recall(Counts(0, 2, 0, 3)) == 0.0
