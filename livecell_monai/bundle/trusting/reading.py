"""YAML and JSON of a foreign bundle as plain values with their lines: bounded, nothing built, nothing expanded.

The loader is the one that MONAI takes, so that both see the same values; what could make them differ (anchors, tags,
several documents, a key twice) is refused.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from monai.utils.misc import CheckKeyDuplicatesYamlLoader
from yaml.constructor import SafeConstructor

from livecell_monai.bundle.plain_yaml import find_unplain
from livecell_monai.errors import BundleError

MOST_BYTES = 2**18  # of a config; the largest of our own has 25,000
MOST_METADATA_BYTES = 2**24  # 100 bytes an annotated image, and some more
SHOWN = 60  # characters of a value in a message
Plain = dict[str, Any] | list[Any] | str | int | float | bool | None


@dataclass(frozen=True)
class Placed:
    """A value of a config and where it stands.

    Attributes:
        value: plain, whatever lies below included.
        line: from 1.
        parts: what it is made of, by key or by index; empty for a scalar.
    """

    value: Any
    line: int
    parts: dict[str | int, "Placed"]


class ConfigError(BundleError):
    """Something in a file that is not read, with the place.

    Args:
        path: of the file.
        line: from 1; 0 where it is not of one line.
        rule: what must be, and what is there.
        remedy: what to do.
    """

    def __init__(self, path: Path, line: int, rule: str, remedy: str = "take the bundle from elsewhere") -> None:
        super().__init__(f"{path}{f':{line}' if line else ''}: {rule}; {remedy}")


def read_config(path: Path) -> Placed:
    """The mapping in a YAML file.

    Raises:
        BundleError: where it is too large or too deep, uses what a config does not need, or is no mapping.
    """
    text = _read_text(path, MOST_BYTES)
    try:
        if (artful := find_unplain(text)) is not None:
            raise ConfigError(path, artful[1], f"a config must be plain YAML, got {artful[0]}")
        node = yaml.compose(text, CheckKeyDuplicatesYamlLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        line = 0 if mark is None else mark.line + 1
        raise ConfigError(path, line, f"a config must be a mapping in YAML, got: {str(reason)[:120]}", "mend it") from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(path, 1, "a config must be a mapping in YAML, it is not", "mend it")
    return _place(path, node)


def read_plain(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, as plain values.

    Raises:
        BundleError: as `read_config`.
    """
    value: dict[str, Any] = read_config(path).value
    return value


def read_metadata(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        BundleError: where it is too large or no object.
    """
    text = _read_text(path, MOST_METADATA_BYTES)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise BundleError(f"{path}: the metadata must be JSON, got: {reason}; restore it") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path}: the metadata must be a JSON object, got {type(content).__name__}; restore it")
    return content


def show(value: object) -> str:
    """A value in a message: on one line, cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _read_text(path: Path, most: int) -> str:
    try:
        size = path.stat().st_size
        if size > most:
            raise ConfigError(path, 0, f"a bundle's file must have at most {most:,} bytes here, got {size:,}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise BundleError(f"{path}: a bundle must have this file in UTF-8, got: {reason}; restore it") from error


def _place(path: Path, node: yaml.Node) -> Placed:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return Placed(_build(path, node), line, {})
    parts: dict[str | int, Placed] = {}
    if isinstance(node, yaml.SequenceNode):
        parts.update(enumerate(_place(path, each) for each in node.value))
        return Placed([part.value for part in parts.values()], line, parts)
    for key_node, value_node in node.value:
        key, at = key_node.value, key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or not isinstance(_build(path, key_node), str):
            raise ConfigError(path, at, f"a key must be a word, got {show(key)}", "mend it")
        if key in parts:
            raise ConfigError(path, at, f"a key must stand once, {show(key)} stands twice", "mend it")
        part = _place(path, value_node)
        parts[key] = Placed(part.value, at, part.parts)
    return Placed({key: part.value for key, part in parts.items()}, line, parts)


def _build(path: Path, node: yaml.ScalarNode) -> Any:
    """A scalar as MONAI's loader reads it."""
    if node.tag == "tag:yaml.org,2002:merge":
        raise ConfigError(path, node.start_mark.line + 1, "a config must be plain YAML, got a merge key (<<)")
    try:
        return SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        line = node.start_mark.line + 1
        raise ConfigError(path, line, f"a value must be readable, got {show(node.value)}", "mend it") from error
