"""All user settings: type, default, bounds, unit and description of each, without torch, MONAI and MLflow.

`prediction` and `training` declare them, `schema` checks values, `rendering` writes the YAML and `docs/settings.md`.
"""

from livecell_monai.settings.fields import is_plain
from livecell_monai.settings.schema import (
    CONFIGS,
    SETTINGS,
    Setting,
    check_setting,
    check_settings,
    check_values,
    find_setting,
    input_multiple,
    list_settings,
    select,
)

__all__ = [
    "CONFIGS",
    "SETTINGS",
    "Setting",
    "check_setting",
    "check_settings",
    "check_values",
    "find_setting",
    "input_multiple",
    "is_plain",
    "list_settings",
    "select",
]
