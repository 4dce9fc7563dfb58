"""What the templates of livecell say outside their settings: that of this package, and those of earlier versions.

Earlier ones are kept in `known.json` as hashes of each entry, by file and name. An entry of one version beside that of
another is as harmless as either: all of them are ours.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from livecell_monai.bundle.trusting.reading import read_config

#: set by whoever opens the bundle, not by the user
PATHS = ("bundle_root", "started", "plan", "unlabelled", "parent_run", "on_epoch", "force", "request")
#: of more than one kind; their readers know which values they take
EITHER = ("scale", "pos_weight", "lr_step", "window", "compile")
DIGITS = 32  # of a SHA-256, which leaves 2^128 tries to find another entry of the same hash
MARKS = ("$", "@", "%")  # what MONAI reads as expression, reference and macro


@dataclass(frozen=True)
class Known:
    """What a config of one name may say.

    Attributes:
        entries: values of the installed template by name of the entry, settings left out.
        hashes: of each entry, those of every version.
        settings: by name, the values of every version.
        needed: names of the entries that every version has.
    """

    entries: Mapping[str, Any]
    hashes: Mapping[str, frozenset[str]]
    settings: Mapping[str, tuple[Any, ...]]
    needed: frozenset[str]


def hash_entry(value: Any) -> str:
    """A hash of a plain value that does not hang on how it was written down."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()[:DIGITS]


def is_plain(value: Any) -> bool:
    """Whether a value is one that MONAI takes as it stands."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    if isinstance(value, str):
        return not value.strip().startswith(MARKS)
    return value is None or isinstance(value, bool | int | float)


def describe_template(template: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(entries, settings) of a config, by name."""
    content = read_config(template / "configs" / name).value
    settings = {key: value for key, value in content.items() if is_plain(value) and key not in PATHS}
    return {key: value for key, value in content.items() if key not in settings}, settings


@lru_cache(maxsize=16)
def know(template: Path, name: str) -> Known | None:
    """What a config may say; None for a name that no template has.

    Args:
        template: the bundle that the installed package starts from.
        name: of the file.
    """
    earlier = json.loads(files("livecell_monai.bundle.trusting").joinpath("known.json").read_text(encoding="utf-8"))
    there = (template / "configs" / name).is_file()
    if not there and name not in earlier:
        return None
    entries, settings = describe_template(template, name) if there else ({}, {})
    before = earlier.get(name, {"entries": {}, "settings": {}, "always": list(entries)})
    hashes = {key: frozenset(found) for key, found in before["entries"].items()}
    for key, value in entries.items():
        hashes[key] = hashes.get(key, frozenset()) | {hash_entry(value)}
    values = {key: tuple(found) for key, found in before["settings"].items()}
    for key, value in settings.items():
        values[key] = (value, *values.get(key, ()))
    needed = frozenset(before["always"]) & frozenset(entries or before["always"])
    return Known(entries, hashes, values, needed)
