"""A foreign bundle refused, at the line, where it says something outside its settings that no template of livecell says."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from livecell_monai.bundle.trusting.bounds import check_large_network, find_excess
from livecell_monai.bundle.trusting.known import EITHER, Known, hash_entry, is_plain, know
from livecell_monai.bundle.trusting.reading import ConfigError, Placed, read_config, read_metadata, show
from livecell_monai.errors import BundleError

REMEDY = "add --trust only if you would run a script from whoever made the bundle"
PARTS = ("configs", "docs", "models")
_REFERENCE = re.compile(r"@(\w+)")
_POWER = re.compile(r"-?\d+e[-+]?\d+")
_RUNS = ("$", "%")  # in metadata, which MONAI reads as a config too


def check_links(root: Path) -> None:
    """Refuse symbolic links among the files of a bundle: what they name is not part of it.

    Raises:
        BundleError: the first one.
    """
    for part in PARTS:
        for folder, names, files in os.walk(root / part):
            for name in (".", *names, *files):
                path = Path(os.path.normpath(Path(folder) / name))
                if path.is_symlink():
                    raise BundleError(
                        f"{path}: a bundle must hold its files itself, this is a symbolic link to "
                        f"{show(os.readlink(path))}; copy the file in its place if you know it"
                    )


def check_foreign(root: Path, configs: Sequence[Path], template: Path) -> None:
    """Refuse a bundle that differs from livecell's own, of this or of an earlier version, in more than its settings.

    Args:
        root: the bundle.
        configs: the files that are to be opened, overlays last.
        template: the bundle that the installed package starts from.

    Raises:
        BundleError: the first thing that differs, with its line.
    """
    _check_metadata(root / "configs" / "metadata.json")
    _check_logging(root / "configs" / "logging.conf", template / "configs" / "logging.conf")
    defined: dict[str, Any] = {}
    for path in configs:
        known, found = know(template, path.name), read_config(path)
        if known is None:
            raise ConfigError(path, 0, "livecell has no config of this name", REMEDY)
        defined |= _check_config(path, found, known)
    _check_loose_ends(configs[-1], defined)
    check_large_network(root, defined)


def _check_config(path: Path, config: Placed, known: Known) -> dict[str, Any]:
    """The config's entries by name, each of which has been found harmless."""
    for name, part in config.parts.items():
        if hash_entry(part.value) in known.hashes.get(str(name), ()):
            continue
        if str(name) in known.settings:
            _check_setting(path, str(name), part, known.settings[str(name)])
        elif name in known.hashes:
            line, found = _differ(part, known.entries.get(str(name)), str(name))
            raise ConfigError(
                path, line, f"outside its settings a bundle must say what livecell's own does, got {found}", REMEDY
            )
        else:
            rule = f"an entry must be one that livecell writes, got {show(name)} with {show(part.value)}"
            raise ConfigError(path, part.line, rule, REMEDY)
    lacking = sorted(known.needed - config.value.keys())
    if lacking:
        raise ConfigError(
            path, 0, f"a config must have all entries of livecell's own, {lacking[0]} is missing", "restore it"
        )
    return dict(config.value)


def _check_setting(path: Path, name: str, part: Placed, own: Sequence[Any]) -> None:
    odd = next((each for each in _walk(part) if not is_plain(each.value) and not each.parts), part)
    if not is_plain(part.value):
        raise ConfigError(path, odd.line, f"the setting {name} must be a plain value, got {show(odd.value)}", REMEDY)
    kinds = {_kind(value) for value in own}
    if name not in EITHER and "null" not in kinds and _kind(part.value) not in kinds:
        rule = f"the setting {name} must be a {' or a '.join(sorted(kinds))}, got {show(part.value)}"
        raise ConfigError(path, part.line, rule, "restore it")
    for each in _walk(part):
        if excess := find_excess(name if each is part else "", each.value):
            raise ConfigError(path, each.line, f"the setting {name} must be {excess}, got {show(each.value)}", REMEDY)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, str) and _POWER.fullmatch(value):
        return "number"  # bundles of earlier versions have 1e-05, which MONAI's reader takes for a word
    kinds = ((int | float, "number"), (str, "word"), (list, "list"))
    return next((words for kind, words in kinds if isinstance(value, kind)), "null")


def _walk(part: Placed) -> Iterator[Placed]:
    yield part
    for below in part.parts.values():
        yield from _walk(below)


def _differ(part: Placed, own: Any, name: str) -> tuple[int, str]:
    """(line, words) of the first difference from what livecell's own says."""
    pairs = own if isinstance(own, dict) else dict(enumerate(own)) if isinstance(own, list) else {}
    if not part.parts or not pairs:
        return part.line, f"{name}: {show(part.value)}"
    for key, below in part.parts.items():
        called = _name_part(key, name)
        if key not in pairs:
            return below.line, f"{called}: {show(below.value)}"
        if hash_entry(below.value) != hash_entry(pairs[key]):
            return _differ(below, pairs[key], called)
    lacking = next(key for key in pairs if key not in part.parts)
    return part.line, f"no {_name_part(lacking, name)} in {name}"


def _name_part(key: str | int, name: str) -> str:
    return f"item {key + 1} of {name}" if isinstance(key, int) else key


def _check_loose_ends(path: Path, defined: dict[str, Any]) -> None:
    """Each entry that another one names is there."""
    words = [text for value in defined.values() for text in _strings(value) if text.startswith(("$", "@"))]
    named = {name for text in words for name in _REFERENCE.findall(text)}
    if lacking := sorted(named - defined.keys()):
        raise ConfigError(path, 0, f"a config must have what its entries name, {lacking[0]} is missing", "restore it")


def _check_metadata(path: Path) -> None:
    content = read_metadata(path)
    for text in _strings(content):
        if text.startswith(_RUNS) or text == "_target_":
            raise ConfigError(path, 0, f"metadata must be plain words and numbers, got {show(text)}", REMEDY)


def _check_logging(path: Path, own: Path) -> None:
    """This file is code to Python's logging, where MONAI's own command opens the bundle."""
    if path.is_file() and (path.stat().st_size != own.stat().st_size or path.read_bytes() != own.read_bytes()):
        raise ConfigError(path, 0, "a bundle must log as livecell's own does, this file differs", REMEDY)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield str(key)
            yield from _strings(below)
    elif isinstance(value, list):
        for below in value:
            yield from _strings(below)
