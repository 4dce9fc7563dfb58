"""From the grid of an image to the size at which the network works, and back."""

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Resize
from torch.nn.functional import interpolate

from livecell_monai.data.readers import find_file
from livecell_monai.errors import SettingError
from livecell_monai.sample import IMAGE, OWN, REGION
from livecell_monai.settings import check_setting

GRID = "grid"  #: key of the (Y, X) of an image before resizing


def find_key(image: object) -> str:
    """The absolute path of the file or folder of an image or plane, however it was written: the key of `own_settings`."""
    return os.path.abspath(os.path.expanduser(find_file(str(image))))


def check_own_settings(own_settings: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> None:
    """Raise a SettingError if a path of `own_settings` is that of no item."""
    files = {find_key(item[IMAGE]) for item in items}
    for path in own_settings:
        if find_key(path) not in files:
            example = f", such as {min(files)}" if files else ""
            raise SettingError(
                f"setting own_settings must name images of this run{example}, got {find_key(path)}; correct or remove it"
            )


def working_shape(shape: Sequence[int], whole: Sequence[int], scale: float | Sequence[int]) -> tuple[int, int]:
    """(Y, X) at which the network sees an array of a shape, a part of a whole image.

    `scale` is a factor, or the (Y, X) of the resized whole image.
    """
    factors = [size / edge for size, edge in zip(scale, whole, strict=True)] if isinstance(scale, Sequence) else [scale] * 2
    height, width = (max(1, round(edge * factor)) for edge, factor in zip(shape, factors, strict=True))
    return height, width


class CropRegiond(MapTransform):  # type: ignore[misc]
    """Crop keys (C, Y, X) to the region of the sample, [top, left, bottom, right] in pixels; without one nothing changes.

    It comes before any transform that mixes neighbouring pixels, so that no pixel outside reaches the network.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The sample with its keys cropped, as copies that release the pixels outside."""
        sample = dict(data)
        if sample.get(REGION) is None:
            return sample
        top, left, bottom, right = (int(edge) for edge in sample[REGION])
        for key in self.key_iterator(sample):
            # the spatial_shape in the metadata stays that of the whole image
            sample[key] = sample[key][..., top:bottom, left:right].clone()
        return sample


class ResizeToScaled(MapTransform):  # type: ignore[misc]
    """Resize keys (C, Y, X), which may be regions of images of different sizes, by `working_shape`.

    The (Y, X) of the first key before the change is stored under `grid`, for `restore_grid`. `mode`, for each key or for
    all, is `bilinear` with anti-aliasing, `area` or `nearest`. `own_settings` has the settings of single files by path:
    they are stored under `own_settings`, and their `scale` comes before that of all images.
    """

    def __init__(
        self,
        keys: KeysCollection,
        scale: float | Sequence[int] = 1.0,
        mode: Sequence[str] | str = "bilinear",
        allow_missing_keys: bool = False,
        own_settings: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scale = check_setting("scale", scale)
        self.own = {find_key(path): own for path, own in check_setting("own_settings", own_settings or {}).items()}
        self.modes = [mode] * len(self.keys) if isinstance(mode, str) else list(mode)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The sample at the working size."""
        sample = dict(data)
        own = self.own_of(sample[self.keys[0]].meta.get("filename_or_obj", ""))
        if own:
            sample[OWN] = own
        scale = own.get("scale", self.scale)
        for key, mode in self.key_iterator(sample, self.modes):
            plane = sample[key]
            grid = tuple(plane.shape[-2:])
            target = working_shape(grid, [int(edge) for edge in plane.meta["spatial_shape"]], scale)
            if key == self.keys[0]:
                sample[GRID] = torch.tensor(grid)
            if target != grid:
                sample[key] = _resize(plane, target, mode)
        return sample

    def own_of(self, image: object) -> Mapping[str, float]:
        """The settings that an image has for itself, by its path or address."""
        return self.own.get(find_key(image), {}) if self.own else {}


def _resize(plane: torch.Tensor, target: tuple[int, int], mode: str) -> torch.Tensor:
    """MONAI's `Resize` (C, Y, X), with even anti-aliasing at the rim and the exact nearest pixel."""
    # torch's "nearest" takes the first of several pixels, which shifts labels by up to half a pixel
    mode = "nearest-exact" if mode == "nearest" else mode
    resize = Resize(target, mode=mode, anti_aliasing=mode == "bilinear")
    resized: torch.Tensor = resize(plane)
    if mode == "bilinear" and any(edge < old for edge, old in zip(target, plane.shape[-2:], strict=True)):
        # its Gaussian pads with zeros, which darkens edges by a tenth and corners by a fifth
        resized = resized / resize(torch.ones_like(plane[:1]))
    return resized


def restore_grid(planes: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Logits (C, Y, X) at the working size as (C, *grid) float32 on the grid of the image, bilinearly."""
    if tuple(planes.shape[-2:]) == grid:
        return planes
    return interpolate(planes[None].float(), grid, mode="bilinear")[0]
