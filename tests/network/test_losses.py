"""Losses held against hand computation."""

import math

import pytest
import torch

from livecell_monai.errors import SettingError
from livecell_monai.network import Head, SegmentationLoss
from livecell_monai.network.heads import UNKNOWN
from livecell_monai.network.losses import bce, dice_bce

ROWS = SegmentationLoss.ROWS
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


class TestUnknownPixels:
    """Of 20 x 8 pixels the last three columns are not annotated, and in column 4 the distance is unknown."""

    HEAD = Head(["foreground", "distance"])

    def make(self):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(2, 5, 20, 8, generator=generator)
        target = torch.rand(2, 2, 20, 8, generator=generator)
        target[:, 0] = (target[:, 0] > 0.5).float()
        target[..., 5:] = UNKNOWN
        target[:, 1, :, 4] = UNKNOWN / 3
        return logits, target

    @pytest.mark.parametrize("kind", ["bce", "dice_bce", "focal"])
    def test_foreground_terms_are_those_of_the_rest(self, kind):
        logits, target = self.make()
        loss = SegmentationLoss(kind, 2.0)
        found = float(loss(logits[:, :1], target[:, :1]))
        assert found == pytest.approx(float(loss(logits[:, :1, :, :5], target[:, :1, :, :5])), rel=1e-5)
        assert found != pytest.approx(float(loss(logits[:, :1], target[:, :1].clamp(min=0))), rel=1e-3)

    @pytest.mark.parametrize("kind", ["bce", "dice_bce", "focal"])
    def test_all_maps_together(self, kind):
        logits, target = self.make()
        loss = SegmentationLoss(kind, 1.0, self.HEAD)
        alone = SegmentationLoss(kind, 1.0)(logits[:, :1, :, :5], target[:, :1, :, :5])
        # of the distance, column 4 does not count either
        left = logits[..., :4], target[..., :4]
        both = loss(*left) - SegmentationLoss(kind, 1.0)(*(planes[:, :1] for planes in left))
        assert float(loss(logits, target)) == pytest.approx(float(alone + both), rel=1e-5)

    def test_logits_there_have_no_gradient(self):
        logits, target = self.make()
        logits.requires_grad_()
        SegmentationLoss("dice_bce", 1.0, self.HEAD)(logits, target).backward()
        assert (logits.grad[..., 5:] == 0).all()
        assert (logits.grad[:, 1:, :, 4] == 0).all()
        assert (logits.grad[:, :1, :, :4] != 0).all()
        assert (logits.grad[:, 1:, ::ROWS, :4] != 0).all()

    @pytest.mark.parametrize("kind", ["bce", "dice_bce", "focal"])
    def test_nothing_annotated_is_no_loss(self, kind):
        logits, target = self.make()
        logits.requires_grad_()
        loss = SegmentationLoss(kind, 1.0, self.HEAD)(logits, torch.full_like(target, UNKNOWN))
        loss.backward()
        assert loss.item() == pytest.approx(0, abs=1e-6)
        assert (logits.grad == 0).all()

    def test_border_weights_still_count(self):
        logits, target = self.make()
        weight = torch.rand(2, 1, 20, 8, generator=torch.Generator().manual_seed(1))
        loss = SegmentationLoss("bce")
        both = torch.cat([target[:, :1], weight], dim=1)
        assert float(loss(logits[:, :1], both)) == pytest.approx(float(loss(logits[:, :1, :, :5], both[..., :5])), rel=1e-5)

    def test_without_unknown_pixels_it_is_the_same_to_the_bit(self):
        logits, target = self.make()
        target = target.clamp(min=0)
        weight = torch.rand(2, 1, 20, 8)
        label, levels = target[:, :1], self.HEAD.to_levels(target, first=1)
        rest = (planes[:, :, ::ROWS] for planes in (logits[:, 1:], levels, weight))
        expected = dice_bce(logits[:, :1], label, weight, 1.0) + 2.0 * dice_bce(*rest, 1.0)
        loss = SegmentationLoss("dice_bce", 1.0, self.HEAD)(logits, torch.cat([target, weight], dim=1))
        assert torch.equal(loss, expected)

    @pytest.mark.parametrize("kind", ["bce", "dice_bce", "focal"])
    def test_a_weight_of_one_changes_nothing(self, kind):
        """Without weights and unknown pixels a shorter way is taken."""
        logits, target = self.make()
        target, gradients = target.clamp(min=0), []
        for planes in (target, torch.cat([target, torch.ones(2, 1, 20, 8)], dim=1)):
            own = logits.clone().contiguous(memory_format=torch.channels_last).requires_grad_()
            SegmentationLoss(kind, 1.0, self.HEAD)(own, planes).backward()
            gradients.append(own.grad)
        assert torch.equal(*gradients)
        assert (gradients[0][:, :1] != 0).all()
        assert (gradients[0][:, 1:, ::ROWS] != 0).all()


class TestRows:
    """The loss of the maps looks at one row in so many."""

    HEAD = Head(["foreground", "distance"])

    def make(self):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(2, 5, 2 * ROWS + 4, 7, generator=generator)
        return logits, (torch.rand(2, 2, 2 * ROWS + 4, 7, generator=generator) > 0.5).float()

    def test_other_rows_of_the_maps_do_not_count(self):
        logits, target = self.make()
        loss = SegmentationLoss("dice_bce", 1.0, self.HEAD)
        changed = logits + 5
        changed[:, :1] = logits[:, :1]
        changed[:, :, ::ROWS] = logits[:, :, ::ROWS]
        assert torch.equal(loss(changed, target), loss(logits, target))
        changed[:, 1:, ROWS] += 1
        assert loss(changed, target) != loss(logits, target)

    def test_even_and_odd_rows_take_turns(self):
        """A network that runs at half of the resolution computes these by different weights."""
        logits, target = self.make()
        logits.requires_grad_()
        SegmentationLoss("dice_bce", 1.0, self.HEAD)(logits, target).backward()
        counted = (logits.grad[:, 1:] != 0).all(dim=3).all(dim=1).all(dim=0).nonzero().flatten().tolist()
        assert {row % 2 for row in counted} == {0, 1}

    @pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
    def test_gradient_is_that_of_slices(self, kind, layout):
        logits, target = self.make()
        both = [logits.to(kind, memory_format=layout).clone().requires_grad_() for _ in range(2)]
        SegmentationLoss("bce", 1.0, self.HEAD)(both[0], target).backward()
        levels = self.HEAD.to_levels(target, first=1)[:, :, ::ROWS]
        foreground, rest = both[1][:, :1].float(), both[1][:, 1:, ::ROWS].float()
        weight = torch.ones_like(levels[:, :1])
        (bce(foreground, target[:, :1]) + 2 * dice_bce(rest, levels, weight, 1.0)).backward()
        torch.testing.assert_close(both[0].grad, both[1].grad)
        assert both[0].grad.dtype == kind
