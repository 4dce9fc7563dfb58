"""From the image's own grid to the size that the network works at, and back."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Resize
from torch.nn.functional import interpolate

from livecell_monai.settings import check_setting

GRID = "grid"  #: key of the (Y, X) that an image had before it was resized


def working_shape(shape: Sequence[int], whole: Sequence[int], scale: float | Sequence[int]) -> tuple[int, int]:
    """(Y, X) at which the network sees an image, or the part of one.

    Args:
        shape: (Y, X) of the array at hand.
        whole: (Y, X) of the whole image that it is part of.
        scale: a factor on the image's own size, or the (Y, X) that a whole image is brought to.
    """
    sizes = list(scale) if isinstance(scale, Sequence) else [scale, scale]
    is_size = isinstance(scale, Sequence)
    factors = [size / edge for size, edge in zip(sizes, whole, strict=True)] if is_size else sizes
    height, width = (max(1, round(edge * factor)) for edge, factor in zip(shape, factors, strict=True))
    return height, width


class ResizeToScaled(MapTransform):  # type: ignore[misc]
    """MONAI's `Resize` to a size that follows from the image: images differ in size, and a region is a part of one.

    The image is interpolated, with anti-aliasing where it shrinks; modes for labels and borders are given by key. The
    image's (Y, X) before the change are left under `grid` for `restore_grid`.

    Args:
        keys: what to resize, (C, Y, X); the first one gives the grid.
        scale: a factor on the image's own size, or the [Y, X] that a whole image is brought to.
        mode: interpolation for each key, `bilinear`, `area` or `nearest`.
        allow_missing_keys: skip a key that a sample lacks.
    """

    def __init__(
        self,
        keys: KeysCollection,
        scale: float | Sequence[int] = 1.0,
        mode: Sequence[str] | str = "bilinear",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scale = check_setting("scale", scale)
        self.modes = [mode] * len(self.keys) if isinstance(mode, str) else list(mode)
        working_shape((1, 1), (1, 1), scale)  # refuse a bad value before any image is read

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The sample at the working size."""
        sample = dict(data)
        for key, mode in self.key_iterator(sample, self.modes):
            plane = sample[key]
            grid = tuple(plane.shape[-2:])
            whole = tuple(int(edge) for edge in plane.meta["spatial_shape"])
            target = working_shape(grid, whole, self.scale)
            if key == self.keys[0]:
                sample[GRID] = torch.tensor(grid)
            if target != grid:
                sample[key] = _resize(plane, target, mode)
        return sample


def _resize(plane: torch.Tensor, target: tuple[int, int], mode: str) -> torch.Tensor:
    """MONAI's `Resize` (C, Y, X), with anti-aliasing that is even to the rim and a nearest pixel that is the nearest."""
    # torch's plain "nearest" takes the first pixel of those that one stands for: labels would lie up to half a pixel off
    mode = "nearest-exact" if mode == "nearest" else mode
    resize = Resize(target, mode=mode, anti_aliasing=mode == "bilinear")
    resized: torch.Tensor = resize(plane)
    if mode == "bilinear" and any(edge < old for edge, old in zip(target, plane.shape[-2:], strict=True)):
        # its Gaussian takes zeros for what lies beyond the rim, which would darken edges by a tenth and corners by a fifth
        resized = resized / resize(torch.ones_like(plane[:1]))
    return resized


def restore_grid(planes: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Planes (C, Y, X) at the working scale as (C, *grid) float32 on the grid that the image had, bilinearly.

    Args:
        planes: logits, so that the threshold is applied on the original grid.
        grid: (Y, X) of the image itself.
    """
    if tuple(planes.shape[-2:]) == grid:
        return planes
    return interpolate(planes[None].float(), grid, mode="bilinear")[0]
