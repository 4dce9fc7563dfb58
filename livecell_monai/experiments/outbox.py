"""What a training notes, on disk ahead of being sent: an entry a line, and how many of them the store has acknowledged.

The hidden folder `.tracking` lies in the folder of the training. `entries.jsonl` only grows; `sent.json` names the run and
the last entry that the store has taken. Whoever holds `lock` may write.
"""

import json
import logging
import os
import shutil
import threading
import uuid
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from livecell_monai.errors import DataError, LiveCellError, SettingError
from livecell_monai.runs.atomic import atomic_path, make_folder

LOGGER = logging.getLogger(__name__)
FOLDER = ".tracking"  #: and what begins like it, where several processes share a study's folder
ENTRIES, SENT, LOCK = "entries.jsonl", "sent.json", "lock"
RUN, AGAIN, METRICS, TAG, FILE, END = "run", "again", "metrics", "tag", "file", "end"  #: kinds of entries
FINISHED = "FINISHED"
Entry = dict[str, Any]


class Outbox:
    """The entries of one run, in order.

    Args:
        path: the hidden folder, which is there; files that entries name lie relative to the folder above it.

    Attributes:
        entries: all, sent ones among them; each has its number `n` and its `kind`.
        sent: number of the last entry that the store has acknowledged; 0 for none.
        run_id: of the run in the store; empty until it is known.

    Raises:
        DataError: where the entries cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._is_closed = False
        self._is_failing = False
        self.entries = _read_entries(path / ENTRIES)
        self.sent, self.run_id = _read_sent(path / SENT)
        self._noted: dict[tuple[str, int], set[float]] = {}
        for entry in self.entries:
            self._note(entry)

    @property
    def root(self) -> Path:
        """The folder of the training."""
        return self.path.parent

    @property
    def first(self) -> Entry:
        """The entry that tells which run this is."""
        return self.entries[0]

    @property
    def is_ended(self) -> bool:
        """Whether the last entry is the end of the run."""
        return bool(self.entries) and self.entries[-1]["kind"] == END

    @property
    def is_done(self) -> bool:
        """Whether nobody needs it any more."""
        return not self.entries or (self.is_ended and self.entries[-1]["status"] == FINISHED and not self.waiting())

    def waiting(self) -> list[Entry]:
        """The entries that the store has not acknowledged, oldest first."""
        return self.entries[bisect_right(self.entries, self.sent, key=lambda entry: int(entry["n"])) :]

    def values(self, metric: str, step: int) -> set[float]:
        """What has been noted of a metric at a step; nothing, or more than one value for scores that changed."""
        return self._noted.get((metric, step), set())

    def append(self, kind: str, **values: Any) -> None:
        """Note something: on disk, and for the sender.

        A disk that refuses does not end a training: what it did not take is still sent, as long as this process lives.
        """
        with self._guard:
            entry = {"n": self.entries[-1]["n"] + 1 if self.entries else 1, "kind": kind, **values}
            self._note(entry)
            self.entries.append(entry)
            try:
                _append_line(self.path / ENTRIES, json.dumps(entry))
            except OSError as error:
                if not self._is_failing:
                    LOGGER.warning("%s: cannot be written (%s), training goes on", self.path / ENTRIES, error.strerror)
                self._is_failing = True

    def begin(self, **values: Any) -> None:
        """Note the first entry: which run this is, under an id of its own."""
        self.append(RUN, id=uuid.uuid4().hex, **values)

    def acknowledge(self, number: int, run_id: str | None = None) -> None:
        """Note that the store has the entries up to a number, and as which run."""
        with self._guard:
            if self._is_closed:  # a sender that was given up on, and is late
                return
            self.sent, self.run_id = number, run_id or self.run_id
            with atomic_path(self.path / SENT) as temporary:
                temporary.write_text(json.dumps({"run_id": self.run_id, "sent": self.sent}), encoding="utf-8")

    def forget(self) -> None:
        """Take it that no store has anything of this."""
        self.sent, self.run_id = 0, ""

    def close(self) -> None:
        """Write nothing from now on."""
        with self._guard:
            self._is_closed = True

    def _note(self, entry: Entry) -> None:
        if entry["kind"] == METRICS:
            for metric, value in entry["values"].items():
                self._noted.setdefault((metric, entry["step"]), set()).add(value)


@contextmanager
def open_outbox(path: Path) -> Iterator[Outbox]:
    """The spool of a folder for the time of the block, made where there is none; kept to one process.

    It disappears where all of it was sent and the run has finished. Of a run that ended otherwise it stays: a training that
    goes on in the folder goes on in the run.

    Args:
        path: the hidden folder.

    Raises:
        SettingError: where another process is at work.
        DataError: where it cannot be made or read.
    """
    make_folder(path)
    lock = FileLock(path / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SettingError(
            f"{path.parent}: one process at a time may work in the folder, another does; wait for it"
        ) from error
    try:
        spool = Outbox(path)
        try:
            yield spool
        finally:
            spool.close()
            if spool.is_done:
                _remove(path)
    finally:
        lock.release()


def find_outboxes(folder: Path) -> list[Path]:
    """The hidden folders of a training, or of a study and its parts."""
    found = [path.parent for pattern in (f"{FOLDER}*", f"*/{FOLDER}*") for path in folder.glob(f"{pattern}/{ENTRIES}")]
    return sorted(found)


def set_aside(folder: Path, root: Path) -> None:
    """Keep what was not sent of a training whose folder is about to be removed, in the folder of its study."""
    for path in find_outboxes(folder):
        try:
            with open_outbox(path) as spool:
                is_waiting = bool(spool.waiting())
            if is_waiting:
                path.rename(root / f"{FOLDER}-{uuid.uuid4().hex[:8]}")
        except (OSError, LiveCellError) as error:
            LOGGER.warning("%s: what MLflow lacks of it could not be kept (%s)", path, error)


def _append_line(path: Path, line: str) -> None:
    """Add a line, whole or not at all."""
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
    """The entries; the last line may be torn by a kill, it is cut off then."""
    if not path.exists():
        return []
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        os.truncate(path, len(whole) + 1 if whole else 0)
    try:
        entries: list[Entry] = [json.loads(line) for line in whole.splitlines()]
        if any(entry["kind"] == METRICS and not isinstance(entry["values"], Mapping) for entry in entries):
            raise ValueError("values")
        if entries and (entries[0]["kind"], entries[0]["n"]) != (RUN, 1):
            raise ValueError("no first entry")
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{path}: must be what a training has noted, it is not; remove {path.parent}, what it holds is then not sent"
        ) from error
    return entries


def _read_sent(path: Path) -> tuple[int, str]:
    """The last entry that is acknowledged and the run; where that is not known all is sent again, which changes nothing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return int(found["sent"]), str(found["run_id"])
    except (OSError, ValueError, LookupError, TypeError):
        return 0, ""


def _remove(path: Path) -> None:
    with suppress(OSError):
        (path / ENTRIES).unlink(missing_ok=True)  # first: nothing else makes a spool of it
        shutil.rmtree(path)
