"""Files onto disk, each whole or not at all.

Every writer goes through `atomic_path`, so that a crash, a full disk or a second process never leaves half a file under
a name that someone trusts.
"""

import csv
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from livecell_monai.errors import DataError, SettingError

_DOUBLE = (".ome", ".nii")  # endings of two parts


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path to write to, in the same folder and with the same ending, which takes the final name at the end.

    Until then a file that has the name already stays as it is; on any failure the temporary one is removed.

    Args:
        path: the final name.

    Raises:
        DataError: the system refuses: disk full, no right to write, no such folder.
    """
    temporary = temporary_path(path)
    try:
        with writing_errors(path):
            yield temporary
            temporary.replace(path)
    finally:
        remove(temporary)


def temporary_path(path: Path) -> Path:
    """A name in the same folder and with the same ending that nothing has."""
    # hidden, so that a listing of images never takes it up; short, whatever the length of the name
    ending = "".join(path.suffixes[-2:]) if path.with_suffix("").suffix.lower() in _DOUBLE else path.suffix
    return path.with_name(f".writing-{uuid.uuid4().hex}{ending}")


@contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Turn what the system says while a file is written into one line.

    Args:
        path: the name that the message gives.

    Raises:
        DataError: the system refuses: disk full, no right to write, no such folder.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({describe_os_error(error)}); make room, or choose a folder that exists and may be "
            "written to"
        ) from error


def describe_os_error(error: OSError) -> str:
    """What the system says, on one line."""
    if isinstance(error, shutil.Error):  # of a folder: a list of what went wrong, file by file
        return " ".join(str(error.args[0][0][-1]).split())
    # numpy gives the number of bytes alone that were taken
    return " ".join((error.strerror or f"no more room, {error}").split())


def move_to_name(source: Path, target: Path, aside: Path) -> None:
    """Move a file or folder to its name, in place of a file or folder of the same kind; nothing where it was moved before.

    Args:
        source: what was written.
        target: the name that it gets.
        aside: a folder on the same disk that a replaced folder is moved into; it is removed later.

    Raises:
        DataError: the system refuses.
    """
    with writing_errors(target):
        if source.is_dir() and target.is_dir():  # a folder cannot be replaced by another in one step
            target.rename(aside / f"replaced-{uuid.uuid4().hex}")
        try:
            source.replace(target)
        except FileNotFoundError:
            if source.exists():  # it is the folder of the target that is missing
                raise


def remove(temporary: Path) -> None:
    """Remove a temporary file, where there is one."""
    with suppress(OSError):  # there is none, or its folder is no folder: the first error tells more
        temporary.unlink()


def check_overwrite(path: Path, overwrite: bool) -> None:
    """Refuse a file that cannot be written without loss, before any work is done.

    Args:
        path: the file.
        overwrite: whether a file of an earlier call may be written over.

    Raises:
        SettingError: where its folder is not there, or the file is.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise SettingError(f"{path}: must be a file in a folder that is there, it is not; make the folder or name another")
    if path.exists() and not overwrite:
        raise SettingError(f"{path}: a result must not be there yet, it is; name another file or --overwrite")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, a column for each name that any row has, in the order they come up.

    Args:
        path: ends in .csv.
        rows: values by name; a name that a row lacks is left empty.

    Raises:
        DataError: the file cannot be written.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, names)
        table.writeheader()
        table.writerows(rows)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, where they are not there yet.

    Args:
        folder: the folder.

    Raises:
        DataError: the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror}); choose a folder that may be written to") from error
    return folder
