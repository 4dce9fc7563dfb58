"""The losses: weighted binary cross-entropy, with Dice, or focal.

A loss is a function of logits (B, C, Y, X), target (B, C, Y, X) in [0, 1], weight (B, 1 or C, Y, X) and `pos_weight`, the
factor on foreground pixels; it returns a scalar. Pixels of weight 0 must not count. To add a loss, list it in `BUILT_IN`, or
register it from another package under the entry-point group `livecell_monai.losses`.

Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017; Milletari et al., "V-Net", 3DV 2016.
"""

from collections.abc import Callable
from typing import Any

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

    The other maps of a head have cross-entropy and Dice whatever the name, `REST` times as much as the foreground. They are
    smooth, so one row in `ROWS` is enough, and takes less time. The number is odd, so that even and odd rows take turns: the
    network computes these by different weights.
    """

    REST = 2.0
    ROWS = 9

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
        maps, rows = len(self.head), slice(None, None, self.ROWS)
        has_weight = target.shape[1] > maps
        label = target[:, :1].float()
        weight = target[:, maps:].float() if has_weight else torch.ones_like(label)
        foreground, rest = _Parts.apply(logits, self.ROWS)  # type: ignore[no-untyped-call]
        loss = self.loss(foreground, label.clamp(min=0), _leave_out(weight, label), self.pos_weight)
        if maps == 1:
            return loss
        label, weight = target[:, :maps, rows].float(), weight[:, :, rows]
        levels = self.head.to_levels(label, first=1)
        if bool(label[:, 1:].min() < 0):
            weight = _leave_out(weight, self.head.repeat_levels(label, first=1))
        elif not has_weight:
            overlap: torch.Tensor = DiceLoss(batch=True)(rest.sigmoid(), levels)  # without the work for weights
            return loss + self.REST * (bce(rest, levels) + overlap)
        return loss + self.REST * dice_bce(rest, levels, weight, 1.0)


class _Parts(torch.autograd.Function):
    """The foreground of logits (B, outputs, Y, X), and every so many rows of the others, in float32.

    Each map is by itself in memory, which is read faster. Two slices would compute the same, but each of their gradients
    would be a full copy of the logits.
    """

    @staticmethod
    def forward(context: Any, logits: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        context.rows = rows
        context.save_for_backward(logits)
        layout = torch.contiguous_format
        foreground, rest = logits[:, :1], logits[:, 1:, ::rows]
        return foreground.to(torch.float32, memory_format=layout), rest.to(torch.float32, memory_format=layout)

    @staticmethod
    def backward(context: Any, foreground: torch.Tensor, rest: torch.Tensor) -> tuple[torch.Tensor, None]:
        (logits,) = context.saved_tensors
        gradient = torch.zeros_like(logits)
        gradient[:, :1] = foreground
        gradient[:, 1:, :: context.rows] = rest
        return gradient, None


def _leave_out(weight: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The weight (B, C, Y, X), 0 where the target is below 0, and so much more elsewhere that a mean is over the rest."""
    known = (target >= 0).to(weight)
    return weight * known * (known.numel() / known.sum().clamp(min=1))
