"""Intensities on one scale for images with few and with many cells, robust to saturated and hot pixels."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from livecell_monai.settings import check_setting

MOST_PIXELS = 2**16  # measured on a regular grid, so that the cost does not grow with the image
CONTRAST = 3.0  #: of a normalised image; its standard deviation is then about 1

Counted = tuple[torch.Tensor, torch.Tensor]  #: values (N,) float32, and how many pixels have each of them


@dataclass(frozen=True)
class IntensityScale:
    """The scale that brings an image, or any part of it, to median 0 and contrast 3."""

    low: float  #: smaller values are set to it
    middle: float  #: the median, which becomes 0
    high: float  #: larger values are set to it
    contrast: float  #: distance from the median that becomes 3; an image without contrast becomes 0

    def __call__(self, part: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Scale float32 values of any shape; `out` takes the result, it may be the part itself."""
        if self.contrast > 1e-7 * abs(self.middle):
            return torch.clamp(part, self.low, self.high, out=out).sub_(self.middle).mul_(CONTRAST / self.contrast)
        return torch.zeros_like(part) if out is None else out.zero_()


def sample_step(pixels: int) -> int:
    """The step between measured rows, and between measured columns, of an image of so many pixels."""
    return max(1, math.ceil(math.sqrt(pixels / MOST_PIXELS)))


class NormaliseContrast(Transform):  # type: ignore[misc]
    """Bring the median to 0 and the contrast to 3.

    The contrast is the distance from the median beyond which pixels hold half of the sum of all squared distances. If the
    median is the background, it is the distance of the cells, however many there are; a standard deviation depends on
    their number. Values are first clipped to two percentiles. If so few pixels differ that the percentiles are equal,
    nothing is clipped. An image of one value becomes 0. Raises a SettingError if the percentiles break their rule.
    """

    def __init__(self, percentiles: Sequence[float] = (0.1, 99.9)) -> None:
        check_setting("percentiles", percentiles)
        self.quantiles = [percentiles[0] / 100, 0.5, percentiles[1] / 100]

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """The image (C, Y, X) as float32 of median 0 and contrast 3."""
        plain: torch.Tensor = (image.as_tensor() if isinstance(image, MetaTensor) else image).float()
        step = sample_step(plain.numel())

        def find_others(middle: float) -> Counted:
            values = plain[plain != middle].cpu()
            return values, torch.ones_like(values)

        normal = self.measure(plain[..., ::step, ::step].flatten().cpu(), find_others)(plain)
        return MetaTensor(normal, meta=image.meta) if isinstance(image, MetaTensor) else normal

    def measure(self, some: torch.Tensor, find_others: Callable[[float], Counted]) -> IntensityScale:
        """The scale of an image from `some` pixels (N,) float32, those of every `sample_step`th row and column.

        If the percentiles are equal, `find_others` gives all values that differ from the median.
        """
        low, middle, high = np.quantile(some.numpy(), self.quantiles).tolist()  # NumPy sorts ten times as fast as torch
        if low < high:
            return IntensityScale(low, middle, high, _measure_contrast(some.clamp(low, high) - middle))
        values, counts = find_others(middle)
        if values.numel() == 0:
            return IntensityScale(middle, middle, middle, 0.0)
        low, high = min(middle, float(values.min())), max(middle, float(values.max()))
        return IntensityScale(low, middle, high, _measure_contrast(values - middle, counts))


def _measure_contrast(differences: torch.Tensor, counts: torch.Tensor | None = None) -> float:
    """The size of the differences (N,), each of `counts` pixels, beyond which half of the sum of their squares lies."""
    sizes = np.abs(differences.numpy())
    if counts is None:
        sizes = np.sort(sizes).astype(np.float64)
        energy = np.square(sizes).cumsum()
    else:
        order = np.argsort(sizes)
        sizes = sizes[order].astype(np.float64)
        energy = (np.square(sizes) * counts.numpy()[order]).cumsum()
    return float(sizes[np.searchsorted(energy, energy[-1] / 2)])


class NormaliseContrastd(MapTransform):  # type: ignore[misc]
    """`NormaliseContrast` for keys (C, Y, X) of a sample; `enabled=False` leaves them as they are.

    `measure` and `apply` do the same for an image that is read part by part.
    """

    def __init__(self, keys: KeysCollection, percentiles: Sequence[float] = (0.1, 99.9), enabled: bool = True) -> None:
        super().__init__(keys)
        self.normalise = NormaliseContrast(percentiles)
        self.enabled = enabled

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The sample with its keys normalised."""
        sample = dict(data)
        if self.enabled:
            for key in self.key_iterator(sample):
                sample[key] = self.normalise(sample[key])
        return sample

    def measure(self, some: torch.Tensor, find_others: Callable[[float], Counted]) -> dict[str, Any]:
        """The scale of an image, for a JSON file; as `NormaliseContrast.measure`."""
        return asdict(self.normalise.measure(some, find_others))

    def apply(self, part: torch.Tensor, measured: Mapping[str, Any]) -> torch.Tensor:
        """Any part of a measured image, normalised."""
        return IntensityScale(**measured)(part) if self.enabled else part
