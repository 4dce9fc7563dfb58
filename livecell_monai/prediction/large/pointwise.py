"""The bundle's preprocessing, as far as it changes every pixel by itself, on parts of an image.

MONAI's own transforms run on each part. What they look for in the whole image, its least and greatest value, is put behind
the pixels of every part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from monai.transforms import AdjustContrastd, MapTransform, ScaleIntensityd, ScaleIntensityRanged, ShiftIntensityd

from livecell_monai.prediction.prepared import without_metadata
from livecell_monai.sample import IMAGE, Pixels
from livecell_monai.transforms import IntensityScale, NormaliseContrastd

MONOTONE = (AdjustContrastd, ScaleIntensityd, ScaleIntensityRanged, ShiftIntensityd)
"""MONAI's transforms of a pixel by its value and the image's range; the ends of the range stay its ends."""

AT_ONCE = 2**16  # pixels that are changed at once: they stay in the cache


def is_pointwise(transform: MapTransform) -> bool:
    """Whether a transform needs no more of an image than a pixel, the range, and what was measured of the whole."""
    if isinstance(transform, AdjustContrastd):
        return not transform.adjuster.retain_stats  # by mean and standard deviation
    return isinstance(transform, (*MONOTONE, NormaliseContrastd))


@dataclass(frozen=True)
class PointwiseSteps:
    """Transforms of grey values, ready for any part of one image.

    Attributes:
        transforms: as in the bundle's preprocessing, each of which `is_pointwise`.
        low: least value of the whole image.
        high: greatest value.
        scales: what each `NormaliseContrastd` among the transforms has measured of the whole image.
    """

    transforms: Sequence[MapTransform]
    low: float
    high: float
    scales: Sequence[IntensityScale] = ()

    def __call__(self, pixels: Pixels) -> Pixels:
        """Grey values (Y, X) in the file's own type as float32."""
        changed: Pixels = np.empty(pixels.shape, np.float32)
        if pixels.dtype in (np.uint8, np.uint16):
            return np.take(self._table, pixels, out=changed, mode="clip")  # every index is inside
        rows = max(1, AT_ONCE // pixels.shape[1])
        for first in range(0, len(pixels), rows):
            part = slice(first, first + rows)
            changed[part] = self._change(pixels[part].astype(np.float32).ravel()).reshape(changed[part].shape)
        return changed

    @cached_property
    def _table(self) -> Pixels:
        """What becomes of each value that an image of unsigned integers of up to 16 bits may have."""
        table: Pixels = np.zeros(2**16, np.float32)
        values = np.arange(int(self.low), int(self.high) + 1)
        table[values] = self._change(values.astype(np.float32))
        return table

    def _change(self, values: Pixels) -> Pixels:
        """Grey values (N,) float32 after all transforms."""
        both = torch.from_numpy(np.concatenate([values, np.array([self.low, self.high], np.float32)]))[None]
        scales = iter(self.scales)
        for transform in self.transforms:
            if isinstance(transform, NormaliseContrastd):
                both = next(scales)(both) if transform.enabled else both
            else:
                both = without_metadata(transform({IMAGE: both})[IMAGE])
        changed: Pixels = both[0, :-2].numpy()
        return changed
