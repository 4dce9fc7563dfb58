"""The losses: weighted binary cross-entropy, with Dice, or focal.

A loss is a function of logits (B, C, Y, X), target (B, C, Y, X) in [0, 1], weight (B, 1 or C, Y, X) and `pos_weight`, the
factor on foreground pixels; it returns a scalar. Pixels of weight 0 must not count. To add a loss, list it in `BUILT_IN`, or
register it from another package under the entry-point group `livecell_monai.losses`.

Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017; Milletari et al., "V-Net", 3DV 2016.
"""

from collections.abc import Callable

import torch
from monai.losses import DiceLoss, FocalLoss
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from livecell_monai.network.heads import Head
from livecell_monai.plugins import load_plugins
from livecell_monai.settings import check_values

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]


def bce(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None, pos_weight: float = 1.0
) -> torch.Tensor:
    """Binary cross-entropy."""
    factor = None if pos_weight == 1 else torch.tensor(pos_weight, device=logits.device)  # a factor takes half as long again
    return binary_cross_entropy_with_logits(logits, target, weight=weight, pos_weight=factor)


def dice_bce(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, pos_weight: float) -> torch.Tensor:
    """Binary cross-entropy and the Dice loss of the whole batch."""
    counts = (weight > 0).to(target)
    overlap: torch.Tensor = DiceLoss(batch=True)(logits.sigmoid() * counts, target * counts)
    return bce(logits, target, weight, pos_weight) + overlap


def focal(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, pos_weight: float) -> torch.Tensor:
    """Focal loss with gamma 2."""
    per_pixel: torch.Tensor = FocalLoss(gamma=2.0, reduction="none")(logits, target) * (1 + (pos_weight - 1) * target)
    return (per_pixel * weight).mean()


BUILT_IN: dict[str, Loss] = {"bce": bce, "dice_bce": dice_bce, "focal": focal}


class SegmentationLoss(nn.Module):
    """A loss by name, for MONAI's engines; a SettingError if the name is unknown or the weight not positive.

    The other maps of a head have cross-entropy and Dice whatever the name, `REST` times as much as the foreground.
    """

    REST = 2.0

    def __init__(self, kind: str = "bce", pos_weight: float = 1.0, head: Head | None = None) -> None:
        super().__init__()
        check_values({"loss": kind, "pos_weight": pos_weight})
        self.kind, self.pos_weight, self.head = kind, float(pos_weight), head or Head()
        self.loss: Loss = {**load_plugins("losses"), **BUILT_IN}[kind]

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The mean loss of logits (B, outputs, Y, X); the target is (B, C, Y, X), or (B, C + 1, Y, X) with the weight.

        A pixel whose target is below 0 does not count in the terms of this map, as if it was not there: the mean is over the
        others. Without any, the terms are 0.
        """
        maps = len(self.head)
        label = target[:, :maps].float()
        has_weight = target.shape[1] > maps
        weight = target[:, maps:].float() if has_weight else torch.ones_like(label[:, :1])
        logits = logits.to(torch.float32, memory_format=torch.contiguous_format)  # a map by itself is read faster
        foreground, rest = torch.split(logits, [1, logits.shape[1] - 1], dim=1)
        loss = self.loss(foreground, label[:, :1].clamp(min=0), _leave_out(weight, label[:, :1]), self.pos_weight)
        if maps == 1:
            return loss
        levels = self.head.to_levels(label, first=1)
        if not has_weight and bool(label[:, 1:].min() >= 0):
            overlap: torch.Tensor = DiceLoss(batch=True)(rest.sigmoid(), levels)  # without the work for weights
            return loss + self.REST * (bce(rest, levels) + overlap)
        known = self.head.repeat_levels(label, first=1)
        return loss + self.REST * dice_bce(rest, levels, _leave_out(weight, known), 1.0)


def _leave_out(weight: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The weight (B, C, Y, X), 0 where the target is below 0, and so much more elsewhere that a mean is over the rest."""
    known = (target >= 0).to(weight)
    return weight * known * (known.numel() / known.sum().clamp(min=1))
