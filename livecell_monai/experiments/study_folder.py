"""The folder of a study of several trainings: it notes what was asked, so that another call cannot mix with it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.atomic import atomic_path, make_folder

LOCK = ".lock"  # held while several processes agree on what is theirs in common
AT_WORK = ".at_work"  # held by the one process that works in the folder


def open_folder(root: Path, record: str, asked: Mapping[str, Any], what: str) -> None:
    """Make a folder with what was asked noted in it, or find that it holds the same study.

    Args:
        root: the folder: new, empty, or of the same study.
        record: name of the file that holds what was asked.
        asked: what makes this study another than the next; goes through JSON.
        what: the kind of study, in words, as `a sweep`.

    Raises:
        DataError: where the folder holds something else, or a study of another question.
    """
    # hidden files are the lock, a record that is being written, or what a file manager leaves
    is_ours = not root.exists() or (root / record).is_file()
    if not is_ours and (not root.is_dir() or any(not path.name.startswith(".") for path in root.iterdir())):
        raise DataError(f"{root}: the output folder must be empty or new, it is not; name another or remove it")
    make_folder(root)
    with FileLock(root / LOCK):
        if (root / record).is_file():
            check_same_run(str(root), what, _read_asked(root / record, what), asked, "name another folder")
        else:
            write_record(root / record, {"asked": asked})


def check_same_run(where: str, what: str, before: Mapping[str, Any], asked: Mapping[str, Any], remedy: str) -> None:
    """Refuse to go on with a study that began with another question.

    Raises:
        DataError: what differs.
    """
    now = json.loads(json.dumps(asked))
    differing = [name for name in now if before.get(name) != now[name]]
    if differing:
        raise DataError(f"{where}: {what} goes on only as it began, {', '.join(differing)} differ; {remedy}")


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_record(path: Path) -> dict[str, Any]:
    """A record as `write_record` wrote it."""
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


@contextmanager
def keep_to_one(root: Path) -> Iterator[None]:
    """Keep a folder to one process for the time of the block.

    Raises:
        SettingError: where another process is at work in it.
    """
    try:
        with FileLock(root / AT_WORK, timeout=0):
            yield
    except Timeout as error:
        raise SettingError(
            f"{root}: one call at a time may work in the folder, another does; wait, or name another"
        ) from error


def _read_asked(record: Path, what: str) -> dict[str, Any]:
    try:
        return dict(json.loads(record.read_text(encoding="utf-8"))["asked"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{record}: must be the record of {what}, it is not; name another folder") from error


def check_choosing(settings: Mapping[str, Any], held: Mapping[str, Any], what: str) -> None:
    """Refuse settings by which a training would choose on what it is scored on.

    Args:
        settings: those that were given.
        held: those that the study holds, with their values.
        what: the kind of study, in words, as `a sweep`.

    Raises:
        SettingError: where one is given with another value.
    """
    for name, value in held.items():
        if name in settings and settings[name] != value:
            raise SettingError(
                f"setting {name} must be left as it is in {what}, got {settings[name]!r}: what a training is scored on "
                "would choose; leave it out"
            )
