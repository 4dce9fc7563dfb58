"""The settings written down: the sections of the template's YAML, `settings.yaml` of a bundle, and the table in the docs."""

import json
import math
import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from livecell_monai.settings.fields import Group
from livecell_monai.settings.schema import CONFIGS, SETTINGS, Setting

BEGIN = "# --- settings: written by `make settings` from livecell_monai/settings/, do not edit here"
END = "# --- end of the settings"
MAPPING = "# all of them by name: for the check, the record of a run and what must match when a run is resumed"
_BARE = re.compile(r"[A-Za-z_][\w./-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # a bare one would be no text
WIDTH = 125


def to_yaml(value: Any) -> str:
    """A plain value on one line, as every reader of YAML takes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_yaml, value))}]"
    if isinstance(value, str):
        is_bare = _BARE.fullmatch(value) and value.lower() not in _WORDS
        return value if is_bare else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a setting must be finite, got {value}")
        text = repr(value)  # 1e-05 is a text to PyYAML, which MONAI reads by
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    return json.dumps(value)


def render_values(config: str, values: Mapping[str, Any]) -> str:
    """Lines `name: value  # description` by group.

    Args:
        config: whose settings.
        values: by name; a setting without one is left out.
    """
    blocks = []
    for group in CONFIGS[config]:
        names = [name for name in group.model_fields if name in values]
        if names:
            blocks.append(
                "\n".join([f"# --- {group.title}", *(_render_line(SETTINGS[name], values[name]) for name in names)])
            )
    return "\n\n".join(blocks) + "\n"


def render_settings(values: Mapping[str, Any], head: str) -> str:
    """The text of `settings.yaml` of a bundle.

    Args:
        values: by name.
        head: its first line, without `#`.
    """
    return "\n".join([f"# {head}\n", *(render_values(config, values) for config in CONFIGS if _has_any(config, values))])


def render_section(config: str, values: Mapping[str, Any] | None = None) -> str:
    """The section of a template's YAML between its two markers, these included.

    Args:
        config: name of the file, without `.yaml`.
        values: over the defaults, by name.
    """
    own = {name: each.default for name, each in SETTINGS.items() if each.config == config}
    own |= {name: value for name, value in (values or {}).items() if name in own}
    pairs = " ".join(f'{name}:~"@{name}",' for name in own)  # a pair stays on one line
    mapping = textwrap.fill(pairs, WIDTH, initial_indent="  ", subsequent_indent="  ").replace("~", " ")
    key = "settings" if config == "inference" else "+settings"  # MONAI merges a key with a plus into that of the file before
    return f"{BEGIN}\n{render_values(config, own)}\n{MAPPING}\n{key}: {{\n{mapping}\n}}\n{END}\n"


def replace_section(text: str, section: str) -> str:
    """The text of a template's YAML with another section between the markers."""
    head, _, rest = text.partition(BEGIN)
    return head + section + rest.partition(f"{END}\n")[2]


def render_page() -> str:
    """`docs/settings.md`: a table for each group."""
    parts = [_PAGE_HEAD]
    for config, groups in CONFIGS.items():
        parts.append(f"## {_TITLES[config]}: `{config}.yaml`\n")
        parts += [_render_table(group) for group in groups]
    return "\n".join(parts)


def write_all(root: Path) -> list[Path]:
    """Write the sections of the template and the page; the files.

    Args:
        root: folder of the checkout.
    """
    files = {root / "docs" / "settings.md": render_page()}
    for config in CONFIGS:
        path = root / "bundle" / "configs" / f"{config}.yaml"
        files[path] = replace_section(path.read_text(encoding="utf-8"), render_section(config))
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


def _has_any(config: str, values: Iterable[str]) -> bool:
    return any(name in SETTINGS and SETTINGS[name].config == config for name in values)


def _render_line(each: Setting, value: Any) -> str:
    unit = f" [{each.unit}]" if each.unit else ""
    return f"{each.name}: {to_yaml(value)}  # {each.description}{unit}"


def _render_table(group: type[Group]) -> str:
    title = group.title[0].upper() + group.title[1:]
    rows = ["| name | default | values | unit | description |", "| --- | --- | --- | --- | --- |"]
    for name in group.model_fields:
        each = SETTINGS[name]
        cells = (f"`{name}`", f"`{to_yaml(each.default)}`", each.rule, each.unit, each.description)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return f"### {title}\n\n" + "\n".join(rows) + "\n"


_TITLES = {"inference": "Model and prediction", "train": "Training", "evaluate": "Evaluation"}
_PAGE_HEAD = """# Settings

Written by `make settings` from `livecell_monai/settings/`. Give a setting by `--set NAME=VALUE`, by an overlay (a YAML file
with some of these names, `--config FILE`), or by `--NAME VALUE` with `python -m monai.bundle run`. `livecell settings`
prints this table, `livecell settings NAME` one row of it.
"""


if __name__ == "__main__":  # `make settings`
    write_all(Path.cwd())
