import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecell_monai.metrics import score_mask
from livecell_monai.report.threshold import BINS, Probabilities, draw_threshold


def spread_of(*pairs):
    found = Probabilities()
    for probability, truth in pairs:
        found.add(np.asarray(probability, np.float32), np.asarray(truth))
    return found


@given(st.integers(0, 10**6), st.integers(1, 99))
def test_iou_at_a_threshold_is_that_of_the_mask(seed, place):
    """At multiples of 1/100 that float32 tells apart."""
    generator = np.random.default_rng(seed)
    planes = [generator.integers(0, 101, (8, 9)) for _ in range(3)]
    truths = [generator.uniform(size=(8, 9)) < share for share in (0.5, 0.1, 0.0)]
    found = spread_of(*((plane / 100, truth) for plane, truth in zip(planes, truths, strict=True)))
    expected = [score_mask(plane >= place, truth).iou for plane, truth in zip(planes, truths, strict=True)]
    assert found.iou_by_threshold()[place] == pytest.approx(np.mean(expected))


def test_an_empty_image_where_nothing_is_found_scores_1():
    curve = spread_of((np.full((4, 4), 0.3), np.zeros((4, 4)))).iou_by_threshold()
    assert (curve[30], curve[31]) == (0, 1)


class TestCalibration:
    def test_calibrated_probabilities(self):
        generator = np.random.default_rng(0)
        probability = generator.uniform(size=(400, 500))
        truth = generator.uniform(size=probability.shape) < probability
        found = spread_of((probability, truth))
        rows = found.calibration()
        assert len(rows) == BINS
        assert all(came == pytest.approx(said, abs=0.02) for said, came, _ in rows)
        assert found.calibration_error() < 0.01

    def test_overconfident_probability(self):
        generator = np.random.default_rng(0)
        truth = generator.uniform(size=(200, 200)) < 0.7
        found = spread_of((np.full(truth.shape, 0.995), truth))
        ((said, came, pixels),) = found.calibration()
        assert (said, came, pixels) == (pytest.approx(0.995), pytest.approx(0.7, abs=0.02), truth.size)
        assert found.calibration_error() == pytest.approx(0.295, abs=0.02)

    def test_bins_of_few_pixels_are_left_out(self):
        found = spread_of((np.full((3, 3), 0.5), np.eye(3)))
        assert found.calibration() == []
        assert found.calibration_error() is None


def test_the_best_threshold_is_the_nearest_to_one_half_of_equals():
    truth = np.eye(6)
    assert spread_of((0.2 + 0.6 * truth, truth)).find_best() == (0.5, 1.0)
    assert spread_of((0.1 + 0.1 * truth, truth)).find_best()[0] == pytest.approx(0.2)


def test_the_figure_has_a_line_for_each_role_and_the_chosen_threshold():
    truth = np.arange(1000).reshape(20, 50) % 3 == 0
    found = spread_of((0.2 + 0.6 * truth, truth))
    figure = draw_threshold({"validation": found, "test": found}, 0.35)
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["chosen: 0.35", "validation", "test"]
    assert list(left.lines[0].get_xdata()) == [0.35, 0.35]
    assert [len(line.get_xdata()) for line in right.lines] == [2, 2, 2]
