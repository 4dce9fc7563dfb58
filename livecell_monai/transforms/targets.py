"""From labels of instance ids to what the network learns from them."""

from collections.abc import Hashable, Mapping
from typing import Any, Protocol

import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform

from livecell_monai.sample import LABEL, TARGET


class TargetSource(Protocol):
    """What knows the targets of a label: the network's head."""

    def derive_target(self, label: torch.Tensor) -> torch.Tensor:
        """The target (C, Y, X) of a label (1, Y, X) of instance ids."""


class DeriveTargetd(MapTransform):  # type: ignore[misc]
    """Add the target (C, Y, X) of a sample's label (1, Y, X) under `target`; the label keeps its instance ids.

    Args:
        head: the network's head.
    """

    def __init__(self, head: TargetSource) -> None:
        super().__init__(LABEL, allow_missing_keys=True)
        self.head = head

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The sample with its target; as it is where there is no label."""
        sample = dict(data)
        if LABEL not in sample:
            return sample
        label = sample[LABEL]
        is_meta = isinstance(label, MetaTensor)
        target = self.head.derive_target(label.as_tensor() if is_meta else label)
        sample[TARGET] = MetaTensor(target, meta=label.meta) if is_meta else target
        return sample
