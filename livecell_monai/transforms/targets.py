"""From labels of instance ids to training targets."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform

from livecell_monai.sample import LABEL, TARGET


class DeriveTargetd(MapTransform):  # type: ignore[misc]
    """Add the target (C, Y, X) of a label (1, Y, X) by the network's head; the label keeps its instance ids."""

    def __init__(self, head: Any) -> None:
        super().__init__(LABEL, allow_missing_keys=True)
        self.head = head

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The sample with its target; unchanged without a label."""
        sample = dict(data)
        if LABEL in sample:
            label = sample[LABEL]
            is_meta = isinstance(label, MetaTensor)
            target: torch.Tensor = self.head.derive_target(label.as_tensor() if is_meta else label)
            sample[TARGET] = MetaTensor(target, meta=label.meta) if is_meta else target
        return sample
