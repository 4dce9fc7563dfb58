"""A bundle as one graph of tensor operations: grey values in, maps out, of any height and width.

Everything that the bundle does between file and mask is inside, so that another program needs only this graph: grey values
are normalised, the image is brought to the working scale and padded, and the maps come back on the image's own grid. It is
the same arithmetic as `preprocessing` of the bundle, in operations that ONNX has.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from livecell_monai.network import Head
from livecell_monai.transforms.intensity import CONTRAST, MOST_PIXELS

TRUNCATED = 4.0  # MONAI's Gaussian ends at so many standard deviations


class Prepare(nn.Module):
    """Grey values (B, 1, Y, X) float32 to what the network sees: normalised, at the working scale, padded to a multiple.

    Args:
        percentiles: see `NormaliseContrast`; None to bring the image to [0, 1] only.
        scale: factor on Y and X.
        multiple: the result's Y and X are multiples of this.
    """

    def __init__(self, percentiles: Sequence[float] | None, scale: float, multiple: int) -> None:
        super().__init__()
        self.percentiles, self.scale, self.multiple = percentiles, scale, multiple
        self.tail = int(max((1 / scale - 1) / 2 * TRUNCATED, 0.5) + 0.5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The image (B, 1, y, x) float32."""
        grey = _to_unit(image)
        if self.percentiles is not None:
            grey = _normalise(grey, self.percentiles)
        if self.scale != 1:
            grey = self._resize(grey)
        return _pad(grey, self.multiple)

    def _resize(self, image: torch.Tensor) -> torch.Tensor:
        """The image at the working scale; where it shrinks, smoothed first as by MONAI, with nothing beyond its border."""
        size = _working_size(image, self.scale)
        if self.scale > 1:
            return functional.interpolate(image, size, mode="bilinear")
        weights = image.new_ones(1, 1, 1, 1)
        for axis in (2, 3):
            edge = _edges(image)[axis - 2]
            kernel = _gaussian((edge.double() / size[axis - 2] - 1).clamp(min=0).float() / 2, self.tail)
            image = _smooth(image, kernel, axis)
            ones = _smooth(torch.ones_like(image[:1, :, :, :1] if axis == 2 else image[:1, :, :1]), kernel, axis)
            wanted: list[Any] = [size[0], 1] if axis == 2 else [1, size[1]]
            weights = weights * functional.interpolate(ones, wanted, mode="bilinear")
        return functional.interpolate(image, size, mode="bilinear") / weights


