"""A run in MLflow: settings, data, metrics by epoch, the bundle. What is logged is on disk before it is sent."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livecell_monai.bundle.export import package_versions
from livecell_monai.data.dataset.identity import digest_of
from livecell_monai.errors import SettingError, mask_secrets
from livecell_monai.experiments import store
from livecell_monai.experiments.outbox import AGAIN, END, FILE, FINISHED, FOLDER, METRICS, TAG, Outbox, open_outbox
from livecell_monai.experiments.uploader import OutboxRun, Uploader
from livecell_monai.runs.signals import sigterm_as_interrupt

LOGGER = logging.getLogger(__name__)
CHECK_S = 3  # seconds that a server has for each answer before a training begins
SERVER_S = 10.0  # seconds to wait for a server at the end of a training that has finished
DATABASE_S = 60.0  # the same for a database, which only another process that writes can delay
BREAK_S = 3.0  # the same at the end of a training that was interrupted or failed
PARTIAL = ".partial"  #: ending of the folder of a study's part until it is complete


class PrunedError(Exception):
    """Raised from `on_epoch` to end a training that is not worth continuing; its run ends as KILLED, tagged `pruned`."""


class TrackedRun:
    """An open run, which waits some seconds for the store at its end; without arguments no run: every call does nothing."""

    def __init__(
        self, outbox: Outbox | None = None, uploader: Uploader | None = None, client: Any = None, seconds: float = BREAK_S
    ) -> None:
        self._outbox, self._uploader, self._client, self._seconds = outbox, uploader, client, seconds
        self.sends_weights = True

    @property
    def run_id(self) -> str:
        """The id of the run in the store; empty until the store has answered."""
        return "" if self._outbox is None else self._outbox.run_id

    def nest(self, name: str) -> dict[str, str]:
        """The settings of a training whose run is nested under this one: its name, and the store if there is one."""
        return {"run_name": name} if self._client is None else {"run_name": name, "tracking_uri": self._client.tracking_uri}

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of one epoch; metrics that were logged for it before are kept."""
        self._log_metrics(metrics, epoch, once=True)

    def log_result(self, folder: Path, scores: Mapping[str, float]) -> None:
        """Log the scores of the bundle's weights, such as `iou`, and the files of the bundle in a folder."""
        self._log_metrics(scores, 0)
        if self._outbox is None:
            return
        found = [path for part in ("configs", "docs") for path in sorted((folder / part).rglob("*")) if path.is_file()]
        weights = sorted((folder / "models").glob("model.*")) if self.sends_weights else []
        for path in (*found, *weights, folder / "LICENSE"):
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
        self._append(END, status=status, time=_now())
        left = self._uploader.close(self._seconds if status == FINISHED else BREAK_S)
        if left:
            # the folder of a study's part will be renamed
            folder = str(self._outbox.root).removesuffix(PARTIAL)
            LOGGER.warning(
                "MLflow lacks %d entries of this run, kept in %s; send them: livecell sync %s", left, folder, folder
            )

    @contextmanager
    def ended_with_block(self) -> Iterator[None]:
        """End the run as the block ends; SIGTERM counts as an interruption."""
        status, is_pruned = "FAILED", False
        with sigterm_as_interrupt():
            try:
                yield
                status = FINISHED
            except (KeyboardInterrupt, SystemExit, PrunedError) as error:
                status, is_pruned = "KILLED", isinstance(error, PrunedError)
                raise
            finally:
                self.end(status, is_pruned)

    def _log_metrics(self, metrics: Mapping[str, float], step: int, once: bool = False) -> None:
        """Log the metrics that have no value at this step yet, or not this value if they may change."""
        if self._outbox is None:
            return
        logged = {name: self._outbox.values(name, step) for name in metrics}
        values = {name: float(value) for name, value in metrics.items()}
        new = {name: value for name, value in values.items() if not (logged[name] if once else value in logged[name])}
        if new:
            self._append(METRICS, step=step, time=_now(), values=new, once=once)

    def _append(self, kind: str, **values: Any) -> None:
        if self._outbox is not None and self._uploader is not None:
            self._outbox.append(kind, **values)
            self._uploader.wake()


