"""Keeping to the part of an image that a sample stands for."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from livecell_monai.sample import REGION


class CropRegiond(MapTransform):  # type: ignore[misc]
    """Crop each key (C, Y, X) to the region of its sample: [top, left, bottom, right] in pixels of the original grid.

    It stands before whatever mixes neighbouring pixels (resizing, augmentation), so that nothing outside of the region
    can reach the network. The result is a copy: the pixels outside are not even in memory.

    Args:
        keys: what to crop.
        allow_missing_keys: pass over a key that a sample lacks.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The sample with its keys cropped; unchanged where it names no region."""
        sample = dict(data)
        if sample.get(REGION) is None:
            return sample
        top, left, bottom, right = (int(edge) for edge in sample[REGION])
        for key in self.key_iterator(sample):
            # the spatial_shape in the metadata stays that of the whole image
            cropped: torch.Tensor = sample[key][..., top:bottom, left:right]
            sample[key] = cropped.clone()
        return sample
