"""A run while it is open: what is told of it goes into its spool, and it ends as the block inside ended."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from livecell_monai.experiments.outbox import END, FILE, FINISHED, METRICS, TAG, Outbox
from livecell_monai.experiments.uploader import Uploader

LOGGER = logging.getLogger(__name__)
BREAK_S = 3.0  # to wait at the end of a training that was interrupted or failed
PARTIAL = ".partial"  #: what the folder of a study's part is named by until it is whole


class PrunedError(Exception):
    """Raised from `on_epoch` to end a training that is not worth going on with; its run ends as KILLED, tagged `pruned`."""


class TrackedRun:
    """An open run, or none: then every call does nothing.

    Args:
        spool: takes what is noted; None for no run.
        sender: sends it, once it is started.
        client: of MLflow, for what is not to wait.
        seconds: to wait for the store at the end of a training that came to it.
    """

    def __init__(
        self, spool: Outbox | None = None, sender: Uploader | None = None, client: Any = None, seconds: float = BREAK_S
    ) -> None:
        self._spool, self._sender, self._client, self._seconds = spool, sender, client, seconds

    @property
    def run_id(self) -> str:
        """Of the run in the store; empty as long as the store has not answered."""
        return "" if self._spool is None else self._spool.run_id

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note the metrics of one epoch; what was noted of that epoch before stands."""
        self._log_metrics(metrics, epoch, once=True)

    def log_result(self, folder: Path, scores: Mapping[str, float]) -> None:
        """Note the best scores as `best_...` and keep the bundle: configs, weights, card and figures."""
        self._log_metrics({f"best_val_{name}": value for name, value in scores.items()}, 0)
        found = [path for part in ("configs", "docs") for path in sorted((folder / part).rglob("*")) if path.is_file()]
        for path in (*found, *sorted((folder / "models").glob("model.*")), folder / "LICENSE"):
            self._append(FILE, path=self._inside(path), into=(Path("bundle") / path.relative_to(folder).parent).as_posix())

    def log_scores(self, scores: Mapping[str, float], names: Sequence[str]) -> None:
        """Note scores of several trainings together, and keep files of the study's folder."""
        self._log_metrics(scores, 0)
        for name in names:
            self._append(FILE, path=name, into=None)

    def end_nested(self, name: str) -> None:
        """End the runs of a name under this one that their process has left open, as KILLED."""
        if self._client is None:
            return
        from mlflow.exceptions import MlflowException

        try:
            below = f"tags.`mlflow.parentRunId` = '{self.run_id}' and attributes.run_name = '{name}'"
            experiment = self._client.get_run(self.run_id).info.experiment_id
            for run in self._client.search_runs([experiment], f"{below} and attributes.status = 'RUNNING'"):
                self._client.set_terminated(run.info.run_id, "KILLED")
        except (MlflowException, OSError) as error:
            LOGGER.debug("runs named %s may stay open: %s", name, error)  # a store that fails is told of by the sender

    def end(self, status: str, pruned: bool = False) -> None:
        """End the run as FINISHED, FAILED or KILLED, and say what the store has not taken by then."""
        if self._spool is None or self._sender is None:
            return
        if pruned:
            self._append(TAG, key="pruned", value="true")
        self._append(END, status=status, time=now())
        left = self._sender.close(self._seconds if status == FINISHED else BREAK_S)
        if left:
            # the folder of a study's part takes its name in a moment
            folder = str(self._spool.root).removesuffix(PARTIAL)
            LOGGER.warning(
                "MLflow lacks %d entries of this run, kept in %s; send them: livecell sync %s", left, folder, folder
            )

    def _log_metrics(self, metrics: Mapping[str, float], step: int, once: bool = False) -> None:
        """Note metrics, but for those that are noted already: at that step, or where they may change with that value."""
        if self._spool is None:
            return
        values = {}
        for name, value in metrics.items():
            before = self._spool.values(name, step)
            if not (before if once else float(value) in before):
                values[name] = float(value)
        if values:
            self._append(METRICS, step=step, time=now(), values=values, once=once)

    def _inside(self, path: Path) -> str:
        """A path as the spool keeps it: the folder of a study's part takes another name when it is whole."""
        return "" if self._spool is None else os.path.relpath(path, self._spool.root)

    def _append(self, kind: str, **values: Any) -> None:
        if self._spool is not None and self._sender is not None:
            self._spool.append(kind, **values)
            self._sender.wake()


def now() -> int:
    """The time as MLflow counts it, in milliseconds."""
    return int(time.time() * 1000)


@contextmanager
def ended_by_its_end(run: TrackedRun) -> Iterator[None]:
    """End the run as the block ends; a polite kill counts as an interruption."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _interrupt) if main else None
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        run.end("KILLED")
        raise
    except PrunedError:
        run.end("KILLED", pruned=True)  # on purpose and ahead of its end: neither a fault nor a training to compare
        raise
    except BaseException:
        run.end("FAILED")
        raise
    else:
        run.end(FINISHED)
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
