"""Losses held against hand computation."""

import math

import pytest
import torch

from livecell_monai.errors import SettingError
from livecell_monai.network import SegmentationLoss

LOGITS = torch.tensor([[[[2.0, -1.0], [0.5, -3.0]]]])
LABEL = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])


def of_pixel(logit, label, pos_weight=1.0):
    probability = 1 / (1 + math.exp(-logit))
    return -(pos_weight * label * math.log(probability) + (1 - label) * math.log(1 - probability))


def by_hand(pos_weight=1.0, weights=(1, 1, 1, 1)):
    pixels = zip(LOGITS.flatten().tolist(), LABEL.flatten().tolist(), weights, strict=True)
    return sum(weight * of_pixel(logit, label, pos_weight) for logit, label, weight in pixels) / 4


def dice_by_hand():
    # batch=True: one fraction over all pixels of the batch; MONAI smooths both parts by 1e-5
    probability = torch.sigmoid(LOGITS).flatten()
    label = LABEL.flatten()
    return 1 - float((2 * (probability * label).sum() + 1e-5) / (probability.sum() + label.sum() + 1e-5))


@pytest.mark.parametrize("pos_weight", [1.0, 4.5, 0.2])
def test_bce_by_hand(pos_weight):
    assert float(SegmentationLoss("bce", pos_weight)(LOGITS, LABEL)) == pytest.approx(by_hand(pos_weight), rel=1e-5)


def test_border_weight_scales_each_pixel():
    weights = (1.0, 3.0, 0.0, 7.0)
    target = torch.cat([LABEL, torch.tensor(weights).reshape(1, 1, 2, 2)], dim=1)
    assert by_hand(2.0, weights) != pytest.approx(by_hand(2.0))
    assert float(SegmentationLoss("bce", 2.0)(LOGITS, target)) == pytest.approx(by_hand(2.0, weights), rel=1e-5)


def test_dice_is_added_to_bce():
    assert float(SegmentationLoss("dice_bce", 2.0)(LOGITS, LABEL)) == pytest.approx(by_hand(2.0) + dice_by_hand(), rel=1e-5)


def test_focal_by_hand():
    def focal(logit, label):
        probability = 1 / (1 + math.exp(-logit))
        right = probability if label else 1 - probability
        return (1 - right) ** 2 * of_pixel(logit, label) * (3.0 if label else 1.0)

    pixels = zip(LOGITS.flatten().tolist(), LABEL.flatten().tolist(), strict=True)
    assert float(SegmentationLoss("focal", 3.0)(LOGITS, LABEL)) == pytest.approx(
        sum(focal(logit, label) for logit, label in pixels) / 4, rel=1e-5
    )


@pytest.mark.parametrize("kind", ["bce", "dice_bce", "focal"])
class TestEveryLoss:
    def test_is_nothing_where_all_is_right_and_more_where_it_is_wrong(self, kind):
        loss = SegmentationLoss(kind)
        certain = (2 * LABEL - 1) * 30
        assert float(loss(certain, LABEL)) == pytest.approx(0, abs=1e-5)
        assert float(loss(-certain, LABEL)) > 1

    def test_pos_weight_makes_missed_foreground_dearer(self, kind):
        missed = torch.full_like(LOGITS, -1.0)
        assert SegmentationLoss(kind, 5.0)(missed, LABEL) > SegmentationLoss(kind, 1.0)(missed, LABEL)

    def test_border_weight_counts(self, kind):
        heavy = torch.cat([LABEL, torch.full_like(LABEL, 2.0)], dim=1)
        assert SegmentationLoss(kind)(LOGITS, heavy) > SegmentationLoss(kind)(LOGITS, LABEL)

    def test_takes_bf16_logits_and_counts_in_float32(self, kind):
        loss = SegmentationLoss(kind, 2.0)(LOGITS.bfloat16(), LABEL)
        assert loss.dtype == torch.float32
        assert float(loss) == pytest.approx(float(SegmentationLoss(kind, 2.0)(LOGITS, LABEL)), rel=1e-2)

    def test_gradient_falls_towards_the_label(self, kind):
        logits = LOGITS.clone().requires_grad_()
        SegmentationLoss(kind, 2.0)(logits, LABEL).backward()
        assert torch.equal(logits.grad < 0, LABEL > 0)


def test_refuses_an_unknown_kind():
    with pytest.raises(SettingError, match=r"setting loss must be bce, dice_bce, .* got 'tversky'; correct it"):
        SegmentationLoss("tversky")


@pytest.mark.parametrize("pos_weight", [0, -1.0, math.nan])
def test_refuses_a_weight_that_is_not_positive(pos_weight):
    with pytest.raises(SettingError, match="setting pos_weight must be a number above 0, auto or balanced, got"):
        SegmentationLoss("bce", pos_weight)
