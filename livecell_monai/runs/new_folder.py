"""A folder that is filled as a whole: it stays empty until every file is written."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livecell_monai.errors import SettingError
from livecell_monai.runs.atomic import make_folder, writing_errors


@contextmanager
def fill_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder`, whose entries move into it if the block succeeds, and which is removed else.

    Raises a SettingError if `folder` exists and is not empty, a DataError if it cannot be written.
    """
    check_new(folder)
    make_folder(folder.absolute().parent)
    with writing_errors(folder), tempfile.TemporaryDirectory(prefix=".filling-", dir=folder.absolute().parent) as temporary:
        draft = Path(temporary)
        yield draft
        check_new(folder)  # again: another process may have written there
        make_folder(folder)
        entries = sorted(draft.iterdir())
        try:
            for entry in entries:
                shutil.move(entry, folder / entry.name)
        except BaseException:
            for entry in entries:
                shutil.rmtree(folder / entry.name, ignore_errors=True)
            raise


def check_new(folder: Path) -> None:
    """Raise a SettingError unless a folder is new or empty."""
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{folder}: the output must be a folder, this is a file; name another folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise SettingError(f"{folder}: the output folder must be empty or new; name another folder or empty this one")
