"""A run in MLflow: settings, data, metrics by epoch, the bundle; whatever becomes of the store meanwhile."""

import logging
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from livecell_monai import __version__
from livecell_monai.data.dataset.identity import digest_of
from livecell_monai.errors import SettingError
from livecell_monai.experiments.outbox import AGAIN, FOLDER, open_outbox
from livecell_monai.experiments.outbox_run import OutboxRun
from livecell_monai.experiments.store import (
    ANSWER_S,
    SilentStoreError,
    build_client,
    choose_uri,
    find_experiment,
    find_reason,
    is_server,
    open_store,
    patient,
    without_bars,
)
from livecell_monai.experiments.tracked_run import TrackedRun, ended_with_block, now
from livecell_monai.experiments.uploader import Uploader

LOGGER = logging.getLogger(__name__)
CHECK_S = 3  # that a server has for each answer before a training begins; a slower one is sent to meanwhile
SERVER_S = 10.0  # at the end of a training, for what a server has not taken yet
DATABASE_S = 60.0  # the same where the store is a database: nothing but another process that writes is in the way


class RunTracker:
    """Opens a run by id and ends it as FINISHED, FAILED or KILLED, so that no later run writes into it.

    Args:
        uri: tracking URI, or `auto` for `MLFLOW_TRACKING_URI` or else SQLite in the working folder.
        experiment: name of the experiment.
        run_name: name of the run, or `auto` for one that no other has.
        enabled: whether to track at all.
        parent: id of the run that this one is nested under; None for none.
        folder: of the training; in its `.tracking` lies what the store has not taken yet.
        is_study: whether other runs are to be nested under this one, which the store then must have before they begin.
        own: what the hidden folder's name ends by, where several processes share the folder of a study.
    """

    def __init__(
        self,
        uri: str = "auto",
        experiment: str = "livecell",
        run_name: str = "auto",
        enabled: bool = True,
        parent: str | None = None,
        *,
        folder: str | Path,
        is_study: bool = False,
        own: str = "",
    ) -> None:
        self.uri = choose_uri(uri)
        self.experiment = experiment
        self.run_name = run_name
        self.enabled = enabled
        self.parent = parent
        self.hidden = Path(folder) / f"{FOLDER}{own}"
        self.is_study = is_study
        self._client: Any = None
        self._is_told = False

    @classmethod
    def of(cls, settings: Mapping[str, Any], folder: str | Path, own: str = "") -> "RunTracker":
        """The tracker of a study that settings of its trainings ask for, by the names that they have in the bundle."""
        return cls(
            uri=settings.get("tracking_uri", "auto"),
            experiment=settings.get("experiment", "livecell"),
            run_name=settings.get("run_name", "auto"),
            enabled=bool(settings.get("track", True)),
            folder=folder,
            is_study=True,
            own=own,
        )

    def check(self) -> None:
        """Refuse a store that cannot be or has no place for the experiment, before any work is done.

        A server that does not answer stops a study, but not a training: there is a warning, and what the training logs is
        kept for later.

        Raises:
            SettingError: where it cannot.
        """
        if not self.enabled:
            return
        answer_s = ANSWER_S if self.is_study else CHECK_S
        with warnings.catch_warnings(), patient(answer_s):
            warnings.simplefilter("ignore")
            try:
                self._look(answer_s)
            except SilentStoreError as error:
                if self.is_study:
                    raise
                self._client = build_client(self.uri)
                self._is_told = True
                LOGGER.warning(
                    "MLflow at %s does not answer: the training continues, what it logs is kept for later (%s)",
                    self.uri,
                    find_reason(error.__cause__ or error),
                )

    def _look(self, answer_s: int) -> None:
        """Find the store and the experiment; a server is asked once more where it refuses: an answer may have been cut."""
        for is_last in (not self.uri.startswith("http"), True):
            try:
                self._client = open_store(self.uri, answer_s=answer_s)
                find_experiment(self._client, self.uri, self.experiment)
                return
            except SilentStoreError:
                raise
            except SettingError:
                if is_last:
                    raise

    @contextmanager
    def start(
        self, settings: Mapping[str, Any], data: Mapping[str, str], name: str, again: str | None = None
    ) -> Iterator[TrackedRun]:
        """Open a run for the time of the block; one that the folder has already is continued.

        Args:
            settings: what is logged as parameters.
            data: SHA-256 of each file, logged as the run's data set.
            name: of the data.
            again: id of a run to continue, if the store has it; None for a new one.

        Raises:
            SettingError: where the store cannot be reached, or another process is at work in the folder.
        """
        if not self.enabled:
            yield TrackedRun()
            return
        if self._client is None:
            self.check()
        # around the whole block, since a thread must not change the environment: patience for each of its calls
        with patient(), without_bars(), open_outbox(self.hidden) as outbox:
            if outbox.entries:
                outbox.append(AGAIN)
            else:
                outbox.begin(**self._describe(settings, data, name), again=again)
            outbox_run = OutboxRun(outbox, self._client, self.uri)
            if self.is_study and not outbox.run_id:
                self._send_first(outbox_run)
            uploader = Uploader(outbox_run, self._is_told)
            uploader.start()
            run = TrackedRun(outbox, uploader, self._client, SERVER_S if is_server(self.uri) else DATABASE_S)
            with ended_with_block(run):
                yield run

    def _send_first(self, outbox_run: OutboxRun) -> None:
        from mlflow.exceptions import MlflowException

        try:
            outbox_run.send_next()
        except (MlflowException, SilentStoreError, OSError) as error:
            raise SettingError(
                f"setting tracking_uri must be a store that takes runs, got {self.uri!r}: {find_reason(error)}; correct it"
            ) from error

    def _describe(self, settings: Mapping[str, Any], data: Mapping[str, str], name: str) -> dict[str, Any]:
        """What the run is created with."""
        packages = ("monai", "torch", "pytorch-ignite", "numpy", "mlflow")
        versions = {f"version_{package}": version(package) for package in packages}
        values = {**settings, **versions, "version_livecell-monai": __version__, "data_sha256": digest_of(dict(data))}
        return {
            "uri": self.uri,
            "experiment": self.experiment,
            "name": _unique_name(name) if self.run_name == "auto" else self.run_name,
            "tags": {**_tags(), **({} if self.parent is None else {"mlflow.parentRunId": self.parent})},
            "params": {key: str(value) for key, value in values.items()},
            "data": name,
            "files": dict(data),
            "time": now(),
        }


def _unique_name(data: str) -> str:
    return f"{data}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"


def _tags() -> dict[str, str]:
    tags = {"mlflow.source.name": " ".join(Path(part).name if i == 0 else part for i, part in enumerate(sys.argv[:2]))}
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        tags["mlflow.source.git.commit"] = commit.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass  # no git, or no repository: there is no commit to note
    return tags
