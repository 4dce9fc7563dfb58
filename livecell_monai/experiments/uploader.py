"""Sends an outbox to MLflow: in order, each entry once, in a thread that never blocks the training."""

import logging
import threading
import time
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from livecell_monai.data.dataset.identity import digest_of
from livecell_monai.errors import mask_secrets
from livecell_monai.experiments.outbox import AGAIN, END, FILE, METRICS, TAG, Entry, Outbox
from livecell_monai.experiments.store import find_experiment, find_reason

LOGGER = logging.getLogger(__name__)
OUTBOX_TAG = "livecell.outbox"  #: tag of a run: id of its outbox, by which a retry finds the run that was created before
MOST_METRICS = 1000  # that MLflow accepts in one call
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # between two tries; each pause is twice the one before
ENOUGH = 3  # failed tries in a row, after the end of the training
REPORT = "MLflow does not answer, the training continues, what it logs is kept and sent later: %s"


@dataclass
class OutboxRun:
    """Sends the entries of one outbox.

    An entry may be sent again, and the store keeps it once: parameters, files and the end are set, not added; MLflow
    identifies a metric by name, step, time and value; a run is searched by its tag before it is created. A store other than
    the recorded one that lacks the run receives all of it.
    """

    outbox: Outbox
    client: Any
    uri: str
    _is_checked: bool = False
    _known: dict[tuple[str, int], set[float]] | None = None
    _artifacts: Any = None

    def send_next(self) -> bool:
        """Send the oldest waiting entry, or several with metrics; whether there was one. It is kept if this raises."""
        self._check_store()
        waiting = self.outbox.waiting()
        if not waiting:
            return False
        if waiting[0] is self.outbox.first or not self.outbox.run_id:
            self._open(self.outbox.first)
            return True
        sent = [entry] = waiting[:1]
        run_id = self.outbox.run_id
        if entry["kind"] == METRICS:
            sent = self._send_metrics(run_id, waiting)
        elif entry["kind"] == AGAIN:
            self.client.update_run(run_id, status="RUNNING")
        elif entry["kind"] == TAG:
            self.client.set_tag(run_id, entry["key"], entry["value"])
        elif entry["kind"] == FILE:
            self._send_file(run_id, entry)
        elif entry["kind"] == END:
            self._end(run_id, entry)
        self.outbox.acknowledge(sent[-1]["n"])
        return True

    def knows(self, run_id: str) -> bool:
        """Whether the store has a run that is not deleted."""
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code in MISSING:  # logged to another store
                return False
            raise

    def _check_store(self) -> None:
        """Send all to another store than the recorded one if it lacks the run."""
        if self._is_checked or not self.outbox.entries:
            return
        is_moved = mask_secrets(self.uri) != mask_secrets(self.outbox.first["uri"])
        if is_moved and self.outbox.run_id and not self.knows(self.outbox.run_id):
            self.outbox.forget()
        self._is_checked = True

    def _open(self, entry: Entry) -> None:
        """Continue the run if the store has it, else create one."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        if entry["again"] and self.knows(entry["again"]):
            self.client.update_run(entry["again"], status="RUNNING")
            self.outbox.acknowledge(entry["n"], entry["again"])
            return
        run_id = self.outbox.run_id
        if not run_id:
            experiment = find_experiment(self.client, self.uri, entry["experiment"])
            tags = {**entry["tags"], OUTBOX_TAG: entry["id"]}
            (run, *_) = self._find_runs(experiment) or [
                self.client.create_run(experiment, start_time=entry["time"], tags=tags, run_name=entry["name"])
            ]
            run_id = str(_check_answer(run.info.run_id))
        self.outbox.acknowledge(0, run_id)
        self.client.log_batch(run_id, params=[Param(key, value) for key, value in entry["params"].items()])
        name, digest = entry["data"], digest_of(entry["files"])[:36]
        profile = f'{{"files": {len(entry["files"])}}}'
        data = Dataset(name=name, digest=digest, source_type="local", source=name, profile=profile)
        self.client.log_inputs(run_id, datasets=[DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
        self.outbox.acknowledge(entry["n"])

    def _send_metrics(self, run_id: str, waiting: list[Entry]) -> list[Entry]:
        """Send as many entries as one call accepts."""
        from mlflow.entities import Metric

        sent: list[Entry] = []
        metrics: list[Any] = []
        for entry in takewhile(lambda entry: entry["kind"] == METRICS, waiting):
            if sent and len(metrics) + len(entry["values"]) > MOST_METRICS:
                break
            sent.append(entry)
            new = {name: value for name, value in entry["values"].items() if not self._has(run_id, name, value, entry)}
            metrics += [Metric(name, value, entry["time"], entry["step"]) for name, value in new.items()]
        if metrics:
            self.client.log_batch(run_id, metrics=metrics)
        return sent

    def _has(self, run_id: str, name: str, value: float, entry: Entry) -> bool:
        """Whether a run that another outbox has started has a metric at this step; with this value, if it may change."""
        if run_id != self.outbox.first["again"]:
            return False
        if self._known is None:
            known: dict[tuple[str, int], set[float]] = {}
            for metric in self._get_run(run_id).data.metrics:
                for one in _check_answer(self.client.get_metric_history(run_id, metric)):
                    known.setdefault((metric, one.step), set()).add(one.value)
            self._known = known
        values = self._known.get((name, entry["step"]), set())
        return bool(values) if entry["once"] else value in values

    def _send_file(self, run_id: str, entry: Entry) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        path = self.outbox.root / entry["path"]
        if not path.is_file():  # the user has removed it
            return
        if self._artifacts is None:
            # the client would keep the location of a cut answer, and write to the working folder
            location = _check_answer(self._get_run(run_id).info.artifact_uri)
            self._artifacts = get_artifact_repository(location, tracking_uri=self.client.tracking_uri)
        self._artifacts.log_artifact(str(path), entry["into"])

    def _end(self, run_id: str, entry: Entry) -> None:
        """End the run, and delete a duplicate that a delayed call has created."""
        run = self._get_run(run_id)
        if run.data.tags.get(OUTBOX_TAG) == self.outbox.first["id"]:  # else it was started elsewhere
            for twin in _check_answer(self._find_runs(run.info.experiment_id)):
                if twin.info.run_id != run_id:
                    self.client.delete_run(twin.info.run_id)
        self.client.set_terminated(run_id, entry["status"], entry["time"])

    def _get_run(self, run_id: str) -> Any:
        run = self.client.get_run(run_id)
        _check_answer(run.info.run_id)
        return run

    def _find_runs(self, experiment: str) -> list[Any]:
        return list(self.client.search_runs([experiment], f"tags.`{OUTBOX_TAG}` = '{self.outbox.first['id']}'"))


class Uploader:
    """A thread that sends an outbox until it is closed; it reports a store that fails once, unless `is_reported`."""

    def __init__(self, outbox_run: OutboxRun, is_reported: bool = False) -> None:
        self.outbox_run = outbox_run
        self.outbox = outbox_run.outbox
        self.is_reported = is_reported
        self._news, self._closing, self._abandoned = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for new entries."""
        self._news.set()

    def close(self, seconds: float) -> int:
        """End when all is sent, the store fails repeatedly or the time is over; the number of waiting entries."""
        self._closing.set()
        self._news.set()
        self._thread.join(seconds)
        self._abandoned.set()
        self.outbox.close()  # a call that hangs may return later, and must not change anything then
        return len(self.outbox.waiting())

    def _work(self) -> None:
        failures = last_failures = 0
        while not self._abandoned.is_set() and last_failures < ENOUGH:
            self._news.clear()
            try:
                is_more = self.outbox_run.send_next()
            except Exception as error:  # whatever a store does, the training continues
                failures += 1
                if not self.is_reported:
                    LOGGER.warning(REPORT, find_reason(error))
                self.is_reported = True
                if self._closing.is_set():
                    last_failures += 1
                    time.sleep(FIRST_PAUSE_S / 4)
                else:
                    self._closing.wait(min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S))
                continue
            failures = last_failures = 0
            if not is_more:
                if self._closing.is_set() and not self.outbox.waiting():
                    return
                self._news.wait()


def _check_answer(answer: Any) -> Any:
    """Reject an empty answer: MLflow reads one that was cut among its headers so."""
    if not answer:
        raise ConnectionError("the answer was cut")
    return answer
