"""An ensemble of networks, and the function that builds a network or an ensemble."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import nn

from livecell_monai.errors import SettingError
from livecell_monai.network.unet import UNet
from livecell_monai.settings import check_setting

Value = TypeVar("Value")

EPSILON = 1e-6  #: least distance of a probability from 0 and 1
MOST_WEIGHTS = 2**26  # of the encoder, a quarter of a network; the network of the report has 2^24


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

    Raises:
        SettingError: a value is invalid, or the network would be too large.
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
