"""YAML that a user gives, an overlay, a search space or a value, as plain values: bounded, and nothing expanded."""

import re
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from livecell_monai.errors import SettingError

MOST_CHARACTERS = 2**18  # the largest of our own configs has a tenth of it
MOST_LEVELS = 24  # of nesting; our own have 7
_LEADING_ZERO = re.compile(r"[-+]?0o?[0-9_]+")


def read_values(path: Path, what: str) -> Any:
    """What a YAML file holds.

    Args:
        path: the file.
        what: it is, for the message.

    Raises:
        SettingError: where it cannot be read, is too large or too deep, or uses more than plain YAML.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:160]
        raise SettingError(f"{path}: {what} must be a YAML file, it cannot be read: {reason}; mend it") from error
    return parse_values(text, f"{path}: {what} must be a YAML file")


def parse_values(text: str, rule: str) -> Any:
    """What a YAML text holds.

    Args:
        text: of one document.
        rule: what the message begins with: the thing, and that it must be YAML.

    Raises:
        SettingError: as `read_values`.
    """
    if len(text) > MOST_CHARACTERS:
        raise SettingError(f"{rule} of at most {MOST_CHARACTERS} characters, got more; take out what is no setting")
    try:
        found = find_unplain(text)
        value = None if found else YAML(typ="safe", pure=True).load(text)
    # whatever a scalar is taken for may be out of range: a date, a number of thousands of digits
    except (YAMLError, yaml.YAMLError, ValueError, ArithmeticError, TypeError, AttributeError, LookupError) as error:
        reason = " ".join(str(error).split())[:160]
        raise SettingError(f"{rule}, got {_show(text)}, which cannot be read: {reason}; correct it") from error
    if found:
        raise SettingError(f"{rule} of plain values, got {found[0]} in line {found[1]}; write the values out")
    return value


def parse_setting(text: str) -> tuple[str, Any]:
    """A setting as the command line gives it, `name=value`, the value in YAML.

    Raises:
        SettingError: where there is no `=` or the value is not YAML.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise SettingError(f"--set must be given as name=value, got {text!r}; for example --set lr=0.0005")
    return name.strip(), parse_values(value, f"--set {name.strip()} must have a value in YAML")


def find_unplain(text: str) -> tuple[str, int] | None:
    """What makes a small text a large value, or a value something else than it looks, and its line from 1; None for nothing.

    Asked of the stream of events, before anything is built.

    Raises:
        YAMLError: PyYAML's, where the text is no YAML.
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
        if depth > MOST_LEVELS:
            found = f"more than {MOST_LEVELS} levels"
        if found:
            return found, event.start_mark.line + 1
    return None


def _show(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."
