"""From the entries of an outbox to a run in MLflow: in order, each once, however often it has to be tried."""

from itertools import takewhile
from typing import Any, TypeVar

from livecell_monai.data.dataset.identity import digest_of
from livecell_monai.experiments.outbox import AGAIN, END, FILE, METRICS, TAG, Entry, Outbox
from livecell_monai.experiments.store import find_experiment

OUTBOX_TAG = "livecell.outbox"  #: on the run, the outbox's id: whoever finds it has no run to create
MOST_METRICS = 1000  # that MLflow takes at once
Answer = TypeVar("Answer")
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class OutboxRun:
    """Sends an outbox.

    Whatever was under way when a connection or a process ended is sent again, and the store keeps it once: parameters,
    files and the end are set, not added; a metric is what it is by name, step, time and value; a run is looked for by its
    tag before it is created. An answer that is cut among its headers is to MLflow one without anything in it: nothing is
    taken for empty, or for missing, that cannot be.

    Args:
        outbox: held by the caller.
        client: of MLflow.
        uri: of the store.
    """

    def __init__(self, outbox: Outbox, client: Any, uri: str) -> None:
        self.outbox = outbox
        self.client = client
        self.uri = uri
        self._known: dict[tuple[str, int], set[float]] | None = None
        self._files: Any = None

    def send_next(self) -> bool:
        """Send the oldest entry that waits, or several with metrics at once.

        Returns:
            Whether there was one.

        Raises:
            Exception: whatever the store or the network raises; the entry then stays.
        """
        waiting = self.outbox.waiting()
        if not waiting:
            return False
        if waiting[0] is self.outbox.first or not self.outbox.run_id:
            self._open(self.outbox.first)
            return True
        sent = waiting[:1]
        run_id, first = self.outbox.run_id, waiting[0]
        if first["kind"] == METRICS:
            sent = self._send_metrics(run_id, waiting)
        elif first["kind"] == AGAIN:
            self.client.update_run(run_id, status="RUNNING")
        elif first["kind"] == TAG:
            self.client.set_tag(run_id, first["key"], first["value"])
        elif first["kind"] == FILE:
            self._send_file(run_id, first)
        elif first["kind"] == END:
            self._end(run_id, first)
        self.outbox.acknowledge(sent[-1]["n"])
        return True

    def knows(self, run_id: str) -> bool:
        """Whether the store has a run, and it is not deleted."""
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code in MISSING:  # logged to another store
                return False
            raise

    def _open(self, entry: Entry) -> None:
        """The run to continue if the store has it, else a new one with its settings and data."""
        if entry["again"] and self.knows(entry["again"]):
            self.client.update_run(entry["again"], status="RUNNING")
            self.outbox.acknowledge(entry["n"], entry["again"])
            return
        run_id = self.outbox.run_id or self._create(entry)
        self.outbox.acknowledge(0, run_id)
        self._describe(run_id, entry)
        self.outbox.acknowledge(entry["n"])

    def _create(self, entry: Entry) -> str:
        experiment = find_experiment(self.client, self.uri, entry["experiment"])
        runs = self._find_runs(experiment)
        if not runs:
            tags = {**entry["tags"], OUTBOX_TAG: entry["id"]}
            runs = [self.client.create_run(experiment, start_time=entry["time"], tags=tags, run_name=entry["name"])]
        return _check_answer(str(runs[0].info.run_id))

    def _describe(self, run_id: str, entry: Entry) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        self.client.log_batch(run_id, params=[Param(key, value) for key, value in entry["params"].items()])
        name, digest = entry["data"], digest_of(entry["files"])[:36]
        profile = f'{{"files": {len(entry["files"])}}}'
        data = Dataset(name=name, digest=digest, source_type="local", source=name, profile=profile)
        self.client.log_inputs(run_id, datasets=[DatasetInput(data, [InputTag("mlflow.data.context", "training")])])

    def _send_metrics(self, run_id: str, waiting: list[Entry]) -> list[Entry]:
        """As many entries as one call takes."""
        from mlflow.entities import Metric

        sent: list[Entry] = []
        metrics: list[Any] = []
        for entry in takewhile(lambda entry: entry["kind"] == METRICS, waiting):
            if sent and len(metrics) + len(entry["values"]) > MOST_METRICS:
                break
            sent.append(entry)
            metrics += [
                Metric(name, value, entry["time"], entry["step"])
                for name, value in entry["values"].items()
                if not self._has(run_id, name, value, entry)
            ]
        if metrics:
            self.client.log_batch(run_id, metrics=metrics)
        return sent

    def _has(self, run_id: str, name: str, value: float, entry: Entry) -> bool:
        """Whether a run that was started elsewhere has the metric of that step already, or that value if it may change."""
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
        if not path.is_file():  # someone has removed it since: there is nothing to send any more
            return
        if (
            self._files is None
        ):  # the client's own would remember an answer without the place, and write to the working folder
            place = _check_answer(str(self._get_run(run_id).info.artifact_uri))
            self._files = get_artifact_repository(place, tracking_uri=self.client.tracking_uri)
        self._files.log_artifact(str(path), entry["into"])

    def _end(self, run_id: str, entry: Entry) -> None:
        """End the run; where a call to create it had gone astray and came late, what it made is deleted."""
        run = self._get_run(run_id)
        if run.data.tags.get(OUTBOX_TAG) == self.outbox.first["id"]:  # and not started elsewhere
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


def _check_answer(answer: Answer) -> Answer:
    """What a store has answered, which cannot be nothing."""
    if not answer:
        raise ConnectionError("the answer was cut")
    return answer
