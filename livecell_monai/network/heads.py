"""The maps of a network: their names, their targets, and the mask that follows from them.

To add a map, write its function, list it in `CHANNELS`, and name it in the bundle's `head`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from livecell_monai.cells.distance import find_cut, normalise_distance
from livecell_monai.errors import SettingError
from livecell_monai.sample import Pixels


@dataclass(frozen=True)
class Channel:
    """One map of a network."""

    #: makes the target, float32 in [0, 1] or UNKNOWN, from a label of instance ids; both (..., 1, Y, X)
    derive: Callable[[torch.Tensor], torch.Tensor]
    #: the network has an output for each, the probability that the target is at least this; the map is the mean of these
    levels: tuple[float, ...] = (0.5,)

    @property
    def is_binary(self) -> bool:
        """Whether each pixel of a target is 0 or 1."""
        return len(self.levels) == 1


#: value of a target that is not known; far below 0, so that interpolation with known pixels leaves it below 0
UNKNOWN = -1e4


def mark_foreground(label: torch.Tensor) -> torch.Tensor:
    """1 inside instances, UNKNOWN where the label is below 0, else 0."""
    return (label > 0).float().masked_fill_(label < 0, UNKNOWN)


def mark_distance(label: torch.Tensor) -> torch.Tensor:
    """The distance from the rim of each cell, 1 in its middle, see `normalise_distance`; UNKNOWN where a label is below 0.

    It is also UNKNOWN in the whole of a cell that touches such a pixel: neither its rim nor its middle is known.
    """
    planes = [_mark_distance(plane.cpu().numpy()) for plane in label.reshape(-1, *label.shape[-2:])]
    return torch.stack(planes).reshape(label.shape).to(label.device)


def _mark_distance(label: Pixels) -> torch.Tensor:
    distance = normalise_distance(label)
    distance[(label < 0) | find_cut(label)] = UNKNOWN
    return torch.from_numpy(distance)


FOREGROUND, DISTANCE = "foreground", "distance"
CHANNELS = {
    FOREGROUND: Channel(mark_foreground),
    DISTANCE: Channel(mark_distance, levels=(0.15, 0.3, 0.5, 0.7)),
}


class Head:
    """A network's maps, from label to mask: different ones of `CHANNELS`, `foreground` first; else a SettingError.

    A map of values between 0 and 1 has several outputs of the network, each of which tells two classes of pixels apart.

    Source: Frank and Hall, "A Simple Approach to Ordinal Classification", ECML 2001.
    """

    def __init__(self, channels: Sequence[str] = (FOREGROUND,)) -> None:
        self.channels = tuple(channels)
        is_known = all(name in CHANNELS for name in self.channels) and len(set(self.channels)) == len(self.channels)
        if not is_known or self.channels[:1] != (FOREGROUND,):
            raise SettingError(
                f"head: channels must be different ones of {', '.join(CHANNELS)}, {FOREGROUND} first, got "
                f"{list(self.channels)}; correct it"
            )

        self.levels = [CHANNELS[name].levels for name in self.channels]

    def __len__(self) -> int:
        return len(self.channels)

    @property
    def outputs(self) -> list[str]:
        """What each channel of the network tells, in words."""
        named = zip(self.channels, self.levels, strict=True)
        return [name if len(levels) == 1 else f"{name} of at least {level}" for name, levels in named for level in levels]

    def derive_target(self, label: torch.Tensor) -> torch.Tensor:
        """The target (..., C, Y, X) float32 in [0, 1] or UNKNOWN from a label (..., 1, Y, X) of instance ids."""
        return torch.cat([CHANNELS[name].derive(label) for name in self.channels], dim=-3)

    @property
    def is_binary(self) -> bool:
        """Whether all channels are."""
        return all(CHANNELS[name].is_binary for name in self.channels)

    def round_target(self, resampled: torch.Tensor) -> torch.Tensor:
        """Resampled targets (..., C, Y, X), in place: binary channels become 0 and 1; what is below 0 stays UNKNOWN."""
        for number, name in enumerate(self.channels):
            if CHANNELS[name].is_binary:
                plane = resampled.select(-3, number)
                plane.copy_(_round(plane))
        return resampled

    def to_levels(self, target: torch.Tensor, first: int = 0) -> torch.Tensor:
        """What each output of the network should be, 0 or 1 (..., outputs, Y, X), from a target (..., C, Y, X).

        The maps before `first` are left out.
        """
        planes = zip(target.unbind(-3)[first:], self.levels[first:], strict=True)
        wanted = [(plane, level) for plane, levels in planes for level in levels]
        reached = target.new_empty(*target.shape[:-3], len(wanted), *target.shape[-2:])
        for number, (plane, level) in enumerate(wanted):
            torch.ge(plane, level, out=reached.select(-3, number))
        return reached

    def repeat_levels(self, target: torch.Tensor, first: int = 0) -> torch.Tensor:
        """Each map of a target (..., C, Y, X) once for each of its outputs; the maps before `first` are left out."""
        planes = zip(target.unbind(-3)[first:], self.levels[first:], strict=True)
        return torch.stack([plane for plane, levels in planes for _ in levels], dim=-3)

    def to_maps(self, logits: torch.Tensor) -> torch.Tensor:
        """Maps (..., C, Y, X) in [0, 1] from logits (..., outputs, Y, X)."""
        probabilities = torch.sigmoid(logits)
        if probabilities.shape[-3] == len(self):
            return probabilities
        groups = torch.split(probabilities, [len(levels) for levels in self.levels], dim=-3)
        return torch.stack([group.mean(dim=-3) for group in groups], dim=-3)

    def to_foreground(self, logits: torch.Tensor) -> torch.Tensor:
        """The foreground (..., 1, Y, X) in [0, 1] from logits (..., outputs, Y, X), without the work for the other maps."""
        return torch.sigmoid(self.take_foreground(logits))

    def to_mask(self, maps: torch.Tensor, threshold: float) -> torch.Tensor:
        """The mask (..., 1, Y, X) bool from maps (..., C, Y, X): foreground of at least the threshold."""
        return self.take_foreground(maps) >= threshold

    def take_foreground(self, planes: torch.Tensor) -> torch.Tensor:
        """The foreground channel (..., 1, Y, X) of maps, targets or logits (..., C, Y, X)."""
        return planes[..., :1, :, :]


def _round(plane: torch.Tensor) -> torch.Tensor:
    return (plane >= 0.5).to(plane).masked_fill_(plane < 0, UNKNOWN)