class Finish(nn.Module):
    """Logits of the padded image to maps (B, C, Y, X) float32 in [0, 1] on the grid of the image, a channel for each map."""

    def __init__(self, head: Head, scale: float) -> None:
        super().__init__()
        self.head, self.scale = head, scale

    def forward(self, logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """The maps; the image (B, 1, Y, X) gives the grid."""
        height, width = _working_size(image, self.scale) if self.scale != 1 else (image.shape[-2], image.shape[-1])
        inside = logits[..., :height, :width]
        if self.scale != 1:
            inside = functional.interpolate(inside, (image.shape[-2], image.shape[-1]), mode="bilinear")
        return self.head.to_maps(inside)


class Graph(nn.Module):
    """Grey values (B, 1, Y, X) float32 to maps (B, C, Y, X) float32 in [0, 1]."""

    def __init__(self, prepare: Prepare, network: nn.Module, finish: Finish) -> None:
        super().__init__()
        self.prepare, self.network, self.finish = prepare, network, finish

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The maps of the images of a batch, each normalised by itself."""
        maps: torch.Tensor = self.finish(self.network(self.prepare(image)), image)
        return maps


def _gaussian(sigma: torch.Tensor, tail: int) -> torch.Tensor:
    """The weights (2 tail + 1,) of MONAI's Gaussian filter: the integral over each pixel."""
    places = torch.arange(-tail, tail + 1, dtype=torch.float32)
    slope = 0.70710678 / sigma.clamp(min=1e-6)
    return (0.5 * (torch.erf(slope * (places + 0.5)) - torch.erf(slope * (places - 0.5)))).clamp(min=0)


def _smooth(image: torch.Tensor, kernel: torch.Tensor, axis: int) -> torch.Tensor:
    """The image (B, 1, Y, X) filtered along an axis, as a sum of shifted images.

    The weights depend on the size of the image, and those of a convolution in ONNX must be fixed.
    """
    last = kernel.numel() - 1
    padded = functional.pad(image, [0, 0, last // 2, last // 2] if axis == 2 else [last // 2, last // 2])
    parts = [padded[(..., slice(k, k - last or None)) + (slice(None),) * (3 - axis)] * kernel[k] for k in range(last + 1)]
    return sum(parts[1:], parts[0])


def _edges(image: torch.Tensor) -> torch.Tensor:
    """Y and X as a tensor (2,), which a trace keeps as an operation."""
    return torch._shape_as_tensor(image)[-2:]


def _working_size(image: torch.Tensor, scale: float) -> list[Any]:
    """Y and X at the working scale, each a tensor of one integer, which torch takes for a size."""
    edges = torch.round(_edges(image).double() * scale).clamp(min=1).long()
    return [edges[0], edges[1]]


def _to_unit(image: torch.Tensor) -> torch.Tensor:
    """Each image to [0, 1] by its least and greatest value; one of a single value to 0."""
    low, high = image.amin(dim=(1, 2, 3), keepdim=True), image.amax(dim=(1, 2, 3), keepdim=True)
    span = high - low
    return (image - low) / torch.where(span > 0, span, torch.ones_like(span))


def _normalise(image: torch.Tensor, percentiles: Sequence[float]) -> torch.Tensor:
    """As `NormaliseContrast`, of each image of a batch by itself."""
    edges = _edges(image)
    step = torch.ceil(torch.sqrt(edges[0].double() * edges[1].double() / MOST_PIXELS)).clamp(min=1).long()
    some, _ = torch.sort(_every(image, step), dim=1)
    low, middle, high = (_quantile(some, share / 100) for share in (percentiles[0], 50.0, percentiles[1]))
    is_flat = low >= high  # so few pixels differ that the percentiles are equal: all pixels are looked at
    whole = image.flatten(1)
    low = torch.where(is_flat, whole.amin(1, keepdim=True), low)
    high = torch.where(is_flat, whole.amax(1, keepdim=True), high)
    step = torch.where(is_flat.any(), torch.ones_like(step), step)
    limited = torch.minimum(torch.maximum(_every(image, step), low), high)
    contrast = _contrast(limited - middle)
    has_contrast = contrast > 1e-7 * middle.abs()
    factor = torch.where(has_contrast, CONTRAST / torch.where(has_contrast, contrast, torch.ones_like(contrast)), 0.0)
    low, middle, high, factor = (value[..., None, None] for value in (low, middle, high, factor))
    return (torch.minimum(torch.maximum(image, low), high) - middle) * factor


def _every(image: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """The pixels (B, N) of every `step`th row and column."""
    edges = _edges(image)
    counts: Any = torch.div(edges + step - 1, step, rounding_mode="floor")
    rows, columns = (torch.arange(counts[axis]) * step for axis in (0, 1))
    return image.index_select(2, rows).index_select(3, columns).flatten(1)


def _quantile(ordered: torch.Tensor, share: float) -> torch.Tensor:
    """The quantile (B, 1) of values (B, N) in order, between two neighbours linearly."""
    place = share * (torch._shape_as_tensor(ordered)[1:] - 1).double()
    below = torch.floor(place)
    above = torch.ceil(place)
    first, second = ordered.index_select(1, below.long()), ordered.index_select(1, above.long())
    return first + (second - first) * (place - below).float()


def _contrast(differences: torch.Tensor) -> torch.Tensor:
    """The size (B, 1) of the differences (B, N) beyond which half of the sum of their squares lies."""
    sizes, _ = torch.sort(differences.abs(), dim=1)
    energy = torch.cumsum(sizes.double().square(), dim=1)
    place = (energy < energy[:, -1:] / 2).long().sum(dim=1, keepdim=True)
    return sizes.gather(1, place)


def _pad(image: torch.Tensor, multiple: int) -> torch.Tensor:
    """The image with its last row and column repeated until Y and X are multiples."""
    edges = _edges(image)
    for axis in (0, 1):
        wanted: Any = torch.div(edges[axis] + multiple - 1, multiple, rounding_mode="floor") * multiple
        image = image.index_select(2 + axis, torch.minimum(torch.arange(wanted), edges[axis] - 1))
    return image
