"""The settings as text: sections of the template's YAML, `settings.yaml` of a bundle, and `docs/settings.md`."""

import json
import math
import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from livecell_monai.settings.fields import Group
from livecell_monai.settings.schema import CONFIGS, SETTINGS, Setting, list_settings

BEGIN = "# --- settings: written by `make settings` from livecell_monai/settings/, do not edit here"
END = "# --- end of the settings"
MAPPING = "# all of them by name: for the check, the record of a run and what must match when a run is resumed"
WIDTH = 125
_BARE = re.compile(r"[A-Za-z_][\w./-]*")
_NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # without quotes
_TITLES = {"inference": "Model and prediction", "train": "Training", "evaluate": "Evaluation"}
_PAGE_HEAD = """# Settings

Written by `make settings` from `livecell_monai/settings/`. Give a setting by `--set NAME=VALUE`, by an overlay (a YAML file
with some of these names, `--config FILE`), or by `--NAME VALUE` with `python -m monai.bundle run`. `livecell settings`
prints this table, `livecell settings NAME` one row of it.
"""
_TABLE_HEAD = "| name | default | values | unit | description |\n| --- | --- | --- | --- | --- |"


def to_yaml(value: Any) -> str:
    """A plain value on one line, the same for every reader of YAML."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_yaml, value))}]"
    if isinstance(value, str):
        is_bare = _BARE.fullmatch(value) and value.lower() not in _NOT_TEXT
        if is_bare:
            return value
        quoted = json.dumps(value, ensure_ascii=False)  # which leaves control characters that YAML does not accept
        return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in quoted)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a setting must be finite, got {value}")
        text = repr(value)  # PyYAML, which MONAI uses, reads 1e-05 as a text
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    return json.dumps(value)


def to_config(value: Any) -> str:
    """As `to_yaml`, for a file that MONAI parses: a text that it would change becomes an expression with that value."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_config, value))}]"
    if isinstance(value, str) and ("#" in value or value.startswith(("$", "@", "%"))):
        return to_yaml("$" + repr(value).replace("#", r"\x23").replace("@", r"\x40"))
    return to_yaml(value)


def render_values(config: str, values: Mapping[str, Any], write: Callable[[Any], str] = to_yaml) -> str:
    """Lines `name: value  # description [unit]` of those settings of a config that have a value, by group."""
    blocks = []
    for group in CONFIGS[config]:
        lines = [f"# --- {_title(group)}"]
        for name in group.model_fields:
            if name not in values:
                continue
            each = SETTINGS[name]
            unit = f" [{each.unit}]" if each.unit else ""
            lines.append(f"{name}: {write(values[name])}  # {each.description}{unit}")
        if len(lines) > 1:
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def render_settings(values: Mapping[str, Any], head: str) -> str:
    """The text of `settings.yaml` of a bundle, with a first line without `#`."""
    configs = [config for config in CONFIGS if list_settings([config]).keys() & values.keys()]
    return "\n".join([f"# {head}\n", *(render_values(config, values) for config in configs)])


def render_section(config: str, values: Mapping[str, Any] | None = None) -> str:
    """The section of a template's YAML from marker to marker, with values that override the defaults."""
    own = {name: (values or {}).get(name, default) for name, default in list_settings([config]).items()}
    pairs = " ".join(f'{name}:~"@{name}",' for name in own)  # a pair stays on one line
    mapping = textwrap.fill(pairs, WIDTH, initial_indent="  ", subsequent_indent="  ").replace("~", " ")
    key = "settings" if config == "inference" else "+settings"  # MONAI merges a key with a plus into that of the file before
    return f"{BEGIN}\n{render_values(config, own, to_config)}\n{MAPPING}\n{key}: {{\n{mapping}\n}}\n{END}\n"


def replace_section(text: str, section: str) -> str:
    """The text of a template's YAML with another section between the markers."""
    head, _, rest = text.partition(BEGIN)
    return head + section + rest.partition(f"{END}\n")[2]


def render_page() -> str:
    """`docs/settings.md`: a table for each group."""
    parts = [_PAGE_HEAD]
    for config, groups in CONFIGS.items():
        parts.append(f"## {_TITLES[config]}: `{config}.yaml`\n")
        for group in groups:
            rows = [_render_row(SETTINGS[name]) for name in group.model_fields]
            parts.append("\n".join([f"### {_title(group)}\n", _TABLE_HEAD, *rows, ""]))
    return "\n".join(parts)


def write_all(root: Path) -> list[Path]:
    """Write the sections of the template and the page of a checkout; the files."""
    files = {root / "docs" / "settings.md": render_page()}
    for config in CONFIGS:
        path = root / "bundle" / "configs" / f"{config}.yaml"
        files[path] = replace_section(path.read_text(encoding="utf-8"), render_section(config))
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


def _title(group: type[Group]) -> str:
    return (group.__doc__ or group.__name__).rstrip(".")


def _render_row(each: Setting) -> str:
    cells = (f"`{each.name}`", f"`{to_yaml(each.default)}`", each.rule, each.unit, each.description)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":  # `make settings`
    write_all(Path.cwd())
