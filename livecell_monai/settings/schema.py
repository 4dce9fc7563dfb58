"""All settings by name, and the checks of values against their rules."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import ValidationError

from livecell_monai.errors import SettingError
from livecell_monai.settings.fields import Group, describe_rule
from livecell_monai.settings.prediction import INFERENCE
from livecell_monai.settings.training import EVALUATE, TRAIN

CONFIGS: dict[str, tuple[type[Group], ...]] = {"inference": INFERENCE, "train": TRAIN, "evaluate": EVALUATE}


@dataclass(frozen=True)
class Setting:
    """The declaration of a setting, see `fields.setting`."""

    name: str
    config: str  #: file of the template that has it, without `.yaml`
    group: type[Group]
    default: Any
    rule: str  #: the allowed values, as a text that follows "must be"
    description: str
    unit: str
    recorded: bool
    changes_mask: bool
    local: bool


#: every setting by name, in the order of the files
SETTINGS: dict[str, Setting] = {
    name: Setting(
        name,
        config,
        group,
        field.default,
        describe_rule(field),
        field.description or "",
        **cast(dict[str, Any], field.json_schema_extra),
    )
    for config, groups in CONFIGS.items()
    for group in groups
    for name, field in group.model_fields.items()
}


def list_settings(configs: Iterable[str] = CONFIGS) -> dict[str, Any]:
    """The defaults of all settings of some configs, by name."""
    return {name: each.default for name, each in SETTINGS.items() if each.config in set(configs)}


def select(settings: Mapping[str, Any], flag: Literal["recorded", "changes_mask"]) -> dict[str, Any]:
    """The settings of a mapping that have a flag; other names are left out."""
    return {name: value for name, value in settings.items() if name in SETTINGS and getattr(SETTINGS[name], flag)}


def find_setting(name: str) -> Setting:
    """The declaration of a setting; a SettingError if there is none of this name."""
    if name not in SETTINGS:
        raise SettingError(_describe_unknown(name, list(SETTINGS)))
    return SETTINGS[name]


def check_setting(name: str, value: Any, where: str = "") -> Any:
    """The value of one setting, checked as by `check_values`."""
    return check_values({name: value}, where=where)[name]


def check_values(values: Mapping[str, Any], configs: Iterable[str] = CONFIGS, where: str = "") -> dict[str, Any]:
    """Check values by name, each against the rule of its setting, and return them.

    A whole number is converted to float and a tuple to a list where the rule requires it, nothing else.

    `configs` are the files whose settings are allowed; `where` starts the messages, as the path of a file.
    Raises a SettingError for the first name that is no setting of these files, or the first value that breaks its rule.
    """
    prefix = f"{where}: " if where else ""
    known = list(list_settings(configs))
    for name in values:
        if name not in known:
            raise SettingError(f"{prefix}{_describe_unknown(str(name), known)}")
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
    """Check settings that are used together: as `check_values`, and by the rules between them.

    A rule between settings is skipped if one of them is missing.
    Raises a SettingError for the first rule that is broken.
    """
    checked = check_values(settings)
    if is_training and checked.get("ensemble_size", 1) != 1:
        raise SettingError(
            f"setting ensemble_size must be 1 in a training, got {checked['ensemble_size']}; train each network, then join "
            "them by livecell crossval --ensemble"
        )
    if all(name in checked for name in ("filters", "stem_stride", "norm")):
        multiple = input_multiple(len(checked["filters"]), checked["stem_stride"], checked["norm"])
        for name in ("window", "patch_size"):
            value = checked.get(name, "auto")
            if value != "auto" and any(edge % multiple for edge in value):
                raise SettingError(
                    f"setting {name} must be [Y, X] in pixels, multiples of {multiple} = stem_stride * 2 ** (levels - 1), "
                    f"twice that with instance norm, got {value}; correct it"
                )
    return checked


def input_multiple(levels: int, stem_stride: int, norm: str) -> int:
    """What Y and X of the network's input must be multiples of; instance norm needs two pixels at the coarsest level."""
    return stem_stride << (levels - 1 + (norm == "instance"))


def _describe_unknown(name: str, known: list[str]) -> str:
    if name in SETTINGS:
        return f"setting {name} must be left out here, it belongs to {SETTINGS[name].config}.yaml, which is not used"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return f"setting {_show(name)[1:-1]} does not exist, did you mean {near[0]}? livecell settings lists all"


def _show(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number of too many digits"
