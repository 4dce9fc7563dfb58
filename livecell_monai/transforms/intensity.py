"""Grey values that mean the same in images with few and with many cells, whatever a few saturated or hot pixels say."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from livecell_monai.settings import check_setting

MOST_PIXELS = 2**16  # looked at to find the scale, on a regular grid: the cost does not grow with the image
CONTRAST = 3.0  #: what an image's contrast is brought to; its standard deviation is then about 1


Counted = tuple[torch.Tensor, torch.Tensor]  #: values (N,) float32, and how many pixels have each of them


@dataclass(frozen=True)
class IntensityScale:
    """What brings an image to median 0 and contrast 3, or any part of it: measured once, the same for every pixel.

    Attributes:
        low: values below are set to it; so are those above `high`.
        middle: the median, which becomes 0.
        high: the greatest value that is kept.
        contrast: distance from the median that becomes 3; where there is as good as none, all becomes 0.
    """

    low: float
    middle: float
    high: float
    contrast: float

    def __call__(self, part: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Grey values of any shape, float32, as float32 of median 0 and contrast 3.

        Args:
            part: the grey values.
            out: where the result goes, of the same shape, or the part itself; None for a new tensor.
        """
        if self.contrast > 1e-7 * abs(self.middle):
            return torch.clamp(part, self.low, self.high, out=out).sub_(self.middle).mul_(CONTRAST / self.contrast)
        return torch.zeros_like(part) if out is None else out.zero_()


def sample_step(pixels: int) -> int:
    """Every how manieth row and column of an image of so many pixels is looked at to find its scale."""
    return max(1, math.ceil(math.sqrt(pixels / MOST_PIXELS)))


class NormaliseContrast(Transform):  # type: ignore[misc]
    """Bring the median to 0 and the contrast, by how much what is seen in an image differs from the median, to 3.

    The contrast is the distance from the median that halves the image's energy: pixels that lie farther from it hold half
    of the sum of all squared distances. Where the median is the background, that is the distance of the cells, be there
    three of them or three hundred; a mean and a standard deviation hang on their number. (Where cells cover more than half
    of an image, the median is theirs.) Values are clipped to two percentiles first: a pixel beyond counts as much as one on
    them. An image of one value becomes 0; where so few pixels differ from the others that nothing is left between the
    percentiles, nothing is clipped.

    Args:
        percentiles: lower and upper one, in [0, 100]; `[0, 100]` clips nothing.

    Raises:
        SettingError: where they are not two rising numbers in [0, 100].
    """

    def __init__(self, percentiles: Sequence[float] = (0.1, 99.9)) -> None:
        check_setting("percentiles", percentiles)
        self.shares = [percentiles[0] / 100, 0.5, percentiles[1] / 100]

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """The image (C, Y, X) as float32 of median 0 and contrast 3."""
        plain: torch.Tensor = (image.as_tensor() if isinstance(image, MetaTensor) else image).float()
        step = sample_step(plain.numel())

        def others(middle: float) -> Counted:
            values = plain[plain != middle].cpu()
            return values, torch.ones_like(values)

        normal = self.measure(plain[..., ::step, ::step].flatten().cpu(), others)(plain)
        return MetaTensor(normal, meta=image.meta) if isinstance(image, MetaTensor) else normal

    def measure(self, some: torch.Tensor, others: Callable[[float], Counted]) -> IntensityScale:
        """The scale of an image of which no more is in memory than this.

        Args:
            some: (N,) float32, the pixels of every `sample_step`th row and column.
            others: the values that differ from a given one, asked for where hardly any do.
        """
        low, middle, high = np.quantile(some.numpy(), self.shares).tolist()  # NumPy sorts ten times as fast as torch
        if low < high:
            return IntensityScale(low, middle, high, _measure_contrast(some.clamp(low, high) - middle))
        values, counts = others(middle)  # the few that differ: the rest adds nothing to the energy
        if values.numel() == 0:
            return IntensityScale(middle, middle, middle, 0.0)
        low, high = min(middle, float(values.min())), max(middle, float(values.max()))
        return IntensityScale(low, middle, high, _measure_contrast(values - middle, counts))


def _measure_contrast(differences: torch.Tensor, counts: torch.Tensor | None = None) -> float:
    """The size, of differences (N,), beyond which lies half of the sum of their squares; 0 for none.

    Args:
        differences: (N,), of any size.
        counts: (N,), how many pixels have each of them; None for one.
    """
    if differences.numel() == 0:
        return 0.0
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
    """`NormaliseContrast` for the keys (C, Y, X) of a sample.

    Args:
        keys: what to change.
        percentiles: as for the array transform.
        enabled: False leaves the values as they are.
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
