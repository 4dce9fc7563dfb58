"""Several networks as one: the mean of their probabilities."""

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


class Ensemble(nn.Module):
    """Networks of one kind whose maps are averaged; the members run one after the other.

    Args:
        members: at least two.
    """

    def __init__(self, members: list[UNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.multiple = members[0].multiple
        """Y and X of an image must be multiples of this."""
        self.bytes_per_pixel = members[0].bytes_per_pixel
        """Memory of a forward pass by pixel of the image, that of one member."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, Y, X) float32 of images (B, 1, Y, X): those of the members' mean maps."""
        total = torch.zeros((), device=image.device)
        for member in self.members:
            total = total + torch.sigmoid(member(image).float())
        return torch.logit(total / len(self.members), eps=EPSILON)


MOST_WEIGHTS = 2**26  #: of the way down, a quarter of a network; the report's own has 2^24


def build_network(ensemble_size: int = 1, **settings: Any) -> UNet | Ensemble:
    """A U-Net, or an ensemble of several.

    Args:
        ensemble_size: how many; 1 for the network itself.
        settings: of each, as `UNet` takes them.

    Raises:
        SettingError: where a value cannot make a network.
    """
    check_setting("ensemble_size", ensemble_size)
    filters, convolutions = settings.get("filters", ()), settings.get("convolutions", 2)
    if all(type(number) is int for number in (convolutions, *filters)):  # of other kinds the network itself tells
        # of 3 x 3 convolutions: a level's first one from the level above, the others within it
        within = max(0, convolutions - 1) * sum(width**2 for width in filters)
        weights = ensemble_size * 9 * (sum(fine * coarse for fine, coarse in pairwise(filters)) + within)
        if weights > MOST_WEIGHTS:
            raise SettingError(
                f"setting filters must make a network of at most {MOST_WEIGHTS} weights on its way down, got {filters}; "
                "take fewer"
            )
    return UNet(**settings) if ensemble_size == 1 else Ensemble([UNet(**settings) for _ in range(ensemble_size)])


def join_weights(states: list[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The state dictionary of an ensemble from those of its members, in their order."""
    return {name: value for index, state in enumerate(states) for name, value in name_member(index, state).items()}


def name_member(index: int, values: Mapping[str, Value]) -> dict[str, Value]:
    """What a member calls by its own names, by those that the ensemble has for it."""
    return {f"members.{index}.{name}": value for name, value in values.items()}
