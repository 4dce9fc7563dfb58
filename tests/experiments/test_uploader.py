"""Each entry is kept once, even if connections are cut; the thread reports a failing store once and ends in time."""

import math
import threading
import time
from pathlib import Path

import pytest
from mlflow.entities import Run, RunData, RunInfo
from mlflow.exceptions import MlflowException

from livecell_monai.experiments import uploader as module
from livecell_monai.experiments.outbox import AGAIN, END, FILE, METRICS, TAG, open_outbox
from livecell_monai.experiments.store import find_experiment, open_store
from livecell_monai.experiments.uploader import OUTBOX_TAG, OutboxRun, Uploader

CHANGING = ("create_run", "log_batch", "log_inputs", "log_artifact", "set_tag", "update_run", "set_terminated", "delete_run")


class Unreliable:
    """A client that loses the first request or answer of each call that changes something."""

    def __init__(self, client, before=False):
        self.client = client
        self.before = before
        self.made = []
        self.lost = 0

    def __getattr__(self, name):
        call = getattr(self.client, name)

        def make(*given, **named):
            key = (name, repr(given), repr(named))
            is_first = key not in self.made
            self.made.append(key)
            if is_first and self.before:
                self.lost += 1
                raise MlflowException("the request was lost")
            result = call(*given, **named)
            if is_first:
                self.lost += 1
                raise MlflowException("the answer was lost")
            return result

        return make if name in CHANGING else call


@pytest.fixture
def client(store):
    return open_store(store)


@pytest.fixture
def outbox(tmp_path):
    with open_outbox(tmp_path / "model" / ".tracking") as outbox:
        yield outbox


def begin(outbox, store, again=None, name="cells-1"):
    params, files = {"lr": "0.1"}, {"image/a.tif": "0" * 64}
    told = {"experiment": "livecell", "name": name, "tags": {"a": "b"}, "params": params, "data": "cells", "files": files}
    outbox.begin(uri=store, **told, time=1000, again=again)


def fill(outbox, store):
    """All kinds of entries."""
    begin(outbox, store)
    for epoch in (1, 2, 3):
        values = {"val_iou": epoch / 4, "val_loss": math.nan if epoch == 2 else math.inf}
        outbox.append(METRICS, step=epoch, time=1000 + epoch, values=values, once=True)
    (outbox.root / "model.pt").write_text("weights")
    outbox.append(FILE, path="model.pt", into="bundle/models")
    outbox.append(FILE, path="gone.pt", into="bundle/models")
    outbox.append(TAG, key="pruned", value="true")
    outbox.append(END, status="KILLED", time=2000)
    outbox.append(AGAIN)
    outbox.append(METRICS, step=4, time=1004, values={"val_iou": 0.25}, once=True)
    outbox.append(END, status="FINISHED", time=3000)


def send_all(outbox_run, tries=40):
    """Send all, retrying failures; the number of failures."""
    failed = 0
    while True:
        try:
            if not outbox_run.send_next():
                return failed
        except (MlflowException, ConnectionError):
            failed += 1
            assert failed < tries


def runs_of(client):
    return client.search_runs([client.get_experiment_by_name("livecell").experiment_id])


