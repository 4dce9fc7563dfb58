"""Batches of the loader as inputs of network and loss."""

from collections.abc import Mapping
from typing import Any

import torch

from livecell_monai.sample import BORDER, IMAGE, LABEL


def prepare_batch(
    batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **kwargs: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image (B, 1, Y, X) and target (B, 1 or 2, Y, X): the label and, if there is one, the weight of each pixel.

    Args:
        batch: of the loader, with keys `image`, `label` and optionally `border`.
        device: of the returned tensors.
        non_blocking: whether the copy may overlap with computation.
        kwargs: further arguments of `torch.Tensor.to`.
    """
    parts = [batch[key] for key in (LABEL, BORDER) if key in batch]
    target = torch.cat([part.as_tensor() if hasattr(part, "as_tensor") else part for part in parts], dim=1)
    return (
        batch[IMAGE].to(device, non_blocking=non_blocking, **kwargs),
        target.to(device, non_blocking=non_blocking, **kwargs),
    )
