"""A run in MLflow: settings, data, metrics by epoch, the bundle; ended as it ended."""

import logging
import signal
import subprocess
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from livecell_monai import __version__
from livecell_monai.data.identity import digest_of
from livecell_monai.experiments.store import choose_uri, find_experiment, open_store

LOGGER = logging.getLogger(__name__)


class PrunedError(Exception):
    """Raised from `on_epoch` to end a training that is not worth going on with; its run ends as KILLED, tagged `pruned`."""


class RunTracker:
    """Opens a run by id and ends it as FINISHED, FAILED or KILLED, so that no later run writes into it.

    Args:
        uri: tracking URI, or `auto` for `MLFLOW_TRACKING_URI` or else SQLite in the working folder.
        experiment: name of the experiment.
        run_name: name of the run, or `auto` for one that no other has.
        enabled: whether to track at all.
        parent: id of the run that this one is nested under; None for none.
    """

    def __init__(
        self,
        uri: str = "auto",
        experiment: str = "livecell",
        run_name: str = "auto",
        enabled: bool = True,
        parent: str | None = None,
    ) -> None:
        self.uri = choose_uri(uri)
        self.experiment = experiment
        self.run_name = run_name
        self.enabled = enabled
        self.parent = parent

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "RunTracker":
        """The tracker that settings of a training ask for, by the names that they have in the bundle."""
        return cls(
            uri=settings.get("tracking_uri", "auto"),
            experiment=settings.get("experiment", "livecell"),
            run_name=settings.get("run_name", "auto"),
            enabled=bool(settings.get("track", True)),
        )

    def check(self) -> None:
        """Refuse a store that cannot be reached or has no place for the experiment, before any work is done.

        Raises:
            SettingError: where it cannot.
        """
        if self.enabled:
            find_experiment(open_store(self.uri), self.uri, self.experiment)

    @contextmanager
    def start(
        self, settings: Mapping[str, Any], data: Mapping[str, str], name: str, again: str | None = None
    ) -> Iterator["TrackedRun"]:
        """Open a run for the time of the block.

        Args:
            settings: what is logged as parameters.
            data: SHA-256 of each file, logged as the run's data set.
            name: of the data.
            again: id of a run to go on with, where the store has it; None for a new one.

        Raises:
            SettingError: where the store cannot be reached.
        """
        if not self.enabled:
            yield TrackedRun(None, "")
            return
        client = open_store(self.uri)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            experiment = find_experiment(client, self.uri, self.experiment)
            is_old = again is not None and _open_again(client, again)
            run = TrackedRun(client, str(again) if is_old else self._create(client, experiment, name))
        with _ended_by_its_end(run):
            if is_old:
                run.noted = _list_noted(client, run.run_id)
            else:
                run.log_start(settings, data, name)
            yield run

    def _create(self, client: Any, experiment: str, name: str) -> str:
        nested = {} if self.parent is None else {"mlflow.parentRunId": self.parent}
        run_name = _unique_name(name) if self.run_name == "auto" else self.run_name
        return str(client.create_run(experiment, run_name=run_name, tags={**_tags(), **nested}).info.run_id)


class TrackedRun:
    """An open run, or none: then every call does nothing.

    Args:
        client: MLflow client, or None.
        run_id: id of the run.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self.client = client
        self.run_id = run_id
        self.failed = False
        self.noted: set[tuple[str, int]] = set()

    def log_start(self, settings: Mapping[str, Any], data: Mapping[str, str], name: str) -> None:
        """Note settings, versions and the data set."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        packages = ("monai", "torch", "pytorch-ignite", "numpy", "mlflow")
        versions = {f"version_{package}": version(package) for package in packages}
        values = {**settings, **versions, "version_livecell-monai": __version__, "data_sha256": digest_of(dict(data))}
        self.client.log_batch(self.run_id, params=[Param(key, str(value)) for key, value in values.items()])
        entry = Dataset(
            name=name,
            digest=digest_of(dict(data))[:36],
            source_type="local",
            source=name,
            profile=f'{{"files": {len(data)}}}',
        )
        self.client.log_inputs(self.run_id, datasets=[DatasetInput(entry, [InputTag("mlflow.data.context", "training")])])

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note the metrics of one epoch, once."""
        with self._forgiving():
            self._log_metrics(metrics, epoch)

    def log_result(self, folder: Path, scores: Mapping[str, float]) -> None:
        """Note the best scores as `best_...` and keep the bundle: configs, weights, card and figures."""
        if self.client is None:
            return
        with self._forgiving():
            self._log_metrics({f"best_val_{name}": value for name, value in scores.items()}, 0)
            for part in ("configs", "docs"):
                self.client.log_artifacts(self.run_id, str(folder / part), f"bundle/{part}")
            self.client.log_artifact(self.run_id, str(folder / "models" / "model.pt"), "bundle/models")
            self.client.log_artifact(self.run_id, str(folder / "LICENSE"), "bundle")

    def log_scores(self, scores: Mapping[str, float], folder: Path, names: Sequence[str]) -> None:
        """Note scores of several trainings together, and keep files of a folder."""
        if self.client is None:
            return
        with self._forgiving():
            self._log_metrics(scores, 0)
            for name in names:
                self.client.log_artifact(self.run_id, str(folder / name))

    def end_nested(self, name: str) -> None:
        """End the runs of a name under this one that their process has left open, as KILLED."""
        if self.client is None:
            return
        with self._forgiving():
            below = f"tags.`mlflow.parentRunId` = '{self.run_id}' and attributes.run_name = '{name}'"
            experiment = self.client.get_run(self.run_id).info.experiment_id
            for run in self.client.search_runs([experiment], f"{below} and attributes.status = 'RUNNING'"):
                self.client.set_terminated(run.info.run_id, "KILLED")

    def end(self, status: str, pruned: bool = False) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        with self._forgiving():
            if pruned:
                self.client.set_tag(self.run_id, "pruned", "true")
            self.client.set_terminated(self.run_id, status)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """A store that fails in the middle of a training does not throw the training away: it is said once."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            if not self.failed:
                reason = " ".join(str(error).split())[:200]
                LOGGER.warning("MLflow does not answer, the run there stays incomplete, training goes on: %s", reason)
            self.failed = True

    def _log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        if self.client is None:
            return
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        new = [Metric(name, float(value), now, step) for name, value in metrics.items() if (name, step) not in self.noted]
        if new:
            self.client.log_batch(self.run_id, metrics=new)
            self.noted |= {(metric.key, step) for metric in new}


@contextmanager
def _ended_by_its_end(run: TrackedRun) -> Iterator[None]:
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
        run.end("FINISHED")
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _open_again(client: Any, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.update_run(run_id, status="RUNNING")
    except MlflowException:  # deleted since, or noted in another store
        return False
    return True


def _list_noted(client: Any, run_id: str) -> set[tuple[str, int]]:
    """The metrics that a run has, by name and step: a training that goes on tells some of them again."""
    known = (client.get_metric_history(run_id, name) for name in client.get_run(run_id).data.metrics)
    return {(entry.key, entry.step) for entries in known for entry in entries}


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _unique_name(data: str) -> str:
    return f"{data}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"


def _tags() -> dict[str, str]:
    tags = {"mlflow.source.name": " ".join(Path(part).name if i == 0 else part for i, part in enumerate(sys.argv[:2]))}
    with suppress(OSError, subprocess.SubprocessError):  # no git, or no repository: there is no commit to note
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        tags["mlflow.source.git.commit"] = commit.stdout.strip()
    return tags
