"""Panoptic quality of an evaluator: equal to MONAI's own, and to that of the summaries."""

import numpy as np
import pytest
import torch
from monai.metrics import PanopticQualityMetric

from livecell_monai.metrics import measure_scores, summarise_scores
from livecell_monai.metrics.panoptic import PanopticQuality
from tests.support.cell_worlds import distorted


def planes(labels):
    return torch.from_numpy(np.stack([labels, labels > 0]).astype(np.int64))


WORLDS = [distorted(seed, 20, (120, 130)) for seed in (1, 2, 3)]
EMPTY = np.zeros((120, 130), int)
INVENTED = (EMPTY, WORLDS[0][1])  # (truth, prediction)


@pytest.mark.parametrize("worlds", [WORLDS[:1], WORLDS, [*WORLDS, INVENTED, (EMPTY, EMPTY)]], ids=["one", "three", "empty"])
def test_equals_that_of_monai_and_of_the_summary(worlds):
    ours, monais = PanopticQuality(), PanopticQualityMetric(num_classes=1)
    for truth, predicted in worlds:
        rows = [metric([planes(predicted)], [planes(truth)]) for metric in (ours, monais)]
        torch.testing.assert_close(rows[0], rows[1])
    assert float(ours.aggregate()) == pytest.approx(float(monais.aggregate()), rel=1e-6)
    scores = [measure_scores(predicted, truth, cells=(predicted, truth)) for truth, predicted in worlds]
    assert float(ours.aggregate()) == pytest.approx(summarise_scores(scores, resamples=10)["pooled_pq"], rel=1e-5)
    assert 0.1 < float(ours.aggregate()) < 0.9


def test_an_iou_of_exactly_a_half_is_a_match_for_us_only():
    """As in StarDist's scores; MONAI's are of matches above a half."""
    truth = np.zeros((8, 8), int)
    truth[2:4, 2:6] = 1
    half = np.where(np.arange(8) < 4, truth, 0)
    found = [
        float(metric([planes(half)], [planes(truth)])[0, 0, 0]) for metric in (PanopticQuality(), PanopticQualityMetric(1))
    ]
    assert found == [1, 0]


def test_a_batch_is_as_a_list():
    one, other = PanopticQuality(), PanopticQuality()
    both = [torch.stack([planes(world[place]) for world in WORLDS]) for place in (1, 0)]
    torch.testing.assert_close(one(*both), other(list(both[0]), list(both[1])))


def test_pixels_of_class_0_are_background():
    truth = WORLDS[0][0]
    hidden = planes(truth)
    hidden[1, :60] = 0
    metric = PanopticQuality()
    metric([planes(np.where(np.arange(120)[:, None] < 60, 0, truth))], [hidden])
    assert float(metric.aggregate()) == pytest.approx(1)


def test_without_an_image_there_is_no_number():
    assert np.isnan(float(PanopticQuality().aggregate()))


def test_images_without_cells_differ_from_the_mean_over_images():
    """Pooled, an image without cells counts by what was invented in it; alone it is 1 or 0."""
    metric = PanopticQuality()
    metric([planes(EMPTY)], [planes(EMPTY)])
    assert float(metric.aggregate()) == 0
    assert measure_scores(EMPTY, EMPTY, cells=(EMPTY, EMPTY)).get("pq") == 1
