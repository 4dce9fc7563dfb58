"""A large image as the network sees it: the bundle's preprocessing, walked part by part."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, MapTransform

from livecell_monai.data.large import LargeImageSource, Survey, count_other_values
from livecell_monai.errors import SettingError
from livecell_monai.prediction.large.pointwise import PointwiseSteps, is_pointwise
from livecell_monai.sample import IMAGE, Region
from livecell_monai.transforms import CropRegiond, IntensityScale, NormaliseContrastd, PartialResize, ResizeToScaled
from livecell_monai.transforms.scale import working_shape

Facts = dict[str, Any]  #: what was measured of a whole image, plain values for a file in JSON
WITHOUT_EFFECT = (LoadImaged, EnsureChannelFirstd, CropRegiond)  # of a plane that is read by its source, as a whole


@dataclass(frozen=True)
class PartialSteps:
    """The bundle's preprocessing of an image, as it is done part by part.

    Attributes:
        pointwise: transforms of grey values, in their order.
        scale: of the `ResizeToScaled` behind them; 1.0 where there is none.
    """

    pointwise: Sequence[MapTransform]
    scale: float | Sequence[int] = 1.0


def check_preprocessing(preprocessing: Compose, path: Path) -> PartialSteps:
    """How the bundle's preprocessing is done part by part.

    Args:
        preprocessing: of the bundle.
        path: a large image, for the message.

    Raises:
        SettingError: one of its transforms cannot be done so.
    """
    pointwise: list[MapTransform] = []
    scale: float | Sequence[int] | None = None
    for transform in preprocessing.transforms:
        is_other = isinstance(transform, MapTransform) and IMAGE not in transform.keys
        if is_other or isinstance(transform, WITHOUT_EFFECT):
            continue
        if isinstance(transform, ResizeToScaled) and scale is None:
            scale = transform.scale
        elif isinstance(transform, MapTransform) and is_pointwise(transform) and scale is None:
            pointwise.append(transform)
        else:
            raise SettingError(
                f"{path}: preprocessing of a large image must be done part by part, which {type(transform).__name__} "
                "cannot be here; take it out of preprocessing, or raise tiling_min_megapixels"
            )
    return PartialSteps(pointwise, 1.0 if scale is None else scale)


def measure_large_image(source: LargeImageSource, survey: Survey, steps: PartialSteps) -> Facts:
    """What the preprocessing must know of a whole image: its range, and the scale of each `NormaliseContrastd`.

    Args:
        source: the image.
        survey: what one pass over it has found.
        steps: what is done to its parts.
    """
    scales: list[IntensityScale] = []
    for number, transform in enumerate(steps.pointwise):
        if not isinstance(transform, NormaliseContrastd):
            continue
        before = PointwiseSteps(steps.pointwise[:number], survey.low, survey.high, tuple(scales))

        def others(middle: float, before: PointwiseSteps = before) -> tuple[torch.Tensor, torch.Tensor]:
            values, counts = count_other_values(source, before, middle)
            return torch.from_numpy(values), torch.from_numpy(counts)

        some = torch.from_numpy(before(survey.sample)).flatten()
        scales.append(transform.normalise.measure(some, others))
    return {"low": survey.low, "high": survey.high, "scales": [asdict(scale) for scale in scales]}


class LargeImage:
    """An image that is read from its file part by part, each as it would be in the whole prepared image.

    Args:
        source: the open plane.
        steps: what is done to its parts.
        facts: what `measure_large_image` has found.
    """

    is_lazy = True

    def __init__(self, source: LargeImageSource, steps: PartialSteps, facts: Mapping[str, Any]) -> None:
        self.source = source
        self.path: Path = source.stack.path
        self.grid: tuple[int, int] = source.shape
        self.shape = working_shape(self.grid, self.grid, steps.scale)
        scales = tuple(IntensityScale(**scale) for scale in facts["scales"])
        self.pointwise = PointwiseSteps(steps.pointwise, facts["low"], facts["high"], scales)
        self.resize = PartialResize(self.grid, self.shape)

    def read(self, region: Region) -> torch.Tensor:
        """The part (1, y, x) float32 of a region at the working scale.

        Raises:
            DataError: it cannot be read or decoded.
        """
        part = torch.from_numpy(self.pointwise(self.source.read(self.resize.source(region))))
        return self.resize(part, region)[None]
