"""The ledger of an unfinished run, a folder that trainings, predictions, large images, tracked runs and studies keep.

The record is written last and removed first: a folder without one is no run. A commit lists files of `files/` in an entry
of `entries/`, then moves them to their final names. A resumed run moves the rest, so each file is published once.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from livecell_monai.errors import DataError, SettingError, mask_secrets
from livecell_monai.runs.atomic import make_folder, move_to_name, write_file, writing_errors

RECORD, LOCK = "record.json", ".lock"
STARTED_WITH = "started_with"  #: key of the record: the values that must match to resume, by name
MAX_SHOWN = 80  # characters of a value in a message
Record = dict[str, Any]


@dataclass(eq=False)
class Ledger:
    """The folder and its record. Every method that writes raises a DataError if it cannot."""

    path: Path  #: the folder, usually hidden
    what: str  #: the kind of run in words, as `a training`
    remedy: str  #: what to do if the run cannot be resumed, for messages
    record_name: str = RECORD  #: file name of the record
    results: Path | None = None  #: the folder that messages name and files are published to; None: the parent of `path`

    def __post_init__(self) -> None:
        self.output = self.path.parent if self.results is None else self.results
        self.record_file = self.path / self.record_name
        self.files, self.entries = self.path / "files", self.path / "entries"

    def is_unfinished(self) -> bool:
        """Whether a run was started here and has not ended."""
        return self.record_file.is_file()

    @contextmanager
    def lock(self, wait: bool = False) -> Iterator[None]:
        """Lock the folder during the block; a SettingError if another process holds the lock, and `wait` is False."""
        make_folder(self.path)
        try:
            lock = FileLock(self.path / LOCK).acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            raise SettingError(f"{self.output}: another process works in this folder; wait until it ends") from error
        with lock:
            yield

    def start(self, started_with: Mapping[str, Any], **facts: Any) -> None:
        """Write the record of a new run: the values that must match to resume, and other facts; all plain values."""
        make_folder(self.path)
        _write(self.record_file, {STARTED_WITH: dict(started_with), **facts})

    def create_folders(self) -> None:
        """Create the folders that files are committed through, before `start`; an error if they exist."""
        with writing_errors(self.path):
            self.files.mkdir(parents=True)
            self.entries.mkdir()

    def update(self, **facts: Any) -> None:
        """Add facts to the record; those of the same name are replaced."""
        _write(self.record_file, {**self.read(), **facts})

    def read(self) -> Record:
        """The record; raises a DataError if it cannot be read."""
        try:
            record: Record = json.loads(self.record_file.read_text(encoding="utf-8"))
            if not isinstance(record[STARTED_WITH], dict):
                raise TypeError(STARTED_WITH)
        except (OSError, ValueError, LookupError, TypeError) as error:
            # a record with a name of its own is in a folder with results
            remedy = f"remove {self.path}, or choose another folder" if self.record_name == RECORD else self.remedy
            raise DataError(f"{self.record_file}: the record of {self.what} cannot be read; {remedy}") from error
        return record

    def check_same(self, now: Mapping[str, Any]) -> None:
        """Reject values that differ from those that the run was started with; raises as the function `check_same`."""
        check_same(self.output, self.what, self.read()[STARTED_WITH], now, self.remedy)

    def commit(self, name: str, files: Sequence[str], **facts: Any) -> None:
        """List files of the folder `files` in an entry, with other facts, and publish them."""
        _write(self.entries / f"{name}.json", {"files": list(files), **facts})
        self.publish(files)

    def read_entry(self, name: str) -> Record | None:
        """An entry, None if it does not exist; raises a DataError if it cannot be read."""
        path = self.entries / f"{name}.json"
        if not path.exists():
            return None
        try:
            entry: Record = json.loads(path.read_text(encoding="utf-8"))
            entry["files"] = [str(file) for file in entry["files"]]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DataError(f"{path}: the entry cannot be read; remove it, then its files are written again") from error
        return entry

    def remove_entry(self, name: str) -> None:
        """Remove an entry whose files cannot be published."""
        (self.entries / f"{name}.json").unlink(missing_ok=True)

    def publish(self, files: Sequence[str]) -> bool:
        """Move committed files to their final names, unless they were moved before; whether all of them exist now."""
        for name in files:
            move_to_name(self.files / name, self.output / name, aside=self.path)
        return all((self.output / name).exists() for name in files)

    def end(self) -> None:
        """Remove the ledger: the run is finished, or must not be resumed."""
        with writing_errors(self.record_file):
            self.record_file.unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """Remove the ledger of a run that has committed nothing."""
        if not any(self.entries.glob("*.json")):
            self.end()


def find_differences(started_with: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The values that differ, (before, now) by name, as `settings.lr` inside a mapping; None for a missing one."""
    plain = json.loads(json.dumps(dict(now)))
    found: dict[str, tuple[Any, Any]] = {}
    for name in sorted({*started_with, *plain}):
        before, after = started_with.get(name), plain.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            found |= {f"{name}.{part}": pair for part, pair in find_differences(before, after).items()}
        elif before != after:
            found[name] = (before, after)
    return found


def check_same(where: object, what: str, started_with: Mapping[str, Any], now: Mapping[str, Any], remedy: str) -> None:
    """Raise a SettingError for the first value that differs from those that a run was started with.

    The message names the run by `where` and `what` and ends with `remedy`; see `find_differences`.
    """
    for name, pair in find_differences(started_with, now).items():
        before, after = ("nothing" if value is None else json.dumps(value) for value in pair)
        raise SettingError(
            f"{where}: {what} must resume with the same {name}: started with {_cut(before)}, now {_cut(after)}; {remedy}"
        )


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _write(path: Path, record: Record) -> None:
    write_file(path, mask_secrets(json.dumps(record, indent=2)) + "\n")
