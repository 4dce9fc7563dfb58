"""Which values a setting may have: asked before any work is done, for those that no part of ours asks about itself."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from livecell_monai.errors import SettingError

Rule = tuple[str, Callable[[Any], bool]]


def _is_number(value: Any, whole: bool = False) -> bool:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(least: int) -> Rule:
    return f"a whole number of {least} or more", lambda value: _is_number(value, whole=True) and value >= least


def _number(words: str, holds: Callable[[float], bool]) -> Rule:
    return words, lambda value: _is_number(value) and holds(value)


def _is_rising_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value)) and 0 < value[0] <= value[1]


_AT_LEAST_0 = _number("0 or more", lambda value: value >= 0)
_AT_LEAST_1 = _number("1 or more", lambda value: value >= 1)
_PROBABILITY = _number("at least 0 and at most 1", lambda value: 0 <= value <= 1)
_PAIR: Rule = ("two numbers above 0, the lower one first", _is_rising_pair)

RULES: dict[str, Rule] = {
    "window_batch": _whole(1),
    "window_memory": _number("above 0", lambda value: value > 0),
    "tiling_min_megapixels": _number("above 0", lambda value: value > 0),
    "threshold": _number("above 0 and below 1", lambda value: 0 < value < 1),
    "backend": ("torch or int8", lambda value: value in ("torch", "int8")),
    "seed": _whole(0),
    "ensemble_size": (
        "1 in a training: an ensemble is joined from trained networks",
        lambda value: type(value) is int and value == 1,
    ),
    "samples_per_epoch": _whole(1),
    "batch_size": _whole(1),
    "patience": _whole(1),
    "rotation": _AT_LEAST_0,
    "zoom": _PAIR,
    "shear": _AT_LEAST_0,
    "flip_probability": _PROBABILITY,
    "change_probability": _PROBABILITY,
    "gamma": _AT_LEAST_1,
    "brightness": _AT_LEAST_0,
    "contrast": _AT_LEAST_1,
    "stretch": _AT_LEAST_1,
    **dict.fromkeys(("elastic", "illumination", "shading", "blur", "noise", "weight_decay"), _AT_LEAST_0),
    "checkpoint_selection": ("best or last", lambda value: value in ("best", "last")),
    "ema": _number("at least 0 and below 1", lambda value: 0 <= value < 1),
    "lr": _number("above 0", lambda value: value > 0),
    "lr_gamma": _number("above 0 and at most 1", lambda value: 0 < value <= 1),
}
SIZES = ("window", "patch_size")


def check_bounds(settings: Mapping[str, Any], multiple: int) -> None:
    """Refuse the first setting whose value cannot work; a name without a rule here is refused where it is used.

    Args:
        settings: values by name.
        multiple: what Y and X of the network's input must be multiples of.

    Raises:
        SettingError: the setting, its rule and its value.
    """
    for name, value in settings.items():
        is_size = name in SIZES and not (name == "window" and value == "auto")
        words, holds = _size_rule(multiple) if is_size else RULES.get(name, ("", lambda _: True))
        if not holds(value):
            raise SettingError(f"setting {name} must be {words}, got {value!r}; correct it")


def _size_rule(multiple: int) -> Rule:
    """Of [Y, X] in pixels, as the network takes them."""

    def holds(value: Any) -> bool:
        if not isinstance(value, list | tuple) or len(value) != 2:
            return False
        return all(_is_number(edge, whole=True) and edge >= 1 and edge % multiple == 0 for edge in value)

    words = f"[Y, X] in pixels, multiples of {multiple} = stem_stride * 2 ** (levels - 1), or twice that with instance norm"
    return words, holds
