"""All settings by name, with what is declared of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic.fields import FieldInfo

from livecell_monai.settings.fields import Group, word_rule
from livecell_monai.settings.prediction import INFERENCE
from livecell_monai.settings.training import EVALUATE, TRAIN

CONFIGS: dict[str, tuple[type[Group], ...]] = {"inference": INFERENCE, "train": TRAIN, "evaluate": EVALUATE}
Flag = Literal["recorded", "changes_mask", "local"]


@dataclass(frozen=True)
class Setting:
    """What is declared of a setting.

    Attributes:
        name: as in YAML and behind `--set`.
        config: file of the template that has it, without `.yaml`.
        group: the class that declares it.
        default: value in the template.
        rule: the values it takes, in words that follow "must be".
        description: one line of plain English.
        unit: of the value; empty where there is none.
        recorded: part of the record of a training and of its bundle; must match when that training is resumed.
        changes_mask: must match when a prediction is resumed.
        local: says where and how loudly something runs on this machine.
    """

    name: str
    config: str
    group: type[Group]
    default: Any
    rule: str
    description: str
    unit: str
    recorded: bool
    changes_mask: bool
    local: bool


def _make(name: str, config: str, group: type[Group], field: FieldInfo) -> Setting:
    assert isinstance(field.json_schema_extra, dict)
    flags: dict[str, Any] = dict(field.json_schema_extra)
    return Setting(name, config, group, field.default, word_rule(field), field.description or "", **flags)


#: every setting by name, in the order of the files
SETTINGS: dict[str, Setting] = {
    name: _make(name, config, group, field)
    for config, groups in CONFIGS.items()
    for group in groups
    for name, field in group.model_fields.items()
}


def list_settings(configs: Iterable[str] = CONFIGS) -> dict[str, Any]:
    """The defaults of all settings of some configs, by name."""
    return {name: each.default for name, each in SETTINGS.items() if each.config in set(configs)}


def select(settings: Mapping[str, Any], flag: Flag) -> dict[str, Any]:
    """The settings of a mapping that have a flag; names that are no settings are left out."""
    return {name: value for name, value in settings.items() if name in SETTINGS and getattr(SETTINGS[name], flag)}