def check_result(client, store):
    (run,) = runs_of(client)
    assert (run.info.run_name, run.info.status) == ("cells-1", "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (1000, 3000)
    history = [(one.step, one.value, one.timestamp) for one in client.get_metric_history(run.info.run_id, "val_iou")]
    assert history == [(1, 0.25, 1001), (2, 0.5, 1002), (3, 0.75, 1003), (4, 0.25, 1004)]
    losses = [(one.step, math.isnan(one.value)) for one in client.get_metric_history(run.info.run_id, "val_loss")]
    assert losses == [(1, False), (2, True), (3, False)]
    assert run.data.params == {"lr": "0.1"}
    assert (run.data.tags["a"], run.data.tags["pruned"]) == ("b", "true")
    assert len(run.inputs.dataset_inputs) == 1
    (file,) = client.list_artifacts(run.info.run_id, "bundle/models")
    assert file.path == "bundle/models/model.pt"
    kept = Path(store.removeprefix("sqlite:///")).parent / "mlartifacts" / run.info.run_id / "artifacts" / file.path
    assert kept.read_text() == "weights"


def test_all_kinds_of_entries_are_sent(client, store, outbox):
    fill(outbox, store)
    assert send_all(OutboxRun(outbox, client, store)) == 0
    assert outbox.waiting() == []
    check_result(client, store)


@pytest.mark.parametrize("before", [True, False], ids=["requests", "answers"])
def test_each_is_kept_once_if_every_call_is_lost_once(client, store, outbox, before):
    fill(outbox, store)
    unreliable = Unreliable(client, before)
    assert send_all(OutboxRun(outbox, unreliable, store)) == unreliable.lost > 8
    check_result(client, store)


def test_each_is_kept_once_if_all_are_sent_again(client, store, outbox):
    """As after a kill between an answer and its record."""
    fill(outbox, store)
    send_all(OutboxRun(outbox, client, store))
    first = outbox.run_id
    outbox.forget()
    send_all(OutboxRun(outbox, client, store))
    assert outbox.run_id == first
    check_result(client, store)


def test_a_duplicate_run_is_deleted(client, store, outbox):
    """A delayed request creates the run a second time."""
    fill(outbox, store)
    outbox_run = OutboxRun(outbox, client, store)
    outbox_run.send_next()
    experiment = find_experiment(client, store, "livecell")
    late = client.create_run(experiment, run_name="cells-1", tags={OUTBOX_TAG: outbox.first["id"]}).info.run_id
    other = client.create_run(experiment, run_name="other", tags={OUTBOX_TAG: "of another"}).info.run_id
    send_all(outbox_run)
    assert {run.info.run_id for run in runs_of(client)} == {outbox.run_id, other}
    assert client.get_run(late).info.lifecycle_stage == "deleted"


class TestEarlierRun:
    @pytest.fixture
    def before(self, client, store):
        run = client.create_run(find_experiment(client, store, "livecell"), run_name="cells-0").info.run_id
        client.log_metric(run, "val_iou", 0.5, step=1)
        client.log_metric(run, "best_val_iou", 0.5, step=0)
        client.set_terminated(run, "KILLED")
        return run

    def test_existing_epochs_are_kept(self, client, store, outbox, before):
        begin(outbox, store, before)
        outbox.append(METRICS, step=1, time=5, values={"val_iou": 0.625, "lr": 0.1}, once=True)
        outbox.append(METRICS, step=2, time=6, values={"val_iou": 0.75}, once=True)
        send_all(OutboxRun(outbox, client, store))
        assert outbox.run_id == before
        (run,) = runs_of(client)
        assert run.info.status == "RUNNING"
        history = sorted((one.step, one.value) for one in client.get_metric_history(before, "val_iou"))
        assert history == [(1, 0.5), (2, 0.75)]
        assert run.data.metrics["lr"] == 0.1
        assert "lr" not in run.data.params

    @pytest.mark.parametrize(("value", "expected"), [(0.5, [0.5]), (0.75, [0.5, 0.75])])
    def test_changed_scores_are_added(self, client, store, outbox, before, value, expected):
        begin(outbox, store, before)
        outbox.append(METRICS, step=0, time=5, values={"best_val_iou": value}, once=False)
        send_all(OutboxRun(outbox, client, store))
        assert sorted(one.value for one in client.get_metric_history(before, "best_val_iou")) == expected

    @pytest.mark.parametrize("is_deleted", [True, False])
    def test_a_missing_or_deleted_one_is_created_anew(self, client, store, outbox, before, is_deleted):
        if is_deleted:
            client.delete_run(before)
        begin(outbox, store, before if is_deleted else "0" * 32)
        send_all(OutboxRun(outbox, client, store))
        assert outbox.run_id not in (before, "")
        assert client.get_run(outbox.run_id).data.params == {"lr": "0.1"}


def test_waiting_epochs_are_sent_together_up_to_the_limit(client, store, outbox, monkeypatch):
    monkeypatch.setattr(module, "MOST_METRICS", 10)
    begin(outbox, store)
    for epoch in range(1, 15):
        outbox.append(METRICS, step=epoch, time=epoch, values={"val_iou": 0.5}, once=True)
    outbox_run = OutboxRun(outbox, client, store)
    outbox_run.send_next()
    outbox_run.send_next()
    assert outbox.sent == 11
    send_all(outbox_run)
    assert len(client.get_metric_history(outbox.run_id, "val_iou")) == 14


class EmptyAnswers:
    """A client with one empty answer for each name, as MLflow reads an answer that was cut among its headers."""

    def __init__(self, client, *names):
        self.client = client
        self.names = list(names)

    def __getattr__(self, name):
        call = getattr(self.client, name)
        if name not in self.names:
            return call

        def make(*given, **named):
            answer = call(*given, **named)
            self.names.remove(name)
            return [] if isinstance(answer, list) else Run(RunInfo("", "", "", "RUNNING", 0, 0, "active"), RunData())

        return make


@pytest.mark.parametrize("name", ["create_run", "get_run"])
def test_an_empty_answer_is_an_error(client, store, outbox, name, tmp_path, monkeypatch):
    """MLflow would write to the working folder without an artifact location."""
    monkeypatch.chdir(tmp_path)
    fill(outbox, store)
    faulty = EmptyAnswers(client, name)
    assert send_all(OutboxRun(outbox, faulty, store)) == 1
    assert faulty.names == []
    check_result(client, store)
    assert not (tmp_path / "bundle").exists()


def test_an_empty_history_is_an_error(client, store, outbox):
    before = client.create_run(find_experiment(client, store, "livecell")).info.run_id
    client.log_metric(before, "val_iou", 0.5, step=1)
    begin(outbox, store, before)
    outbox.append(METRICS, step=1, time=5, values={"val_iou": 0.625}, once=True)
    assert send_all(OutboxRun(outbox, EmptyAnswers(client, "get_metric_history"), store)) == 1
    assert len(client.get_metric_history(before, "val_iou")) == 1


class FakeOutboxRun:
    """In place of an OutboxRun: fails a number of times, or hangs."""

    def __init__(self, outbox, fails=0):
        self.outbox = outbox
        self.fails = fails
        self.times = []
        self.hang = threading.Event()
        self.hang.set()

    def send_next(self):
        self.times.append(time.monotonic())
        self.hang.wait(20)
        if len(self.times) <= self.fails:
            raise ValueError("no\nanswer")
        waiting = self.outbox.waiting()
        if waiting:
            self.outbox.acknowledge(waiting[0]["n"], "abc")
        return bool(waiting)


def log_metric(outbox, uploader, step):
    outbox.append(METRICS, step=step, time=2, values={"val_iou": 0.5}, once=True)
    uploader.wake()


def wait_until(holds):
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


class TestUploader:
    @pytest.fixture
    def outbox(self, outbox, monkeypatch):
        monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
        outbox.begin(uri="", time=1, again=None)
        return outbox

    def test_entries_are_sent_as_they_are_logged(self, outbox):
        uploader = Uploader(FakeOutboxRun(outbox))
        for step in (1, 2):
            log_metric(outbox, uploader, step)
            wait_until(lambda: not outbox.waiting())
        assert uploader.close(5) == 0
        assert not uploader._thread.is_alive()

    def test_a_failing_store_is_reported_once_and_tried_again(self, outbox, caplog):
        outbox_run = FakeOutboxRun(outbox, fails=4)
        uploader = Uploader(outbox_run)
        log_metric(outbox, uploader, 1)
        wait_until(lambda: not outbox.waiting())
        assert uploader.close(5) == 0
        assert [record.getMessage() for record in caplog.records] == [
            "MLflow does not answer, the training continues, what it logs is kept and sent later: no answer"
        ]
        pauses = [after - before for before, after in zip(outbox_run.times, outbox_run.times[1:4], strict=False)]
        assert [pause >= least for pause, least in zip(pauses, (0.01, 0.02, 0.04), strict=True)] == [True] * 3

    def test_a_failure_that_was_reported_is_not_reported_again(self, outbox, caplog):
        uploader = Uploader(FakeOutboxRun(outbox, fails=1), is_reported=True)
        assert uploader.close(5) == 0
        assert not caplog.records

    def test_a_store_that_keeps_failing_ends_the_wait(self, outbox, monkeypatch):
        outbox_run = FakeOutboxRun(outbox, fails=10**6)
        monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.01)
        uploader = Uploader(outbox_run)
        wait_until(lambda: len(outbox_run.times) > module.ENOUGH + 1)
        started = time.monotonic()
        assert uploader.close(20) == 1
        assert time.monotonic() - started < 10
        assert not uploader._thread.is_alive()

    def test_a_hanging_store_is_abandoned_in_time(self, outbox):
        outbox_run = FakeOutboxRun(outbox)
        outbox_run.hang.clear()
        uploader = Uploader(outbox_run)
        wait_until(lambda: outbox_run.times)
        log_metric(outbox, uploader, 1)
        assert uploader.close(0.05) == 2
        outbox_run.hang.set()
        uploader._thread.join(10)
        assert not uploader._thread.is_alive()
        assert len(outbox_run.times) == 1
        assert outbox.sent == 0
