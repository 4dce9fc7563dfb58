"""A pixel shuffle that trains twice as fast on a CPU as torch's own."""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import pixel_shuffle

PACKED = {4: torch.int32, 8: torch.int64}  #: by the bytes of the pixels that a channel gives to one row


class Shuffle(nn.PixelShuffle):
    """`nn.PixelShuffle`: (B, C x stride^2, Y, X) to (B, C, Y x stride, X x stride).

    In training on a CPU, pixels that become neighbours in a row are moved as one number, since they are neighbours in memory
    already. The result is the same, but for its memory format.
    """

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """The shuffled planes."""
        is_scripting: bool = torch.jit.is_scripting()  # type: ignore[attr-defined]
        if not is_scripting and self._is_faster_packed(planes):
            return _shuffle_packed(planes, self.upscale_factor)
        return pixel_shuffle(planes, self.upscale_factor)

    @torch.jit.unused
    def _is_faster_packed(self, planes: torch.Tensor) -> bool:
        is_last = planes.is_contiguous(memory_format=torch.channels_last)
        return self.training and is_last and planes.is_cpu and self.upscale_factor * planes.itemsize in PACKED


@torch.jit.unused
def _shuffle_packed(planes: torch.Tensor, stride: int) -> torch.Tensor:
    shuffled: torch.Tensor = _Shuffled.apply(planes, stride)  # type: ignore[no-untyped-call]
    return shuffled


class _Shuffled(torch.autograd.Function):
    """The shuffle of planes in channels_last, and its gradient, which is in channels_last."""

    @staticmethod
    def forward(context: Any, planes: torch.Tensor, stride: int) -> torch.Tensor:
        context.stride = stride
        count, channels, height, width = planes.shape
        packed = planes.permute(0, 2, 3, 1).view(PACKED[stride * planes.itemsize])  # (B, Y, X, C x stride)
        rows = packed.view(count, height, width, -1, stride).permute(0, 3, 1, 4, 2).contiguous()  # (B, C, Y, stride, X)
        return rows.view(planes.dtype).view(count, channels // stride**2, height * stride, width * stride)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        stride, count, channels = context.stride, *gradient.shape[:2]
        height, width = (edge // stride for edge in gradient.shape[-2:])
        packed = gradient.contiguous().view(PACKED[stride * gradient.itemsize])  # (B, C, Y x stride, X)
        rows = (
            packed.view(count, channels, height, stride, width).permute(0, 2, 4, 1, 3).contiguous()
        )  # (B, Y, X, C, stride)
        return rows.view(gradient.dtype).view(count, height, width, -1).permute(0, 3, 1, 2), None
