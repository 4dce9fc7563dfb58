"""A run in MLflow: settings, data, metrics by epoch, the bundle. What is logged is on disk before it is sent."""

import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from livecell_monai import __version__
from livecell_monai.data.dataset.identity import digest_of
from livecell_monai.errors import SettingError
from livecell_monai.experiments.outbox import AGAIN, FOLDER, open_outbox
from livecell_monai.experiments.store import (
    ANSWER_S,
    SilentStoreError,
    choose_uri,
    find_database,
    find_experiment,
    find_reason,
    mlflow_environment,
    open_store,
    quiet_mlflow,
    store_errors,
)
from livecell_monai.experiments.tracked_run import TrackedRun, ended_with_block, now
from livecell_monai.experiments.uploader import OutboxRun, Uploader

LOGGER = logging.getLogger(__name__)
CHECK_S = 3  # seconds that a server has for each answer before a training begins
SERVER_S = 10.0  # seconds to wait for a server at the end of a training that has finished
DATABASE_S = 60.0  # the same for a database, which only another process that writes can delay


class RunTracker:
    """Opens a run by id, and ends it as FINISHED, FAILED or KILLED.

    Args:
        uri: tracking URI, or `auto`, see `choose_uri`.
        experiment: name of the experiment.
        run_name: name of the run, or `auto` for a unique one.
        enabled: whether to track at all.
        parent: id of the run that this one is nested under; None for none.
        folder: of the training; its outbox `.tracking` has what the store has not acknowledged.
        is_study: whether other runs will be nested under this one, so that the store must create it first.
        suffix: of the outbox's name, if several processes share the folder of a study.
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
        suffix: str = "",
    ) -> None:
        self.uri = choose_uri(uri)
        self.experiment = experiment
        self.run_name = run_name
        self.enabled = enabled
        self.parent = parent
        self.hidden = Path(folder) / f"{FOLDER}{suffix}"
        self.is_study = is_study
        self._client: Any = None
        self._is_reported = False

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
        answer_s = ANSWER_S if self.is_study else CHECK_S
        with quiet_mlflow(answer_s):
            try:
                self._connect(answer_s, retry=self.uri.startswith("http"))
            except SilentStoreError as error:
                if self.is_study:
                    raise
                from mlflow import MlflowClient

                self._client = MlflowClient(self.uri)
                self._is_reported = True
                LOGGER.warning(
                    "MLflow at %s does not answer: the training continues, what it logs is kept for later (%s)",
                    self.uri,
                    find_reason(error.__cause__ or error),
                )

    def _connect(self, answer_s: int, retry: bool) -> None:
        try:
            self._client = open_store(self.uri, answer_s=answer_s)
            find_experiment(self._client, self.uri, self.experiment)
        except SilentStoreError:
            raise
        except SettingError:
            if not retry:  # a server's answer may have been cut
                raise
            self._connect(answer_s, retry=False)

    @contextmanager
    def start(
        self, settings: Mapping[str, Any], data: Mapping[str, str], name: str, again: str | None = None
    ) -> Iterator[TrackedRun]:
        """Open a run during the block, or continue the run of an earlier process in the folder.

        Args:
            settings: logged as parameters.
            data: SHA-256 of each file, logged as the data set.
            name: of the data.
            again: id of a run to continue if the store has it; None for a new one.

        Raises:
            SettingError: the store cannot be reached, or another process works in the folder.
        """
        if not self.enabled:
            yield TrackedRun()
            return
        if self._client is None:
            self.check()
        # around the whole block, because a thread must not change the environment
        with mlflow_environment(ANSWER_S), open_outbox(self.hidden) as outbox:
            if outbox.entries:
                outbox.append(AGAIN)
            else:
                outbox.begin(**self._describe(settings, data, name), again=again)
            outbox_run = OutboxRun(outbox, self._client, self.uri)
            if self.is_study and not outbox.run_id:
                with store_errors(self.uri):
                    outbox_run.send_next()
            uploader = Uploader(outbox_run, self._is_reported)
            run = TrackedRun(outbox, uploader, self._client, DATABASE_S if find_database(self.uri) else SERVER_S)
            with ended_with_block(run):
                yield run

    def _describe(self, settings: Mapping[str, Any], data: Mapping[str, str], name: str) -> dict[str, Any]:
        """The values of the outbox's first entry."""
        packages = ("monai", "torch", "pytorch-ignite", "numpy", "mlflow")
        versions = {f"version_{package}": version(package) for package in packages}
        values = {**settings, **versions, "version_livecell-monai": __version__, "data_sha256": digest_of(dict(data))}
        unique = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
        return {
            "uri": self.uri,
            "experiment": self.experiment,
            "name": unique if self.run_name == "auto" else self.run_name,
            "tags": {**_tags(), **({} if self.parent is None else {"mlflow.parentRunId": self.parent})},
            "params": {key: str(value) for key, value in values.items()},
            "data": name,
            "files": dict(data),
            "time": now(),
        }


def _tags() -> dict[str, str]:
    tags = {"mlflow.source.name": " ".join(Path(part).name if i == 0 else part for i, part in enumerate(sys.argv[:2]))}
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        tags["mlflow.source.git.commit"] = commit.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass  # no git, or no repository
    return tags
