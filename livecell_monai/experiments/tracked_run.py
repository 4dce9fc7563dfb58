"""An open run: what is logged goes to its outbox, and the run ends as the block inside ended."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livecell_monai.experiments.outbox import END, FILE, FINISHED, METRICS, TAG, Outbox
from livecell_monai.experiments.uploader import Uploader
from livecell_monai.runs.signals import sigterm_as_interrupt

LOGGER = logging.getLogger(__name__)
BREAK_S = 3.0  # seconds to wait for the store at the end of a training that was interrupted or failed
PARTIAL = ".partial"  #: ending of the folder of a study's part until it is complete


class PrunedError(Exception):
    """Raised from `on_epoch` to end a training that is not worth continuing; its run ends as KILLED, tagged `pruned`."""


class TrackedRun:
    """An open run; without arguments no run, then every call does nothing.

    Args:
        outbox: stores what is logged.
        uploader: sends the outbox.
        client: of MLflow.
        seconds: to wait for the store at the end of a finished training.
    """

    def __init__(
        self, outbox: Outbox | None = None, uploader: Uploader | None = None, client: Any = None, seconds: float = BREAK_S
    ) -> None:
        self._outbox, self._uploader, self._client, self._seconds = outbox, uploader, client, seconds

    @property
    def run_id(self) -> str:
        """The id of the run in the store; empty until the store has answered."""
        return "" if self._outbox is None else self._outbox.run_id

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of one epoch; metrics that were logged for it before are kept."""
        self._log_metrics(metrics, epoch, once=True)

    def log_result(self, folder: Path, scores: Mapping[str, float]) -> None:
        """Log the scores of the kept weights as `best_val_...`, and the files of the bundle in a folder."""
        self._log_metrics({f"best_val_{name}": value for name, value in scores.items()}, 0)
        if self._outbox is None:
            return
        found = [path for part in ("configs", "docs") for path in sorted((folder / part).rglob("*")) if path.is_file()]
        for path in (*found, *sorted((folder / "models").glob("model.*")), folder / "LICENSE"):
            into = (Path("bundle") / path.relative_to(folder).parent).as_posix()
            # relative, since the folder of a study's part is renamed when it is complete
            self._append(FILE, path=os.path.relpath(path, self._outbox.root), into=into)

    def log_scores(self, scores: Mapping[str, float], names: Sequence[str]) -> None:
        """Log scores of a study, and files of its folder by name."""
        self._log_metrics(scores, 0)
        for name in names:
            self._append(FILE, path=name, into=None)

    def end_nested(self, name: str) -> None:
        """End the nested runs of a name that a dead process has left open, as KILLED."""
        if self._client is None:
            return
        from mlflow.exceptions import MlflowException

        try:
            below = f"tags.`mlflow.parentRunId` = '{self.run_id}' and attributes.run_name = '{name}'"
            experiment = self._client.get_run(self.run_id).info.experiment_id
            for run in self._client.search_runs([experiment], f"{below} and attributes.status = 'RUNNING'"):
                self._client.set_terminated(run.info.run_id, "KILLED")
        except (MlflowException, OSError) as error:
            LOGGER.debug("runs named %s may stay open: %s", name, error)  # the uploader reports a store that fails

    def end(self, status: str, pruned: bool = False) -> None:
        """End the run as FINISHED, FAILED or KILLED, and report what the store has not acknowledged by then."""
        if self._outbox is None or self._uploader is None:
            return
        if pruned:
            self._append(TAG, key="pruned", value="true")
        self._append(END, status=status, time=now())
        left = self._uploader.close(self._seconds if status == FINISHED else BREAK_S)
        if left:
            # the folder of a study's part will be renamed
            folder = str(self._outbox.root).removesuffix(PARTIAL)
            LOGGER.warning(
                "MLflow lacks %d entries of this run, kept in %s; send them: livecell sync %s", left, folder, folder
            )

    def _log_metrics(self, metrics: Mapping[str, float], step: int, once: bool = False) -> None:
        """Log the metrics that have no value at this step yet, or not this value if they may change."""
        if self._outbox is None:
            return
        values = {}
        for name, value in metrics.items():
            before = self._outbox.values(name, step)
            if not (before if once else float(value) in before):
                values[name] = float(value)
        if values:
            self._append(METRICS, step=step, time=now(), values=values, once=once)

    def _append(self, kind: str, **values: Any) -> None:
        if self._outbox is not None and self._uploader is not None:
            self._outbox.append(kind, **values)
            self._uploader.wake()


def now() -> int:
    """The time in milliseconds since the epoch, as MLflow counts it."""
    return int(time.time() * 1000)


@contextmanager
def ended_with_block(run: TrackedRun) -> Iterator[None]:
    """End the run as the block ends; SIGTERM counts as an interruption."""
    with sigterm_as_interrupt():
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            run.end("KILLED")
            raise
        except PrunedError:
            run.end("KILLED", pruned=True)
            raise
        except BaseException:
            run.end("FAILED")
            raise
        else:
            run.end(FINISHED)
