"""Packages of other people, installed into a folder as pip leaves them: a module and its entry points."""

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from livecell_monai.data.formats import list_formats
from livecell_monai.plugins import load_plugins


def write_package(folder: Path, name: str, code: str, entry_points: Mapping[str, Mapping[str, str]]) -> Path:
    """Write module `name` and its metadata; `entry_points` are objects by name by group, as in `pyproject.toml`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = [line for group, points in entry_points.items() for line in (f"[{group}]", *_pairs(points))]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Have Python find the packages of a folder, and ours forget what it found before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        forget_plugins()
        yield
    forget_plugins()


def forget_plugins() -> None:
    """Have the next look-up search again."""
    load_plugins.cache_clear()
    list_formats.cache_clear()


def _pairs(points: Mapping[str, str]) -> list[str]:
    return [f"{name} = {value}" for name, value in points.items()]
