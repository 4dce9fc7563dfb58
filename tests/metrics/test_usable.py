"""A network that does not find the cells is called so."""

import numpy as np
import pytest

from livecell_monai.metrics import describe_unusable, score_mask


@pytest.mark.parametrize("iou", [0.0, 0.07, 0.33])
def test_a_low_score_is_not_usable(iou):
    assert describe_unusable(iou) == (
        f"this result is not usable: at IoU {iou:.3f}, more pixels of the cells are wrong than right"
    )


@pytest.mark.parametrize("iou", [0.34, 0.6, 1.0])
def test_others_may_be(iou):
    assert describe_unusable(iou) is None


def test_everything_as_foreground_is_not_usable():
    truth = np.zeros((10, 10), bool)
    truth[:3] = True
    assert describe_unusable(score_mask(np.ones((10, 10), bool), truth).iou) is not None
