"""From a batch of the loader to what the engine feeds the network and the loss, and from its output to what is scored."""

from collections.abc import Mapping
from typing import Any

import torch

from livecell_monai.network.heads import Head
from livecell_monai.prediction.evaluation_step import note_labelled
from livecell_monai.prediction.prepared import without_metadata
from livecell_monai.sample import IMAGE, LABEL, PRED, TARGET, WEIGHT


def prepare_batch(
    batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **kwargs: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image (B, 1, Y, X) and target (B, C or C + 1, Y, X), with the weight per pixel behind it where there is one.

    Args:
        batch: what the loader gives, keys `image`, `target` and perhaps `weight`.
        device: where the tensors go.
        non_blocking: whether the copy may overlap with computing.
        kwargs: further arguments of `torch.Tensor.to`.
    """
    target = torch.cat([without_metadata(batch[key]) for key in (TARGET, WEIGHT) if key in batch], dim=1)
    return (
        batch[IMAGE].to(device, non_blocking=non_blocking, **kwargs),
        target.to(device, non_blocking=non_blocking, **kwargs),
    )


class ToMasks:
    """The trainer's output, logits and targets (B, C, Y, X), as masks and true masks (B, 1, Y, X) for its metrics.

    Args:
        head: of the network.
        threshold: least value of the foreground's map in the mask.
    """

    def __init__(self, head: Head, threshold: float) -> None:
        self.head, self.threshold = head, threshold

    def __call__(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """The output with masks under `pred`, true masks under `label`, and which pixels are `labelled` if not all are."""
        target = output[LABEL]
        masks = {
            PRED: self.head.to_mask(self.head.to_maps(output[PRED]), self.threshold).float(),
            LABEL: self.head.take_foreground(target),
        }
        weight = target[:, len(self.head) :]
        return {**output, **masks, **(note_labelled(weight) if weight.shape[1] else {})}
