"""Grey values that mean the same in every image, whatever a few saturated or hot pixels say."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from livecell_monai.errors import SettingError

MOST_PIXELS = 2**16  # looked at for the percentiles, on a regular grid: the cost does not grow with the image


class StandardiseRobust(Transform):  # type: ignore[misc]
    """Clip to two percentiles, then bring the mean to 0 and the standard deviation to 1.

    A pixel beyond the percentiles counts as much as one on them, however bright it is. An image of one value becomes 0.

    Args:
        percentiles: lower and upper one, in [0, 100]; `[0, 100]` clips nothing.

    Raises:
        SettingError: where they are not two rising numbers in [0, 100].
    """

    def __init__(self, percentiles: Sequence[float] = (0.1, 99.9)) -> None:
        are_two = isinstance(percentiles, Sequence) and len(percentiles) == 2
        are_two = are_two and all(isinstance(share, int | float) for share in percentiles)
        if not are_two or not 0 <= percentiles[0] < percentiles[1] <= 100:
            raise SettingError(
                f"setting percentiles must be two rising numbers in [0, 100], got {percentiles!r}; correct it"
            )
        self.shares = torch.tensor([float(share) / 100 for share in percentiles], dtype=torch.float32)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """The image (C, Y, X) as float32 of mean 0 and standard deviation 1."""
        plain: torch.Tensor = (image.as_tensor() if isinstance(image, MetaTensor) else image).float()
        step = max(1, math.ceil((plain.numel() / MOST_PIXELS) ** 0.5))
        low, high = torch.quantile(plain[..., ::step, ::step].flatten(), self.shares.to(plain.device))
        clipped = plain.clamp(low, high)
        deviation, mean = torch.std_mean(clipped, correction=0)
        standard = (clipped - mean).div_(deviation) if deviation > 1e-7 * (1 + mean.abs()) else torch.zeros_like(clipped)
        return MetaTensor(standard, meta=image.meta) if isinstance(image, MetaTensor) else standard


class StandardiseRobustd(MapTransform):  # type: ignore[misc]
    """`StandardiseRobust` for the keys (C, Y, X) of a sample.

    Args:
        keys: what to change.
        percentiles: as for the array transform.
        enabled: False leaves the values as they are.
    """

    def __init__(self, keys: KeysCollection, percentiles: Sequence[float] = (0.1, 99.9), enabled: bool = True) -> None:
        super().__init__(keys)
        self.standardise = StandardiseRobust(percentiles)
        self.enabled = enabled

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The sample with its keys standardised."""
        sample = dict(data)
        if self.enabled:
            for key in self.key_iterator(sample):
                sample[key] = self.standardise(sample[key])
        return sample
