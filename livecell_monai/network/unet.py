"""A configurable U-Net, put together from MONAI's blocks.

MONAI's own nets each leave out something that the method asks for: `UNet` has no pooling, no dropout in the decoder alone
and no 1 x 1 output; `BasicUNet` pads by replication, ten times slower on a CPU; `DynUNet` has no pooling.

Source: Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015; Shi et al.,
"Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016, for
the squares of pixels that become channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.networks.blocks import Convolution, ResidualUnit
from monai.networks.layers import SkipConnection
from torch import nn

from livecell_monai.settings import check_values, input_multiple

NORMS = {"batch": "BATCH", "instance": ("INSTANCE", {"affine": True})}  #: MONAI's names of them


class UNet(nn.Module):
    """An encoder and a decoder joined by concatenation at every level.

    Args:
        filters: number of channels of each level, finest first; its length is the number of levels.
        convolutions: number of 3 x 3 convolutions per level, each with a norm and ReLU.
        down: `max` halves by max-pooling, `strided` by the first convolution of the next level.
        dropout: probability in [0, 1) that a channel of the decoder is dropped; the encoder has no dropout.
        residual: whether each level adds its input to its output.
        stem_stride: 1, or 2 or 4 to run every level at that part of the resolution: squares of so many pixels become
            channels ahead of the first level, and channels become squares again behind the last. At 2 four times as fast.
        norm: `batch`, by the statistics of the training; `instance`, by those of each image that goes through the network,
            and so of each window.
        channels: number of maps that it gives, those of its head.

    Raises:
        SettingError: where a value cannot make a network.
    """

    def __init__(
        self,
        filters: Sequence[int] = (32, 64, 128, 256),
        convolutions: int = 2,
        down: str = "max",
        dropout: float = 0.1,
        residual: bool = False,
        stem_stride: int = 1,
        norm: str = "batch",
        channels: int = 1,
    ) -> None:
        super().__init__()
        given = {"filters": list(filters), "convolutions": convolutions, "down": down, "dropout": dropout}
        check_values({**given, "residual": residual, "stem_stride": stem_stride, "norm": norm})
        self.multiple = input_multiple(len(filters), stem_stride, norm)
        """Y and X of an image must be multiples of this."""
        self.bytes_per_pixel = 24 + 24 * filters[0] / stem_stride**2
        """Memory of a forward pass in float32 without gradients, by pixel of the image; measured, within a third."""
        make = _Maker(convolutions, down == "strided", dropout, residual, norm)
        squares = stem_stride**2
        self.fold = nn.PixelUnshuffle(stem_stride) if stem_stride > 1 else nn.Identity()
        self.body = make.nest(squares, tuple(filters))
        self.output = nn.Conv2d(filters[0], squares * channels, kernel_size=1)
        self.unfold = nn.PixelShuffle(stem_stride) if stem_stride > 1 else nn.Identity()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, Y, X) of images (B, 1, Y, X); above 0 is a map above a half."""
        logits: torch.Tensor = self.unfold(self.output(self.body(self.fold(image))))
        return logits


@dataclass(frozen=True)
class _Maker:
    """Makes the levels, each around the next coarser one."""

    convolutions: int
    strided: bool
    dropout: float
    residual: bool
    norm: str

    def nest(self, before: int, filters: tuple[int, ...], stride: int = 1) -> nn.Module:
        """A level with all coarser ones inside: (B, before, Y, X) to (B, filters[0], Y / stride, X / stride)."""
        fine, *coarser = filters
        encoder = self._level(before, fine, stride=stride)
        if not coarser:
            return encoder
        inner = [self.nest(fine, tuple(coarser), stride=1 + self.strided), _doubled(coarser[0], fine)]
        below = nn.Sequential(*([] if self.strided else [nn.MaxPool2d(2)]), *inner)
        decoder = self._level(2 * fine, fine, dropout=self.dropout)
        return nn.Sequential(encoder, SkipConnection(below, dim=1, mode="cat"), decoder)

    def _level(self, before: int, after: int, stride: int = 1, dropout: float = 0.0) -> nn.Module:
        """The convolutions of one level: conv, norm, dropout, ReLU; dropout takes whole channels, cheap on a CPU."""
        act = ("RELU", {"inplace": True})  # a copy of every map would cost a fifth of a prediction in fresh memory alone
        rest = {"act": act, "norm": NORMS[self.norm], "dropout": dropout or None, "dropout_dim": 2, "bias": False}
        if self.residual:
            unit: nn.Module = ResidualUnit(2, before, after, strides=stride, subunits=self.convolutions, **rest)
            return unit
        return nn.Sequential(
            *(
                Convolution(2, before if i == 0 else after, after, strides=stride if i == 0 else 1, **rest)
                for i in range(self.convolutions)
            )
        )


def _doubled(before: int, after: int) -> nn.Module:
    """A transposed convolution that doubles Y and X."""
    up: nn.Module = Convolution(
        2, before, after, strides=2, kernel_size=2, padding=0, output_padding=0, is_transposed=True, conv_only=True
    )
    return up
