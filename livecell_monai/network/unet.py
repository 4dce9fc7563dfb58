"""A configurable U-Net from MONAI's blocks, ensembles of several, and batch norms fused for prediction.

MONAI's own nets do not suffice: `UNet` has no pooling, no dropout in the decoder only and no 1 x 1 output; `BasicUNet` pads
by replication, ten times slower on a CPU; `DynUNet` has no pooling.

Source: Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015; for the pixel
unshuffle Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
Network", CVPR 2016.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import torch
from monai.networks.blocks import ADN, Convolution, ResidualUnit
from monai.networks.layers import SkipConnection
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from livecell_monai.errors import SettingError
from livecell_monai.network.shuffle import Shuffle
from livecell_monai.settings import check_setting, check_values, input_multiple

Value = TypeVar("Value")

EPSILON = 1e-6  #: least distance of a probability from 0 and 1
MOST_WEIGHTS = 2**26  # of the encoder, a quarter of a network; the network of the report has 2^24
NORMS = {"batch": "BATCH", "instance": ("INSTANCE", {"affine": True})}  #: MONAI's names


class UNet(nn.Module):
    """An encoder and a decoder joined by concatenation at every level.

    Args:
        filters: channels of each level, finest first.
        convolutions: 3 x 3 convolutions per level, each with a norm and ReLU.
        down: `max` for max-pooling, `strided` for a strided first convolution of the next level.
        dropout: probability in [0, 1) that a channel of the decoder is dropped.
        residual: whether each level adds its input to its output.
        stem_stride: 1; 2 or 4 to run all levels at that part of the resolution, with a pixel unshuffle before the first
            level and a pixel shuffle after the last.
        norm: `batch`, statistics of the training; `instance`, those of each input, and so of each window.
        channels: number of maps.

    Raises a SettingError if a value is invalid.
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
        squares = stem_stride**2
        self.multiple = input_multiple(len(filters), stem_stride, norm)  #: Y and X of an image must be multiples of this
        #: memory of a forward pass in float32 without gradients per pixel of the image; measured, within a third
        self.bytes_per_pixel = 24 + 24 * filters[0] / squares
        levels = _LevelBuilder(convolutions, down == "strided", dropout, residual, norm)
        self.unshuffle = nn.PixelUnshuffle(stem_stride) if stem_stride > 1 else nn.Identity()
        self.body = levels.build(squares, tuple(filters))
        self.output = nn.Conv2d(filters[0], squares * channels, kernel_size=1)
        self.shuffle = Shuffle(stem_stride) if stem_stride > 1 else nn.Identity()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, Y, X) of images (B, 1, Y, X) float32."""
        logits: torch.Tensor = self.shuffle(self.output(self.body(self.unshuffle(image))))
        return logits


class Ensemble(nn.Module):
    """Networks of one kind whose maps are averaged; they run one after the other."""

    def __init__(self, members: list[UNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.multiple, self.bytes_per_pixel = members[0].multiple, members[0].bytes_per_pixel  # see `UNet`

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, Y, X) float32 of the mean maps for images (B, 1, Y, X)."""
        total = torch.zeros((), device=image.device)
        for member in self.members:
            total = total + torch.sigmoid(member(image).float())
        return torch.logit(total / len(self.members), eps=EPSILON)


def build_network(ensemble_size: int = 1, **settings: Any) -> UNet | Ensemble:
    """A U-Net, or an ensemble of several; the settings are the arguments of `UNet`.

    Raises a SettingError if a value is invalid, or the network would be too large.
    """
    check_setting("ensemble_size", ensemble_size)
    filters, convolutions = settings.get("filters", ()), settings.get("convolutions", 2)
    if all(type(number) is int for number in (convolutions, *filters)):  # else `UNet` rejects them
        # 3 x 3 convolutions: the first one of a level from the level above, the others within the level
        within = max(0, convolutions - 1) * sum(width**2 for width in filters)
        weights = ensemble_size * 9 * (sum(fine * coarse for fine, coarse in pairwise(filters)) + within)
        if weights > MOST_WEIGHTS:
            raise SettingError(
                f"setting filters must give an encoder of at most {MOST_WEIGHTS} weights, got {filters}; use fewer"
            )
    return UNet(**settings) if ensemble_size == 1 else Ensemble([UNet(**settings) for _ in range(ensemble_size)])


def join_weights(states: list[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The state dictionary of an ensemble from those of its members."""
    return {name: value for index, state in enumerate(states) for name, value in name_member(index, state).items()}


def name_member(index: int, values: Mapping[str, Value]) -> dict[str, Value]:
    """A member's values by name, under the names that the ensemble gives them."""
    return {f"members.{index}.{name}": value for name, value in values.items()}


def fuse_batch_norms(network: nn.Module) -> nn.Module:
    """Fuse every batch norm of MONAI's blocks into its convolution, in place.

    The logits are the same but for rounding. The network must be in evaluation mode; afterwards it can neither be trained
    nor load a state dictionary.
    """
    if network.training:
        raise ValueError("a network must be in evaluation mode to fuse its batch norms, got one in training mode")
    for block in network.modules():
        if not isinstance(block, Convolution) or not hasattr(block, "adn"):
            continue
        conv, rest = block.conv, block.adn
        assert isinstance(rest, ADN)
        if isinstance(getattr(rest, "N", None), nn.BatchNorm2d):
            block.conv = fuse_conv_bn_eval(conv, rest.N, transpose=isinstance(conv, nn.ConvTranspose2d))
            rest.N = nn.Identity()
    return network


@dataclass(frozen=True)
class _LevelBuilder:
    """Builds the levels, each around the next coarser one."""

    convolutions: int
    strided: bool
    dropout: float
    residual: bool
    norm: str

    def build(self, before: int, filters: tuple[int, ...], stride: int = 1) -> nn.Module:
        """A level with all coarser ones inside; (B, before, Y, X) to (B, filters[0], Y / stride, X / stride)."""
        fine, *coarser = filters
        encoder = self._level(before, fine, stride=stride)
        if not coarser:
            return encoder
        inner = [self.build(fine, tuple(coarser), stride=1 + self.strided), _doubled(coarser[0], fine)]
        below = nn.Sequential(*([] if self.strided else [nn.MaxPool2d(2)]), *inner)
        decoder = self._level(2 * fine, fine, dropout=self.dropout)
        return nn.Sequential(encoder, SkipConnection(below, dim=1, mode="cat"), decoder)

    def _level(self, before: int, after: int, stride: int = 1, dropout: float = 0.0) -> nn.Module:
        """The convolutions of one level: conv, norm, dropout of whole channels, ReLU."""
        act = ("RELU", {"inplace": True})  # copies of the maps would take a fifth of the time of a prediction
        rest = {"act": act, "norm": NORMS[self.norm], "dropout": dropout or None, "dropout_dim": 2, "bias": False}
        if self.residual:
            unit: nn.Module = ResidualUnit(2, before, after, strides=stride, subunits=self.convolutions, **rest)
            return unit
        first = Convolution(2, before, after, strides=stride, **rest)
        return nn.Sequential(first, *(Convolution(2, after, after, **rest) for _ in range(1, self.convolutions)))


def _doubled(before: int, after: int) -> nn.Module:
    """A transposed convolution that doubles Y and X."""
    up: nn.Module = Convolution(
        2, before, after, strides=2, kernel_size=2, padding=0, output_padding=0, is_transposed=True, conv_only=True
    )
    return up
