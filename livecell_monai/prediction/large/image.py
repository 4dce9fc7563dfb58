"""A large image, to which the bundle's preprocessing is applied part by part.

MONAI's own transforms run on each part. The least and the greatest value of the whole image, which they may depend on, are
appended to the pixels of every part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import (
    AdjustContrastd,
    Compose,
    EnsureChannelFirstd,
    Identityd,
    LoadImaged,
    MapTransform,
    ScaleIntensityd,
    ScaleIntensityRanged,
    ShiftIntensityd,
)

from livecell_monai.data.large import LargeImageSource, Survey, count_other_values, survey_source
from livecell_monai.errors import SettingError
from livecell_monai.outputs.large.pyramid import list_level_shapes
from livecell_monai.prediction.prepared import without_metadata
from livecell_monai.sample import IMAGE, Pixels, Region
from livecell_monai.transforms import CropRegiond, DescribedStepsd, NormaliseContrastd, PartialResize, ResizeToScaled
from livecell_monai.transforms.intensity import sample_step
from livecell_monai.transforms.scale import working_shape

WITHOUT_EFFECT = (LoadImaged, EnsureChannelFirstd, CropRegiond, Identityd)  # on a whole plane that `LargeImageSource` reads
#: transforms of a pixel by its value and the range of the image; they keep the order of values
MONOTONE = (AdjustContrastd, ScaleIntensityd, ScaleIntensityRanged, ShiftIntensityd)
#: transforms of a pixel by its value and by what they `measure` on a whole image; they `apply` it to any part
MEASURED = (NormaliseContrastd, DescribedStepsd)
PICTURE = 2048  #: px, the longest edge of a large image's overlay
AT_ONCE = 2**16  # pixels that are transformed at once, so that they stay in the CPU cache


@dataclass(frozen=True)
class PartialSteps:
    """The bundle's preprocessing of an image in a form that works part by part."""

    pointwise: Sequence[MapTransform]  #: transforms of grey values, in order
    scale: float | Sequence[int] = 1.0  #: of the `ResizeToScaled` after them
    own: Mapping[str, float] = field(default_factory=dict)  #: the values of settings that the image has for itself


def check_preprocessing(preprocessing: Compose, path: Path) -> PartialSteps:
    """The bundle's preprocessing of an image as steps that work part by part.

    Raises a SettingError, which names the path of the image, if one does not.
    """
    pointwise: list[MapTransform] = []
    resize: ResizeToScaled | None = None
    for transform in preprocessing.transforms:
        is_other = isinstance(transform, MapTransform) and IMAGE not in transform.keys
        if is_other or isinstance(transform, WITHOUT_EFFECT):
            continue
        if isinstance(transform, ResizeToScaled) and resize is None:
            resize = transform
        elif _is_pointwise(transform) and resize is None:
            pointwise.append(transform)
        else:
            raise SettingError(
                f"{path}: preprocessing of a large image must work part by part, {type(transform).__name__} does not here; "
                "remove it from preprocessing, or raise tiling_min_megapixels"
            )
    if resize is None:
        return PartialSteps(pointwise)
    own = resize.own_of(path)
    return PartialSteps(pointwise, own.get("scale", resize.scale), own)


def picture_level(shape: tuple[int, int]) -> int:
    """The first level of a pyramid of an image (Y, X) that is small enough for a picture."""
    return next(level for level, edges in enumerate(list_level_shapes(shape)) if max(edges) <= PICTURE)


def survey_large_image(source: LargeImageSource) -> Survey:
    """One pass over an image: its range, a sample for `measure_large_image`, and a thumbnail of its picture's level."""
    return survey_source(source, sample_step(source.shape[0] * source.shape[1]), 2 ** picture_level(source.shape))


