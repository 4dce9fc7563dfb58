"""The maps that a network gives: their names, what each learns from a label, and how masks follow from them.

A new map is one function here, one entry of `CHANNELS`, and its name in the bundle's `head`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from livecell_monai.errors import SettingError


@dataclass(frozen=True)
class Channel:
    """One map of a network.

    Attributes:
        derive: called with a label (..., 1, Y, X) of instance ids; gives the target of the same shape, float32 in [0, 1].
        is_binary: whether a target is 0 or 1 in each pixel, also after a resampling.
    """

    derive: Callable[[torch.Tensor], torch.Tensor]
    is_binary: bool = True


def mark_foreground(label: torch.Tensor) -> torch.Tensor:
    """1 where an instance is, else 0."""
    return (label > 0).float()


FOREGROUND = "foreground"
CHANNELS = {FOREGROUND: Channel(mark_foreground)}


class Head:
    """The channels of a network, from the label that they learn from to the mask.

    Args:
        channels: names of the maps in the order of the network's channels, `foreground` first.

    Raises:
        SettingError: a name is unknown or there twice, or the first one is not `foreground`.
    """

    def __init__(self, channels: Sequence[str] = (FOREGROUND,)) -> None:
        self.channels = tuple(channels)
        is_known = all(name in CHANNELS for name in self.channels) and len(set(self.channels)) == len(self.channels)
        if not is_known or self.channels[:1] != (FOREGROUND,):
            raise SettingError(
                f"head: channels must be different ones of {', '.join(CHANNELS)}, {FOREGROUND} first, got "
                f"{list(self.channels)}; correct it"
            )

    def __len__(self) -> int:
        return len(self.channels)

    def derive_target(self, label: torch.Tensor) -> torch.Tensor:
        """What the network learns from a label (..., 1, Y, X) of instance ids: (..., C, Y, X) float32 in [0, 1]."""
        return torch.cat([CHANNELS[name].derive(label) for name in self.channels], dim=-3)

    def round_target(self, resampled: torch.Tensor) -> torch.Tensor:
        """Targets (..., C, Y, X) after a resampling: binary channels become 0 and 1 again."""
        planes = zip(self.channels, resampled.unbind(-3), strict=True)
        rounded = [(plane >= 0.5).to(plane) if CHANNELS[name].is_binary else plane for name, plane in planes]
        return torch.stack(rounded, dim=-3)

    def to_maps(self, logits: torch.Tensor) -> torch.Tensor:
        """Maps (..., C, Y, X) in [0, 1] of logits of the same shape."""
        return torch.sigmoid(logits)

    def to_mask(self, maps: torch.Tensor, threshold: float) -> torch.Tensor:
        """The mask (..., 1, Y, X) bool of maps (..., C, Y, X): where the foreground reaches the threshold."""
        return self.take_foreground(maps) >= threshold

    def take_foreground(self, planes: torch.Tensor) -> torch.Tensor:
        """The channel (..., 1, Y, X) of the foreground, of maps or of targets (..., C, Y, X)."""
        return planes[..., :1, :, :]
