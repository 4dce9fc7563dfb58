"""Reads YAML from users as plain values: limited in size and depth, without aliases and tags."""

import re
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from livecell_monai.errors import SettingError, describe_error

MAX_CHARACTERS = 2**18  # ten times the largest of our own configs
MAX_LEVELS = 24  # of nesting; our own configs have 7
_LEADING_ZERO = re.compile(r"[-+]?0o?[0-9_]+")


def read_values(path: Path, what: str) -> Any:
    """The content of a YAML file; messages call it `what`.

    Raises a SettingError if it cannot be read, is too large or too deep, or is not plain YAML.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or describe_error(error)
        raise SettingError(f"{path}: {what} must be a YAML file, it cannot be read: {reason}; replace it") from error
    return parse_values(text, f"{path}: {what} must be a YAML file")


def parse_values(text: str, rule: str) -> Any:
    """The content of a YAML text of one document.

    Raises a SettingError as `read_values` does; its message starts with `rule`: the thing, and that it must be YAML.
    """
    if len(text) > MAX_CHARACTERS:
        raise SettingError(f"{rule} of at most {MAX_CHARACTERS} characters, got more; remove everything but settings")
    try:
        found = _find_unplain(text)
        value = None if found else YAML(typ="safe", pure=True).load(text)
    # a scalar may be out of range for its type: a date, a number with thousands of digits
    except (YAMLError, yaml.YAMLError, ValueError, ArithmeticError, TypeError, AttributeError, LookupError) as error:
        shown = repr(text) if len(text) <= 60 else f"{text[:60]!r}..."
        raise SettingError(f"{rule}, got {shown}, which cannot be read: {describe_error(error)}; correct it") from error
    if found:
        raise SettingError(f"{rule} of plain values, got {found}; write the values out")
    return value


def parse_setting(text: str) -> tuple[str, Any]:
    """Name and value of a setting from the command line, `name=value` with the value in YAML.

    Raises a SettingError if there is no `=`, or the value is not YAML.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise SettingError(f"--set must be given as name=value, got {text!r}; for example --set lr=0.0005")
    return name.strip(), parse_values(value, f"--set {name.strip()} must have a value in YAML")


def _find_unplain(text: str) -> str:
    """The first thing that is not a plain value, with its line; empty if there is none.

    It looks at the stream of events, before any value is built: aliases could make a small text a large value.
    """
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        found = ""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            found = "an anchor or alias"
        elif getattr(event, "tag", None) is not None:
            found = "a tag"
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            found = "a directive" if event.version or event.tags else "a second document" if documents > 1 else ""
        elif isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _LEADING_ZERO.fullmatch(event.value):
            found = f"{event.value} with a leading zero"  # octal in YAML 1.1, decimal in YAML 1.2
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_LEVELS:
            found = f"more than {MAX_LEVELS} levels"
        if found:
            return f"{found} in line {event.start_mark.line + 1}"
    return ""