def measure_large_image(source: LargeImageSource, survey: Survey, steps: PartialSteps) -> dict[str, Any]:
    """What preprocessing needs of a whole image, for a JSON file: its range, and what is measured by each of `MEASURED`."""
    scales: list[dict[str, Any]] = []
    for number, transform in enumerate(steps.pointwise):
        if not isinstance(transform, MEASURED):
            continue
        before = PointwiseTransforms(steps.pointwise[:number], survey.low, survey.high, tuple(scales))

        def others(middle: float, before: PointwiseTransforms = before) -> tuple[torch.Tensor, torch.Tensor]:
            values, counts = count_other_values(source, before, middle)
            return torch.from_numpy(values), torch.from_numpy(counts)

        some = torch.from_numpy(before(survey.sample)).flatten()
        if isinstance(transform, DescribedStepsd):  # measures the least and the greatest value too
            ends = np.array([[survey.low, survey.high]]).astype(survey.sample.dtype)
            some = torch.cat([some, torch.from_numpy(before(ends)).flatten()])
        scales.append(transform.measure(some, others))
    return {"low": survey.low, "high": survey.high, "scales": scales}


class LargeImage:
    """An image read from its file part by part, with the values of the whole preprocessed one; see `measure_large_image`."""

    is_lazy = True

    def __init__(self, source: LargeImageSource, steps: PartialSteps, facts: Mapping[str, Any]) -> None:
        self.source = source
        self.path: Path = source.stack.path
        self.grid: tuple[int, int] = source.shape
        self.shape = working_shape(self.grid, self.grid, steps.scale)
        self.pointwise = PointwiseTransforms(steps.pointwise, facts["low"], facts["high"], tuple(facts["scales"]))
        self.resize = PartialResize(self.grid, self.shape)

    def read(self, region: Region) -> torch.Tensor:
        """The part (1, y, x) float32 of a region at the working scale; a DataError if it cannot be read or decoded."""
        part = torch.from_numpy(self.pointwise(self.source.read(self.resize.source(region))))
        return self.resize(part, region)[None]


@dataclass(frozen=True)
class PointwiseTransforms:
    """Transforms of grey values for any part of one image."""

    transforms: Sequence[MapTransform]
    low: float  #: least value of the whole image
    high: float  #: greatest value of the whole image
    scales: Sequence[dict[str, Any]] = ()  #: what each of `MEASURED` has measured on the whole image

    def __call__(self, pixels: Pixels) -> Pixels:
        """Grey values (Y, X) of the file's own type, transformed, as float32."""
        changed: Pixels = np.empty(pixels.shape, np.float32)
        if pixels.dtype in (np.uint8, np.uint16):
            return np.take(self._table, pixels, out=changed, mode="clip")  # faster than a check: every index is inside
        rows = max(1, AT_ONCE // pixels.shape[1])
        for first in range(0, len(pixels), rows):
            part = slice(first, first + rows)
            changed[part] = self._change(pixels[part].astype(np.float32).ravel()).reshape(changed[part].shape)
        return changed

    @cached_property
    def _table(self) -> Pixels:
        """The result for each value of an image of 8 or 16 bits."""
        table: Pixels = np.zeros(2**16, np.float32)
        values = np.arange(int(self.low), int(self.high) + 1)
        table[values] = self._change(values.astype(np.float32))
        return table

    def _change(self, values: Pixels) -> Pixels:
        """Grey values (N,) float32 after all transforms."""
        both = torch.from_numpy(np.concatenate([values, np.array([self.low, self.high], np.float32)]))[None]
        scales = iter(self.scales)
        for transform in self.transforms:
            if isinstance(transform, MEASURED):
                both = transform.apply(both, next(scales))
            else:
                both = without_metadata(transform({IMAGE: both})[IMAGE])
        changed: Pixels = both[0, :-2].numpy()
        return changed


def _is_pointwise(transform: Any) -> bool:
    """Whether a transform needs only a pixel, the range of the image, and a scale measured on the whole image."""
    if isinstance(transform, AdjustContrastd):
        return not transform.adjuster.retain_stats  # mean and standard deviation
    return isinstance(transform, (*MONOTONE, *MEASURED))
