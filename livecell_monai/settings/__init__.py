"""The schema of all user settings: type, default, bounds, unit and description of each, and where it counts.

Everything else follows from it: the values and comments in `bundle/configs/*.yaml`, the checks of `--set`, of overlays
and of a trained bundle's `settings.yaml`, the record of a run, what must match when a run is resumed, `docs/settings.md`.

`fields` has the types; `prediction` and `training` declare the settings; `checks` validates values; `rendering` writes them
down. Without torch, MONAI and MLflow.
"""

from livecell_monai.settings.catalogue import CONFIGS, SETTINGS, Setting, list_settings, select
from livecell_monai.settings.checks import check_setting, check_settings, check_values, find_setting, input_multiple
from livecell_monai.settings.fields import is_plain

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
