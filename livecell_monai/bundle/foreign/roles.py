"""What each channel of a model of another tool is: foreground, border, distance or background."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from livecell_monai.bundle.foreign.tensors import Tensor
from livecell_monai.network.heads import DISTANCE, FOREGROUND
from livecell_monai.sample import Pixels

BORDER, BACKGROUND, IGNORE = "border", "background", "ignore"
LOGITS, PIXELS = "logits", "px"  #: units of a channel whose values are not in [0, 1]
PROBABILITY = "probability"  #: in the setting, the unit of one whose values are
#: words in the names of channels, the more special ones first
WORDS = {
    BACKGROUND: r"background|bg",
    BORDER: r"border|borders|boundary|boundaries|edge|edges|contour|contours|outline|outlines|membrane|membranes",
    DISTANCE: r"distance|distances|dist|edt",
    FOREGROUND: r"foreground|fg|mask|masks|semantic|probability|probabilities|prob|cell|cells|nucleus|nuclei|interior|"
    r"segmentation|object|objects",
}


@dataclass(frozen=True)
class Role:
    """What a channel is, and in which unit its values are."""

    kind: str
    unit: str | None = None  #: `logits` or `px`; empty for values in [0, 1], None if unknown

    def __str__(self) -> str:
        return f"{self.kind} in {self.unit}" if self.unit else self.kind


def parse_roles(given: Sequence[str]) -> list[Role]:
    """The roles of the setting `model_outputs`, such as `foreground` or `border:logits`."""
    both = [one.partition(":")[::2] for one in given]
    return [Role(kind, "" if unit == PROBABILITY else unit or None) for kind, unit in both]


def guess_roles(outputs: Sequence[Tensor]) -> list[Role]:
    """The role of each channel of all outputs by names and descriptions; `ignore` where they say nothing.

    A model with one channel gives the foreground, if name and description do not say otherwise.
    """
    several = sum(len(tensor.channels) for tensor in outputs)
    roles = []
    for tensor in outputs:
        is_single = len(tensor.channels) == 1
        for name in tensor.channels:
            # name and description of a tensor with several channels do not tell them apart
            texts = (name, tensor.name, tensor.description) if is_single else (name,)
            kind = next(filter(None, map(_find_kind, texts)), FOREGROUND if several == 1 else IGNORE)
            roles.append(Role(kind, "" if tensor.is_unit else None))
    return roles


def _find_kind(text: str) -> str | None:
    words = re.sub(r"[^a-z]+", " ", text.lower())
    return next((kind for kind, known in WORDS.items() if re.search(rf"\b({known})\b", words)), None)


def check_roles(roles: Sequence[Role]) -> str | None:
    """What is wrong with the roles of all channels, as a text that follows "the outputs"; None if a mask can be made."""
    kinds = [role.kind for role in roles]
    twice = next((kind for kind in WORDS if kinds.count(kind) > 1), None)
    if twice is not None:
        return f"must have one {twice} at most, found {kinds.count(twice)}"
    if FOREGROUND not in kinds and BACKGROUND not in kinds:
        return f"must have a {FOREGROUND} or a {BACKGROUND}, found none"
    return None


def list_maps(roles: Sequence[Role]) -> tuple[str, ...]:
    """The maps that `combine` gives."""
    kinds = {role.kind for role in roles}
    return (FOREGROUND, DISTANCE) if kinds & {DISTANCE, BORDER} else (FOREGROUND,)


def combine(roles: Sequence[Role], values: Pixels, cell_diameter: float) -> Pixels:
    """The maps (M, Y, X) float32 in [0, 1] of `list_maps`, from all channels (C, Y, X) in the units of their roles.

    Without a map of the distance, that of the border takes its place: 0 on it, else the foreground. A distance in px is
    divided by the radius of a typical cell. With a background and a border, all that is not background is foreground.
    """
    found = {
        role.kind: _UNITS[role.unit or ""](plane, cell_diameter)
        for role, plane in zip(roles, values, strict=True)
        if role.kind != IGNORE
    }
    is_rest = BACKGROUND in found and (BORDER in found or FOREGROUND not in found)
    foreground = 1 - found[BACKGROUND] if is_rest else found[FOREGROUND]
    if DISTANCE in found:
        return np.stack([foreground, found[DISTANCE]])
    return np.stack([foreground, foreground * (1 - found[BORDER])] if BORDER in found else [foreground])


def _to_probability(logits: Pixels, _: float) -> Pixels:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


_UNITS: dict[str, Callable[[Any, float], Pixels]] = {
    "": lambda plane, _: np.clip(plane, 0, 1),
    LOGITS: _to_probability,
    PIXELS: lambda plane, diameter: np.clip(plane / np.float32(diameter / 2), 0, 1),
}
