"""The outbox of a tracked run: what a training logs is on disk before it is sent to the store.

It is the ledger `.tracking` in the folder of the training, with `entries.jsonl`, to which entries are only appended.
"""

import json
import logging
import os
import threading
import uuid
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from livecell_monai.errors import DataError, LiveCellError, mask_secrets
from livecell_monai.runs.ledger import Ledger

LOGGER = logging.getLogger(__name__)
FOLDER = ".tracking"  #: a process that shares the folder of a study with others appends its own suffix
ENTRIES = "entries.jsonl"
RUN, AGAIN, METRICS, TAG, FILE, END = "run", "again", "metrics", "tag", "file", "end"  #: kinds of entries
FINISHED = "FINISHED"
Entry = dict[str, Any]


class Outbox:
    """The entries of one run, sent and waiting, in order; each has a number `n`, which increases, and a `kind`.

    Their paths are relative to `root`, the folder of the training. The store has acknowledged the entries up to the number
    `sent`; `run_id` is empty while unknown.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.path, self.root = ledger, ledger.path, ledger.output
        self._guard = threading.Lock()
        self._is_closed = False
        self._is_failing = False
        self.entries = _read_entries(self.path / ENTRIES)
        try:
            record = ledger.read()
            self.sent, self.run_id = int(record["sent"]), str(record["run_id"])
        except (DataError, ValueError, LookupError, TypeError):  # then all is sent again, which changes nothing
            self.sent, self.run_id = 0, ""

    @staticmethod
    def read_uri(path: Path) -> str | None:
        """The URI of the store that an outbox was begun for, without its secrets; None if there is none. Changes nothing."""
        try:
            with open(path / ENTRIES, "rb") as stream:
                return str(json.loads(stream.readline())["uri"])
        except (OSError, ValueError, LookupError, TypeError):
            return None

    @property
    def first(self) -> Entry:
        """The entry that describes the run."""
        return self.entries[0]

    @property
    def is_ended(self) -> bool:
        """Whether the last entry is the end of the run."""
        return bool(self.entries) and self.entries[-1]["kind"] == END

    def waiting(self) -> list[Entry]:
        """The entries that the store has not acknowledged, oldest first."""
        return self.entries[bisect_right(self.entries, self.sent, key=lambda entry: int(entry["n"])) :]

    def values(self, metric: str, step: int) -> set[float]:
        """The logged values of a metric at a step; several if a score has changed."""
        logged = [entry["values"] for entry in self.entries if entry["kind"] == METRICS and entry["step"] == step]
        return {values[metric] for values in logged if metric in values}

    def begin(self, **values: Any) -> None:
        """Add the first entry, which describes the run, with an id of its own."""
        self.append(RUN, id=uuid.uuid4().hex, **values)

    def append(self, kind: str, **values: Any) -> None:
        """Add an entry, on disk and for the uploader.

        A full disk does not end a training: what could not be written is still sent while this process lives.
        """
        with self._guard:
            entry = {"n": self.entries[-1]["n"] + 1 if self.entries else 1, "kind": kind, **values}
            self.entries.append(entry)
            try:
                _append_line(self.path / ENTRIES, mask_secrets(json.dumps(entry)))
            except OSError as error:
                if not self._is_failing:
                    LOGGER.warning("%s: cannot be written (%s), the training continues", self.path / ENTRIES, error.strerror)
                self._is_failing = True

    def acknowledge(self, number: int, run_id: str | None = None) -> None:
        """Record that the store has the entries up to a number, and the id of the run there."""
        with self._guard:
            if self._is_closed:  # an abandoned uploader is late
                return
            self.sent, self.run_id = number, run_id or self.run_id
            self.ledger.start({}, run_id=self.run_id, sent=self.sent)

    def forget(self) -> None:
        """Assume that no store has any entry."""
        self.sent, self.run_id = 0, ""

    def close(self) -> None:
        """Acknowledge nothing from now on."""
        with self._guard:
            self._is_closed = True


@contextmanager
def open_outbox(path: Path) -> Iterator[Outbox]:
    """Open or create the outbox in a hidden folder during the block; a SettingError if another process has it open.

    It is removed if the run has finished and all of it was sent; otherwise a resumed training continues the run. A DataError
    if it cannot be created or read.
    """
    ledger = Ledger(path, "a tracked run", "wait for it")
    with ledger.lock():
        outbox = Outbox(ledger)
        try:
            yield outbox
        finally:
            outbox.close()
            is_finished = outbox.is_ended and outbox.entries[-1]["status"] == FINISHED and not outbox.waiting()
            if is_finished or not outbox.entries:
                with suppress(OSError, DataError):
                    (path / ENTRIES).unlink(missing_ok=True)  # first: without it the folder is no outbox
                    ledger.end()


def find_outboxes(folder: Path) -> list[Path]:
    """The outbox folders of a training, or of a study, its parts and those of a study in it (`--compare-start`)."""
    patterns = (f"{inner}{FOLDER}*/{ENTRIES}" for inner in ("", "*/", "*/*/"))
    return sorted(path.parent for pattern in patterns for path in folder.glob(pattern))


def set_aside(folder: Path, root: Path) -> None:
    """Move the unsent outboxes of a training whose folder will be removed into the folder of its study."""
    for path in find_outboxes(folder):
        try:
            with open_outbox(path) as outbox:
                is_waiting = bool(outbox.waiting())
            if is_waiting:
                path.rename(root / f"{FOLDER}-{uuid.uuid4().hex[:8]}")
        except (OSError, LiveCellError) as error:
            LOGGER.warning("%s: the entries that MLflow lacks could not be kept (%s)", path, error)


def _append_line(path: Path, line: str) -> None:
    """Add a line completely or not at all."""
    with open(path, "ab") as stream:
        before = stream.tell()
        try:
            stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        except OSError:
            with suppress(OSError):
                os.truncate(path, before)
            raise


def _read_entries(path: Path) -> list[Entry]:
    """The entries; a last line that a kill has cut is removed from the file."""
    if not path.exists():
        return []
    complete, _, cut = path.read_bytes().rpartition(b"\n")
    if cut:
        os.truncate(path, len(complete) + 1 if complete else 0)
    try:
        entries: list[Entry] = [json.loads(line) for line in complete.splitlines()]
        if any(entry["kind"] == METRICS and not isinstance(entry["values"], Mapping) for entry in entries):
            raise ValueError("values")
        if entries and (entries[0]["kind"], entries[0]["n"]) != (RUN, 1):
            raise ValueError("no first entry")
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{path}: expected the log of a tracked run, it cannot be read; remove {path.parent}, its entries are then not "
            "sent"
        ) from error
    return entries
