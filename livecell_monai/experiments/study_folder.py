"""The folder of a study of several trainings: its ledger, so that another study does not mix with it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.ledger import Ledger


@contextmanager
def open_study(root: Path, record: str, what: str, must_match: Mapping[str, Any], wait: bool = False) -> Iterator[Ledger]:
    """Start a study, or resume the same one, and keep its folder to this process for the time of the block.

    Args:
        root: a folder that is new, empty, or of the same study; the ledger lies in it and stays there.
        record: file name of the record.
        what: the kind of study, in words, as `a sweep`.
        must_match: the values that make it the same study, by name.
        wait: whether to wait for another process, else it is an error.

    Raises:
        DataError: the folder holds something else.
        SettingError: it holds another study, or another process works in it.
    """
    ledger = Ledger(root, what, "name another folder", record, results=root)
    # hidden files are the lock, a record that is being written, or what a file manager leaves
    is_ours = not root.exists() or ledger.is_unfinished()
    if not is_ours and (not root.is_dir() or any(not path.name.startswith(".") for path in root.iterdir())):
        raise DataError(f"{root}: the output folder must be empty or new, it is not; name another or remove it")
    with ledger.lock(wait):
        if ledger.is_unfinished():
            ledger.check_same(must_match)
        else:
            ledger.start(must_match)
        yield ledger


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
                f"setting {name} must be left as it is in {what}, got {settings[name]!r}: a training would be chosen by "
                "what it is scored on; leave it out"
            )