@dataclass
class RunTracker:
    """Opens a run, and ends it as FINISHED, FAILED or KILLED."""

    uri: str = "auto"  #: of the store, see `choose_uri`
    experiment: str = "livecell"
    run_name: str = "auto"  #: `auto` for that of the folder
    enabled: bool = True
    parent: str | None = None  #: id of the run that this one is nested under
    sends_weights: bool = field(default=True, kw_only=True)
    #: called at the end of a run with where a browser shows it
    on_shown: Callable[[str], None] | None = field(default=None, kw_only=True)
    folder: str | Path = field(kw_only=True)  #: of the training; its outbox has what the store has not acknowledged
    is_study: bool = field(default=False, kw_only=True)  #: whether runs are nested under it: the store must create it first
    suffix: str = field(default="", kw_only=True)  #: of the outbox's name, if several processes share the folder of a study
    _client: Any = field(default=None, init=False)
    _path: Path = field(init=False)  # of the outbox
    _is_reported: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._path = Path(self.folder) / f"{FOLDER}{self.suffix}"
        if self.enabled:
            # a resumed run continues in its first store, whatever the working folder is
            self.uri = store.choose_uri(self.uri, Outbox.read_uri(self._path))

    @classmethod
    def of(cls, settings: Mapping[str, Any], folder: str | Path, suffix: str = "") -> "RunTracker":
        """The tracker of a study, by the settings of its trainings."""
        names = {"uri": "tracking_uri", "experiment": "experiment", "run_name": "run_name", "enabled": "track"}
        given = {key: settings[name] for key, name in names.items() if name in settings}
        return cls(**given, folder=folder, is_study=True, suffix=suffix)

    def check(self) -> None:
        """Reject an invalid store or experiment before any work is done, by a SettingError.

        A server that does not answer is an error for a study, and a warning for a training, which is sent later.
        """
        if not self.enabled:
            return
        answer_s = store.ANSWER_S if self.is_study else CHECK_S
        with store.quiet_mlflow(answer_s):
            try:
                self._connect(answer_s, retry=self.uri.startswith("http"))
            except store.SilentStoreError as error:
                if self.is_study:
                    raise
                from mlflow import MlflowClient

                self._client = MlflowClient(self.uri)
                self._is_reported = True
                LOGGER.warning(
                    "MLflow at %s does not answer: the training continues, what it logs is kept for later (%s)",
                    mask_secrets(self.uri),
                    store.find_reason(error.__cause__ or error),
                )

    def _connect(self, answer_s: int, retry: bool) -> None:
        try:
            self._client = store.open_store(self.uri, answer_s=answer_s)
            store.find_experiment(self._client, self.uri, self.experiment)
        except store.SilentStoreError:
            raise
        except SettingError:
            if not retry:  # a server's answer may have been cut
                raise
            self._connect(answer_s, retry=False)

    @contextmanager
    def start(
        self, settings: Mapping[str, Any], data: Mapping[str, str], name: str, again: str | None = None
    ) -> Iterator[TrackedRun]:
        """Open a run during the block, or continue that of an earlier process in the folder, or of the id `again`.

        The settings are logged as parameters, the SHA-256 of each file as the data set of the name.

        Raises a SettingError if the store cannot be reached, or another process works in the folder.
        """
        if not self.enabled:
            yield TrackedRun()
            return
        from mlflow.exceptions import MlflowException

        if self._client is None:
            self.check()
        # around the whole block, because a thread must not change the environment
        with store.mlflow_environment(store.ANSWER_S), open_outbox(self._path) as outbox:
            if outbox.entries:
                outbox.append(AGAIN)
            else:
                outbox.begin(**self._describe(settings, data, name), again=again)
            outbox_run = OutboxRun(outbox, self._client, self.uri)
            if self.is_study:  # opens or continues it
                with store.store_errors(self.uri):
                    outbox_run.send_next()
            uploader = Uploader(outbox_run, self._is_reported)
            run = TrackedRun(outbox, uploader, self._client, DATABASE_S if store.find_database(self.uri) else SERVER_S)
            run.sends_weights = self.sends_weights
            with run.ended_with_block():
                yield run
            if self.on_shown is not None:
                with suppress(MlflowException):
                    experiment = self._client.get_run(run.run_id).info.experiment_id
                    self.on_shown(store.show_run(self.uri, experiment, run.run_id))

    def _describe(self, settings: Mapping[str, Any], data: Mapping[str, str], name: str) -> dict[str, Any]:
        """The values of the outbox's first entry."""
        versions = {f"version_{package}": version for package, version in package_versions().items()}
        values = {**settings, **versions, "data_sha256": digest_of(dict(data))}
        tags = {} if self.parent is None else {"mlflow.parentRunId": self.parent}
        tags["mlflow.source.name"] = " ".join([*(Path(program).name for program in sys.argv[:1]), *sys.argv[1:2]])
        with suppress(OSError, subprocess.SubprocessError):  # no git, or no repository
            commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
            tags["mlflow.source.git.commit"] = commit.stdout.strip()
        return {
            "uri": self.uri,
            "experiment": self.experiment,
            "name": Path(self.folder).resolve().name if self.run_name == "auto" else self.run_name,
            "tags": tags,
            "params": {key: mask_secrets(str(value)) for key, value in values.items()},
            "data": name,
            "files": dict(data),
            "time": _now(),
        }


def _now() -> int:
    """Milliseconds since the epoch, as MLflow counts."""
    return time.time_ns() // 10**6
