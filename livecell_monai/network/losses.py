"""The losses: weighted binary cross-entropy, with Dice, or focal."""

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

    Raises:
        SettingError: where the kind is unknown or the weight not positive.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017; Milletari et al., "V-Net", 3DV 2016.
    """

    def __init__(self, kind: str = "bce", pos_weight: float = 1.0) -> None:
        super().__init__()
        check_values({"loss": kind, "pos_weight": pos_weight})
        self.kind = kind
        self.pos_weight = float(pos_weight)
        self.dice = DiceLoss(batch=True) if kind == "dice_bce" else None
        self.focal = FocalLoss(gamma=2.0, reduction="none") if kind == "focal" else None

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The mean loss, a scalar.

        Args:
            logits: (B, C, Y, X).
            target: (B, C, Y, X) in [0, 1], or (B, C + 1, Y, X) with a weight per pixel behind it.
        """
        channels = logits.shape[1]
        logits, label = logits.float(), target[:, :channels].float()
        weight = target[:, channels:].float() if target.shape[1] > channels else torch.ones_like(label[:, :1])
        if self.focal is not None:
            per_pixel: torch.Tensor = self.focal(logits, label) * (1 + (self.pos_weight - 1) * label)
            return (per_pixel * weight).mean()
        factor = torch.tensor(self.pos_weight, device=logits.device)
        loss = binary_cross_entropy_with_logits(logits, label, weight=weight, pos_weight=factor)
        if self.dice is None:
            return loss
        counts = (weight > 0).to(label)
        overlap: torch.Tensor = self.dice(logits.sigmoid() * counts, label * counts)
        return loss + overlap
