"""The losses: weighted binary cross-entropy, with Dice, or focal."""

from collections.abc import Callable

import torch
from monai.losses import DiceLoss, FocalLoss
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from livecell_monai.settings import check_values


class SegmentationLoss(nn.Module):
    """Loss of logits against a label, with a weight for the positive class and, where given, one per pixel.

    Args:
        kind: `bce`, binary cross-entropy; `dice_bce`, the sum of it and the Dice loss of the batch, which leaves out the
            pixels of weight 0; `focal`, the focal loss with gamma 2.
        pos_weight: factor on the loss of foreground pixels, > 0; 1 leaves the classes as they are.
        total: gives the sums of all processes for those of this one, with their gradients, where several share a batch: the
            Dice loss is one fraction over the whole batch, and the mean of the parts' fractions another. The others are
            means over pixels, which equal parts average to by themselves. None where a batch is whole.

    Raises:
        SettingError: where the kind is unknown or the weight not positive.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017; Milletari et al., "V-Net", 3DV 2016.
    """

    def __init__(
        self,
        kind: str = "bce",
        pos_weight: float = 1.0,
        total: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        check_values({"loss": kind, "pos_weight": pos_weight})
        self.kind = kind
        self.pos_weight = float(pos_weight)
        self.total = total
        self.dice = DiceLoss(batch=True) if kind == "dice_bce" else None
        self.focal = FocalLoss(gamma=2.0, reduction="none") if kind == "focal" else None

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The mean loss, a scalar.

        Args:
            logits: (B, 1, Y, X).
            target: (B, 1, Y, X) label of 0 and 1, or (B, 2, Y, X) with a weight per pixel behind it.
        """
        logits, label = logits.float(), target[:, :1].float()
        weight = target[:, 1:2].float() if target.shape[1] > 1 else torch.ones_like(label)
        if self.focal is not None:
            per_pixel: torch.Tensor = self.focal(logits, label) * (1 + (self.pos_weight - 1) * label)
            return (per_pixel * weight).mean()
        factor = torch.tensor(self.pos_weight, device=logits.device)
        loss = binary_cross_entropy_with_logits(logits, label, weight=weight, pos_weight=factor)
        if self.dice is None:
            return loss
        counts = (weight > 0).to(label)
        overlap: torch.Tensor = self._dice(self.dice, logits.sigmoid() * counts, label * counts)
        return loss + overlap

    def _dice(self, whole: DiceLoss, probability: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        if self.total is None:
            loss: torch.Tensor = whole(probability, label)
        else:
            common, said, true = self.total(torch.stack([(probability * label).sum(), probability.sum(), label.sum()]))
            loss = 1 - (2 * common + whole.smooth_nr) / (said + true + whole.smooth_dr)
        return loss
