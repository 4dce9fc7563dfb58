"""The ledger of a run that is not finished: which run it is, who works on it, what is done.

Trainings, predictions, large images, tracked runs and studies all keep one. It is a folder with

- one record: what the run was started with, and facts that came later. It is written last, so that a folder without a
  record is no run;
- one comparison: a run resumes only with the values that it was started with;
- one lock: one process at a time works in the folder. Runs that several processes share do not take it;
- one commit: files are written into `files/`, sealed by an entry in `entries/`, and then moved to their names. Whoever finds
  an entry moves what has not been moved yet. So each file gets its name once, wherever a process was killed;
- one cleanup: the record goes first, so that nothing is left to resume from half a ledger.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.atomic import atomic_path, make_folder, move_to_name, writing_errors

RECORD, LOCK = "record.json", ".lock"
STARTED_WITH = "started_with"  #: in the record: the values that must be the same on resume, by name
LONGEST_VALUE = 80  # characters of a value in a message
Record = dict[str, Any]


class Ledger:
    """The folder, and the record in it.

    Args:
        path: the folder, most often a hidden one.
        what: the kind of run in words, as `a training`.
        remedy: what a user does who cannot resume it, for messages.
        record_name: file name of the record.
        results: the folder that messages name and that files are published to; None for the folder above `path`.

    Attributes:
        output: that folder.
        record_file: the file of the record.
        files: the folder that files are written to before they are published.
        entries: the folder of the entries that seal them.
    """

    def __init__(self, path: Path, what: str, remedy: str, record_name: str = RECORD, results: Path | None = None) -> None:
        self.path, self.what, self.remedy = path, what, remedy
        self.output = path.parent if results is None else results
        self.record_file, self.files, self.entries = path / record_name, path / "files", path / "entries"

    def is_unfinished(self) -> bool:
        """Whether a run was started here and has not ended."""
        return self.record_file.is_file()

    @contextmanager
    def lock(self, wait: bool = False) -> Iterator[None]:
        """Keep the folder to this process for the time of the block.

        Args:
            wait: whether to wait for another process, else it is an error.

        Raises:
            SettingError: another process works in the folder.
        """
        make_folder(self.path)
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            raise SettingError(
                f"{self.output}: one process at a time may work here, another one does; wait for it"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def start(self, started_with: Mapping[str, Any], **facts: Any) -> None:
        """Write the record of a new run.

        Args:
            started_with: the values that must be the same on resume, by name; plain values.
            facts: others, by name.

        Raises:
            DataError: the system refuses.
        """
        make_folder(self.path)
        self._write(self.record_file, {STARTED_WITH: dict(started_with), **facts})

    def make_room(self) -> None:
        """Make the folders that files are committed through, new and empty, ahead of `start`.

        Raises:
            DataError: the system refuses, or something of an earlier run is left in them.
        """
        with writing_errors(self.path):
            self.files.mkdir(parents=True)
            self.entries.mkdir()

    def update(self, **facts: Any) -> None:
        """Add facts to the record, in place of those of the same name.

        Raises:
            DataError: the record cannot be read or written.
        """
        self._write(self.record_file, {**self.read(), **facts})

    def read(self) -> Record:
        """The record.

        Raises:
            DataError: it cannot be read.
        """
        try:
            record: Record = json.loads(self.record_file.read_text(encoding="utf-8"))
            if not isinstance(record[STARTED_WITH], dict):
                raise TypeError(STARTED_WITH)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DataError(
                f"{self.record_file}: expected the record of {self.what}, it cannot be read; remove {self.path}, or name "
                "another folder"
            ) from error
        return record

    def check_same(self, now: Mapping[str, Any]) -> None:
        """Refuse to resume the run with other values than those that it was started with.

        Args:
            now: the values that must be the same, by name.

        Raises:
            SettingError: the first one that differs.
            DataError: the record cannot be read.
        """
        check_same(self.output, self.what, self.read()[STARTED_WITH], now, self.remedy)

    def commit(self, name: str, files: Sequence[str], **facts: Any) -> None:
        """Seal files that were written into `files/` by an entry, and publish them.

        Args:
            name: of the entry.
            files: names of the files.
            facts: what else the entry holds; plain values.

        Raises:
            DataError: the system refuses.
        """
        self._write(self.entries / f"{name}.json", {"files": list(files), **facts})
        self.publish(files)

    def read_entry(self, name: str) -> Record | None:
        """An entry, None where there is none.

        Raises:
            DataError: it cannot be read.
        """
        path = self.entries / f"{name}.json"
        if not path.exists():
            return None
        try:
            entry: Record = json.loads(path.read_text(encoding="utf-8"))
            entry["files"] = [str(file) for file in entry["files"]]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DataError(f"{path}: the entry cannot be read; remove it, and its files are made again") from error
        return entry

    def publish(self, files: Sequence[str]) -> bool:
        """Move sealed files to their names, but for those that were moved before.

        Returns:
            Whether all of them have their names now.

        Raises:
            DataError: the system refuses.
        """
        for name in files:
            move_to_name(self.files / name, self.output / name, aside=self.path)
        return all((self.output / name).exists() for name in files)

    def end(self) -> None:
        """Remove the ledger: the run is finished, or is not to be resumed.

        Raises:
            DataError: the record cannot be removed.
        """
        with writing_errors(self.record_file):
            self.record_file.unlink(missing_ok=True)  # first: without it the rest is no run
        shutil.rmtree(self.path, ignore_errors=True)

    def abandon(self) -> None:
        """Remove the ledger of a run that has committed nothing: there is nothing to resume."""
        if not any(self.entries.glob("*.json")):
            self.end()

    def _write(self, path: Path, record: Record) -> None:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def find_differences(started_with: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The values that differ, before and now, by name; compared as JSON holds them, None for one that is missing.

    Args:
        started_with: values by name, as JSON holds them.
        now: plain values by name; of a mapping inside of it those parts are named that differ, as `settings.lr`.
    """
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
    """Refuse to resume a run with other values than those that it was started with.

    Args:
        where: the folder or name of the run, for the message.
        what: the kind of run in words, as `a training`.
        started_with: the values that the run was started with, by name, as JSON holds them.
        now: those of now.
        remedy: what to do.

    Raises:
        SettingError: the first value that differs.
    """
    for name, (before, after) in find_differences(started_with, now).items():
        raise SettingError(
            f"{where}: {what} must resume with the same {name}: started with {_show(before)}, now {_show(after)}; {remedy}"
        )


def _show(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
