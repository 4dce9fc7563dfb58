"""Values checked against the schema: the first one that breaks a rule is named in one line."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from livecell_monai.errors import SettingError
from livecell_monai.settings.catalogue import CONFIGS, SETTINGS, Setting

SIZES = ("window", "patch_size")


def find_setting(name: str) -> Setting:
    """What is declared of a setting.

    Raises:
        SettingError: there is none of this name.
    """
    if name not in SETTINGS:
        raise SettingError(_word_unknown(name, list(SETTINGS)))
    return SETTINGS[name]


def check_setting(name: str, value: Any, where: str = "") -> Any:
    """A value as its setting takes it.

    Args:
        name: of the setting.
        value: a whole number is taken for a float and a tuple for a list, nothing else is converted.
        where: what the message begins with, such as the path of a file.

    Raises:
        SettingError: no such setting, or its rule is broken.
    """
    return check_values({name: value}, where=where)[name]


def check_values(values: Mapping[str, Any], configs: Iterable[str] = CONFIGS, where: str = "") -> dict[str, Any]:
    """Values by name of the setting, each as its own rule asks.

    Args:
        values: not necessarily of all settings.
        configs: the files whose settings may be given.
        where: what a message begins with, such as the path of a file.

    Raises:
        SettingError: the first name that is no setting of these files, or the first value that breaks its rule.
    """
    prefix = f"{where}: " if where else ""
    known = [name for name, each in SETTINGS.items() if each.config in set(configs)]
    for name in values:
        if name not in known:
            raise SettingError(f"{prefix}{_word_unknown(str(name), known)}")
    checked: dict[str, Any] = {}
    for group in dict.fromkeys(SETTINGS[name].group for name in values):
        own = {name: value for name, value in values.items() if SETTINGS[name].group is group}
        try:
            model = group.model_validate({name: list(it) if isinstance(it, tuple) else it for name, it in own.items()})
        except ValidationError as error:
            name = str(error.errors(include_url=False, include_context=False)[0]["loc"][0])
            raise SettingError(
                f"{prefix}setting {name} must be {SETTINGS[name].rule}, got {_show(own[name])}; correct it"
            ) from None
        checked |= {name: getattr(model, name) for name in own}
    return {name: checked[name] for name in values}


def check_settings(settings: Mapping[str, Any], is_training: bool = False) -> dict[str, Any]:
    """Settings that are used together: each by its own rule, and all by the rules between them.

    Args:
        settings: values by name; a rule between settings is left out where one of them is missing.
        is_training: whether a network is to be trained with them.

    Raises:
        SettingError: the first rule that is broken.
    """
    checked = check_values(settings)
    if is_training and checked.get("ensemble_size", 1) != 1:
        raise SettingError(
            f"setting ensemble_size must be 1 in a training, got {checked['ensemble_size']}; train each network, then join "
            "them by livecell crossval --ensemble"
        )
    if all(name in checked for name in ("filters", "stem_stride", "norm")):
        multiple = input_multiple(len(checked["filters"]), checked["stem_stride"], checked["norm"])
        for name in SIZES:
            value = checked.get(name, "auto")
            if value != "auto" and any(edge % multiple for edge in value):
                raise SettingError(
                    f"setting {name} must be [Y, X] in pixels, multiples of {multiple} = stem_stride * 2 ** (levels - 1), "
                    f"twice that with instance norm, got {value}; correct it"
                )
    return checked


def input_multiple(levels: int, stem_stride: int, norm: str) -> int:
    """What Y and X of the network's input must be multiples of.

    An instance norm of a single pixel has no statistics: the coarsest level keeps two.
    """
    return stem_stride << (levels - 1 + (norm == "instance"))


def _word_unknown(name: str, known: list[str]) -> str:
    if name in SETTINGS:
        return f"setting {name} must be left out here, it belongs to {SETTINGS[name].config}.yaml, which is not used"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return f"setting {_show(name)[1:-1]} does not exist, did you mean {near[0]}? livecell settings lists all"


def _show(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number of too many digits"
