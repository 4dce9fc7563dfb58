"""The folder of a study of several trainings: what was asked is noted in it, so that another call goes on as it began."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from livecell_monai.data.writing import atomic_path, make_folder
from livecell_monai.errors import DataError, SettingError


def open_folder(root: Path, record: str, asked: Mapping[str, Any]) -> Path:
    """The folder, new or of the same study before.

    Args:
        root: the folder.
        record: name of the JSON file in it that says what was asked.
        asked: what the results hang on, by name; plain values.

    Raises:
        DataError: where the folder holds something else, or a study of something else.
    """
    path = root / record
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))["asked"]
            differing = [name for name in {**asked, **before} if before.get(name) != asked.get(name)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: must be the record of such a study, it is not; name another folder") from error
        if differing:
            raise DataError(f"{root}: a study goes on only as it began, {', '.join(differing)} differ; name another folder")
        return root
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root}: the output folder must be empty or new, it is not; name another or remove it")
    make_folder(root)
    write_record(root / record, {"asked": dict(asked)})
    return root


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_record(path: Path) -> dict[str, Any]:
    """A record as `write_record` wrote it."""
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


@contextmanager
def lock_folder(root: Path) -> Iterator[None]:
    """Keep a folder to one process for the time of the block.

    Raises:
        SettingError: where another process is at work in it.
    """
    try:
        with FileLock(root / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise SettingError(
            f"{root}: one call at a time may work in the folder, another does; wait, or name another"
        ) from error
