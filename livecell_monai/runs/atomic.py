"""Atomic writes: a crash, a full disk or a second process never leaves half a file under its final name; and CSV tables."""

import csv
import errno
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from livecell_monai.errors import DataError, SettingError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder with the same ending, renamed to `path` if the block succeeds, else removed.

    Raises a DataError if the file cannot be written.
    """
    temporary = temporary_path(path)
    try:
        with writing_errors(path):
            yield temporary
            temporary.replace(path)
    finally:
        remove(temporary)


def check_writable(path: Path) -> None:
    """Raise a DataError if a file cannot be written there, before long work for it; leaves nothing behind."""
    temporary = temporary_path(path)
    try:
        with writing_errors(path):
            temporary.touch()
    finally:
        remove(temporary)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file atomically, text as UTF-8; raises a DataError if it cannot be written."""
    with atomic_path(path) as temporary:
        if isinstance(content, str):
            temporary.write_text(content, encoding="utf-8")
        else:
            temporary.write_bytes(content)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV with a column for each name of any row, in order of appearance; missing values are empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, names)
        table.writeheader()
        table.writerows(rows)


def read_table(path: Path, name: str = "") -> list[dict[str, str]]:
    """The rows of a CSV file by column; a DataError, which names the file by `name` or by its path, if it is unreadable."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name or path}: must be a CSV table, got: {reason}; write it again") from error


def temporary_path(path: Path) -> Path:
    """An unused name in the same folder with the same ending; hidden, so that no listing of images includes it."""
    is_double = path.with_suffix("").suffix.lower() in (".ome", ".nii")
    ending = "".join(path.suffixes[-2:]) if is_double else path.suffix
    return path.with_name(f".writing-{uuid.uuid4().hex}{ending[:16]}")


@contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Turn an OSError raised while `path` is written into a DataError that names it."""
    try:
        yield
    except OSError as error:
        is_taken = error.errno in (errno.EISDIR, errno.ENOTEMPTY)
        remedy = "remove that folder" if is_taken else "make room, or choose a folder that exists and is writable"
        raise DataError(f"{path}: cannot be written ({describe_os_error(error)}); {remedy}") from error


def describe_os_error(error: OSError) -> str:
    """The reason on one line."""
    if isinstance(error, shutil.Error):  # of a folder: a list of errors, file by file
        return " ".join(str(error.args[0][0][-1]).split())
    # numpy states only the number of bytes written
    return " ".join((error.strerror or f"no more room, {error}").split())


def move_to_name(source: Path, target: Path, aside: Path) -> None:
    """Move a file or folder to its final name, unless it was moved before; a folder that it replaces moves into `aside`."""
    with writing_errors(target):
        if source.is_dir() and target.is_dir():  # a folder cannot be replaced by another in one step
            target.rename(aside / f"replaced-{uuid.uuid4().hex}")
        try:
            source.replace(target)
        except FileNotFoundError:
            if source.exists():  # the target's folder is missing
                raise


def remove(temporary: Path) -> None:
    """Remove a temporary file if it exists."""
    with suppress(OSError):  # an earlier error says more
        temporary.unlink()


def check_overwrite(path: Path, overwrite: bool) -> None:
    """Raise a SettingError if the folder of a result file is missing, or the file exists and must not be overwritten."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise SettingError(f"{path}: expected a file name in an existing folder; create the folder or choose another name")
    if path.exists() and not overwrite:
        raise SettingError(f"{path}: already exists; choose another name or add --overwrite")


def make_folder(folder: Path) -> Path:
    """Create a folder and its parents if needed, and return it; raises a DataError if it cannot be created."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be created ({error.strerror}); choose a writable folder") from error
    return folder
