"""The contents of an MLflow run, its end, and servers that fail."""

import math
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from livecell_monai import __version__
from livecell_monai.data.dataset.identity import digest_of
from livecell_monai.errors import SettingError, find_user_error
from livecell_monai.experiments import RunTracker, crossval, uploader
from livecell_monai.experiments import tracking as tracking_module
from livecell_monai.experiments.outbox import END, FILE, METRICS, TAG, open_outbox
from livecell_monai.experiments.parts import StudyRequest
from livecell_monai.experiments.store import open_store
from livecell_monai.experiments.syncing import sync
from livecell_monai.experiments.tracking import PrunedError, TrackedRun
from tests.support.small_training import SMALL, train_small
from tests.support.tracking_server import Fault, draw_faults, proxied

SETTINGS = {"lr": 0.001, "filters": [4, 8], "seed": 3, "split": "auto"}
DATA = {"image/a.tif": "0" * 64, "label/a.tif": "1" * 64}
EPOCH_METRICS = ("train_loss", "val_loss", "train_iou", "val_iou", "train_accuracy", "val_accuracy", "lr")
BUNDLE = {
    "bundle/LICENSE",
    "bundle/configs/evaluate.yaml",
    "bundle/configs/inference.yaml",
    "bundle/configs/settings.yaml",
    "bundle/configs/multi_gpu_train.yaml",
    "bundle/configs/plan.yaml",
    "bundle/configs/logging.conf",
    "bundle/configs/metadata.json",
    "bundle/configs/train.yaml",
    "bundle/docs/README.md",
    "bundle/docs/curves.png",
    "bundle/docs/history.csv",
    "bundle/docs/report.html",
    "bundle/docs/scores.csv",
    "bundle/docs/validation.png",
    "bundle/models/model.pt",
    "bundle/models/model.safetensors",
}


@pytest.fixture
def tracking(tmp_path):
    """Creates a tracker of a training in its own folder."""

    def of(uri="auto", folder=tmp_path / "training", **options):
        return RunTracker(uri, folder=folder, **options)

    return of


def runs_of(uri, experiment="livecell"):
    client = open_store(uri)
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else client.search_runs([found.experiment_id])


def only_run(uri):
    (run,) = runs_of(uri)
    return run


def artifacts_of(uri, run, path=None):
    """Paths of all files of a run."""
    found = set()
    for entry in open_store(uri).list_artifacts(run.info.run_id, path):
        found |= artifacts_of(uri, run, entry.path) if entry.is_dir else {entry.path}
    return found


def write_little_bundle(folder):
    for name in (
        "configs/inference.yaml",
        "docs/README.md",
        "models/model.pt",
        "models/model.safetensors",
        "models/last.pt",
        "LICENSE",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


class Silent:
    """In place of an uploader: sends nothing."""

    def __init__(self, left):
        self.left, self.woken, self.waited = left, 0, None

    def wake(self):
        self.woken += 1

    def close(self, seconds):
        self.waited = seconds
        return self.left


@pytest.fixture
def outbox(tmp_path):
    with open_outbox(tmp_path / "fold_1.partial" / ".tracking") as outbox:
        outbox.begin(uri="", time=1, again=None)
        yield outbox


@pytest.fixture
def run(outbox):
    return TrackedRun(outbox, Silent(0), None, 7.0)


def entries_of(outbox, kind):
    return [entry for entry in outbox.entries if entry["kind"] == kind]


def test_an_epoch_is_logged_once(outbox, run):
    """A training that resumes from a checkpoint logs epochs again."""
    run.log_epoch(1, {"val_iou": 0.25})
    run.log_epoch(2, {"val_iou": 0.5})
    run.log_epoch(2, {"val_iou": 0.625})
    run.log_epoch(2, {"val_iou": 0.5, "lr": 0.1})
    assert [(entry["step"], entry["values"]) for entry in entries_of(outbox, METRICS)] == [
        (1, {"val_iou": 0.25}),
        (2, {"val_iou": 0.5}),
        (2, {"lr": 0.1}),
    ]


def test_scores_are_logged_again_if_they_have_changed(outbox, run):
    for best in (0.25, 0.25, 0.5):
        run.log_scores({"sweep_best_iou": best}, ["sweep.csv"])
    assert [entry["values"]["sweep_best_iou"] for entry in entries_of(outbox, METRICS)] == [0.25, 0.5]
    assert {entry["path"] for entry in entries_of(outbox, FILE)} == {"sweep.csv"}


def test_files_of_the_bundle_are_logged_by_their_path(outbox, run):
    for name in ("configs/train.yaml", "docs/figures/a.png", "models/model.pt", "models/last.pt", "LICENSE"):
        (outbox.root / name).parent.mkdir(parents=True, exist_ok=True)
        (outbox.root / name).write_text(name)
    run.log_result(outbox.root, {"iou": 0.5})
    assert {entry["path"]: entry["into"] for entry in entries_of(outbox, FILE)} == {
        "configs/train.yaml": "bundle/configs",
        "docs/figures/a.png": "bundle/docs/figures",
        "models/model.pt": "bundle/models",
        "LICENSE": "bundle",
    }


@pytest.mark.parametrize(
    ("error", "status", "waits"),
    [
        (None, "FINISHED", 7.0),
        (KeyboardInterrupt, "KILLED", tracking_module.BREAK_S),
        (ValueError, "FAILED", tracking_module.BREAK_S),
    ],
)
def test_the_run_ends_as_the_block_and_waits_less_after_an_error(outbox, run, error, status, waits):
    def end():
        with run.ended_with_block():
            if error is not None:
                raise error

    if error is None:
        end()
    else:
        with pytest.raises(error):
            end()
    assert [entry["status"] for entry in entries_of(outbox, END)] == [status]
    assert run._uploader.waited == waits


def test_a_pruned_run_is_tagged_before_its_end(outbox, run):
    with pytest.raises(PrunedError), run.ended_with_block():
        raise PrunedError
    assert [entry["kind"] for entry in outbox.entries] == ["run", TAG, END]


@pytest.mark.parametrize("left", [0, 3])
def test_waiting_entries_are_reported_with_the_final_folder_name(outbox, left, tmp_path, caplog):
    TrackedRun(outbox, Silent(left), None).end("FINISHED")
    folder = tmp_path / "fold_1"
    line = f"MLflow lacks 3 entries of this run, kept in {folder}; send them: livecell sync {folder}"
    assert [record.getMessage() for record in caplog.records] == [line] * (left > 0)


def test_a_nested_training_uses_the_same_store(store, tracking):
    with tracking(store, is_study=True).start(SETTINGS, DATA, "cells") as run:
        assert run.nest("fold_0") == {"run_name": "fold_0", "tracking_uri": store}
    assert TrackedRun().nest("fold_0") == {"run_name": "fold_0"}


def test_without_a_run_every_call_does_nothing(tmp_path):
    run = TrackedRun()
    run.log_epoch(1, {"val_iou": 0.5})
    run.log_scores({"iou": 0.5}, ["scores.csv"])
    run.end_nested("fold_1")
    run.end("FINISHED")
    assert run.run_id == ""


class TestRecord:
    def test_settings_versions_and_data(self, store, tracking):
        with tracking(store).start(SETTINGS, DATA, "cells"):
            pass
        run = only_run(store)
        digest = digest_of(DATA)
        assert {key: run.data.params[key] for key in SETTINGS} == {key: str(value) for key, value in SETTINGS.items()}
        assert run.data.params["data_sha256"] == digest
        assert run.data.params["version_livecell-monai"] == __version__
        assert {"version_monai", "version_torch", "version_pytorch-ignite", "version_numpy"} <= set(run.data.params)
        (entry,) = run.inputs.dataset_inputs
        assert (entry.dataset.name, entry.dataset.digest) == ("cells", digest[:36])
        assert [(tag.key, tag.value) for tag in entry.tags] == [("mlflow.data.context", "training")]

    def test_metrics_by_epoch(self, store, tracking):
        with tracking(store).start(SETTINGS, DATA, "cells") as run:
            run.log_epoch(1, {"val_iou": 0.25, "lr": 0.1})
            run.log_epoch(2, {"val_iou": 0.5, "lr": 0.1})
        history = open_store(store).get_metric_history(run.run_id, "val_iou")
        assert [(metric.step, metric.value) for metric in history] == [(1, 0.25), (2, 0.5)]

    def test_result_with_the_bundle(self, store, tmp_path, tracking):
        with tracking(store).start(SETTINGS, DATA, "cells") as run:
            run.log_result(write_little_bundle(tmp_path / "model"), {"iou": 0.5, "loss": 0.25})
        found = only_run(store)
        assert found.data.metrics == {"iou": 0.5, "loss": 0.25}
        assert artifacts_of(store, found) == {
            "bundle/LICENSE",
            "bundle/configs/inference.yaml",
            "bundle/docs/README.md",
            "bundle/models/model.pt",
            "bundle/models/model.safetensors",
        }
        beside = Path(store.removeprefix("sqlite:///")).parent / "mlartifacts"
        assert (beside / run.run_id / "artifacts/bundle/LICENSE").read_text() == "LICENSE"

    def test_a_run_is_named_after_its_folder(self, store, tmp_path):
        with RunTracker(store, folder=tmp_path / "monday").start(SETTINGS, DATA, "cells"):
            pass
        assert only_run(store).info.run_name == "monday"

    def test_it_says_where_a_browser_shows_it(self, store, tmp_path):
        shown = []
        with RunTracker(store, folder=tmp_path / "monday", on_shown=shown.append).start(SETTINGS, DATA, "cells") as run:
            assert not shown
        (line,) = shown
        assert line.startswith("mlflow ui --backend-store-uri sqlite://")
        assert line.endswith(f"/runs/{run.run_id}?workflowType=machine_learning")

    def test_a_given_name_is_kept(self, store, tracking):
        with tracking(store, experiment="others", run_name="monday").start(SETTINGS, DATA, "cells"):
            pass
        (run,) = runs_of(store, "others")
        assert run.info.run_name == "monday"

    def test_the_environment_names_the_store(self, store, monkeypatch, tracking):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
        with tracking().start(SETTINGS, DATA, "cells"):
            pass
        assert only_run(store).info.status == "FINISHED"

    def test_nothing_is_logged_without_tracking(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        tracker = RunTracker(enabled=False, folder=tmp_path)
        tracker.check()
        with tracker.start(SETTINGS, DATA, "cells") as run:
            run.log_epoch(1, {"val_iou": 0.5})
            run.log_result(tmp_path / "none", {"iou": 0.5})
        assert not list(tmp_path.iterdir())


class TestCommit:
    """Of the repository in the working folder."""

    def tag(self, store, tracking):
        with tracking(store).start(SETTINGS, DATA, "cells"):
            pass
        return only_run(store).data.tags.get("mlflow.source.git.commit")

    def test_is_logged_in_a_repository(self, store, tracking, tmp_path, monkeypatch):
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        for command in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "first"]):
            subprocess.run(["git", *command], cwd=tmp_path, check=True)
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
        monkeypatch.chdir(tmp_path)
        assert self.tag(store, tracking) == head.stdout.strip()

    def test_is_left_out_without_a_repository(self, store, tracking, tmp_path, monkeypatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        monkeypatch.chdir(tmp_path)
        assert self.tag(store, tracking) is None

    def test_is_left_out_without_git(self, store, tracking, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert self.tag(store, tracking) is None


class TestEnd:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (RuntimeError("out of memory"), "FAILED"),
            (SettingError("lr: correct it"), "FAILED"),
            (KeyboardInterrupt(), "KILLED"),
            (SystemExit(1), "KILLED"),
        ],
        ids=lambda value: getattr(type(value), "__name__", None) if isinstance(value, BaseException) else value,
    )
    def test_is_that_of_the_block_and_the_next_run_is_new(self, store, error, status, tracking, tmp_path):
        tracker, opened = tracking(store), []

        def break_off():
            with tracker.start(SETTINGS, DATA, "cells") as run:
                opened.append(run)
                run.log_epoch(1, {"val_iou": 0.25})
                raise error

        with pytest.raises(type(error)) as caught:
            break_off()
        assert caught.value is error
        (first,) = opened
        with tracking(store, tmp_path / "second").start(SETTINGS, DATA, "cells") as second:
            second.log_epoch(1, {"val_iou": 0.75})
        runs = {run.info.run_id: run for run in runs_of(store)}
        assert set(runs) == {first.run_id, second.run_id}
        assert (runs[first.run_id].info.status, runs[second.run_id].info.status) == (status, "FINISHED")
        assert runs[first.run_id].data.metrics == {"val_iou": 0.25}
        assert runs[first.run_id].info.end_time is not None

    def test_sigterm_is_an_interruption(self, store, tracking):
        before = signal.getsignal(signal.SIGTERM)

        def be_killed():
            with tracking(store).start(SETTINGS, DATA, "cells"):
                assert signal.getsignal(signal.SIGTERM) is not before
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)

        with pytest.raises(KeyboardInterrupt):
            be_killed()
        assert only_run(store).info.status == "KILLED"
        assert signal.getsignal(signal.SIGTERM) is before

    def test_a_run_is_running_during_the_block(self, store, tracking):
        with tracking(store, is_study=True).start(SETTINGS, DATA, "cells"):
            assert only_run(store).info.status == "RUNNING"

    def test_a_pruned_run_is_killed_and_tagged(self, store, tracking):
        with pytest.raises(PrunedError), tracking(store).start(SETTINGS, DATA, "cells"):
            raise PrunedError
        run = only_run(store)
        assert (run.info.status, run.data.tags["pruned"]) == ("KILLED", "true")


def interrupt(tracker):
    """Log one epoch of a training that is interrupted."""
    with suppress(KeyboardInterrupt), tracker.start(SETTINGS, DATA, "cells") as run:
        run.log_epoch(1, {"val_iou": 0.25})
        raise KeyboardInterrupt


class TestResume:
    def test_an_earlier_run_is_continued(self, store, tracking):
        with tracking(store).start(SETTINGS, DATA, "cells") as first:
            pass
        with tracking(store, is_study=True).start({"lr": 3}, DATA, "cells", first.run_id) as again:
            assert again.run_id == first.run_id
            assert only_run(store).info.status == "RUNNING"
        run = only_run(store)
        assert (run.info.status, run.data.params["lr"]) == ("FINISHED", "0.001")

    def test_a_run_that_the_store_lacks_is_created(self, store, tracking):
        with tracking(store).start(SETTINGS, DATA, "cells", "0" * 32) as run:
            pass
        assert run.run_id != "0" * 32
        assert only_run(store).info.run_id == run.run_id

    def test_from_another_folder_it_goes_on_in_the_store_where_it_was_begun(
        self, tracking, monkeypatch, tmp_path, empty_store
    ):
        for folder in ("first", "second"):
            (tmp_path / folder).mkdir()
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        monkeypatch.chdir(tmp_path / "first")
        shutil.copyfile(empty_store, "mlflow.db")
        interrupt(tracking())
        monkeypatch.chdir(tmp_path / "second")
        with tracking().start(SETTINGS, DATA, "cells") as again:
            again.log_epoch(2, {"val_iou": 0.5})
        assert not list(Path.cwd().iterdir())
        run = only_run(f"sqlite:///{tmp_path / 'first' / 'mlflow.db'}")
        assert (run.info.run_id, run.info.status, run.data.metrics["val_iou"]) == (again.run_id, "FINISHED", 0.5)

    @pytest.mark.parametrize("is_study", [False, True])
    def test_another_store_receives_all_of_it(self, store, tracking, tmp_path, empty_store, is_study, caplog):
        interrupt(tracking(store, is_study=is_study))
        other = f"sqlite:///{shutil.copyfile(empty_store, tmp_path / 'other.db')}"
        with tracking(other, is_study=is_study).start(SETTINGS, DATA, "cells") as again:
            again.log_epoch(2, {"val_iou": 0.5})
        run = only_run(other)
        assert (run.info.status, run.data.params["lr"], "does not answer" in caplog.text) == ("FINISHED", "0.001", False)
        assert [one.step for one in open_store(other).get_metric_history(run.info.run_id, "val_iou")] == [1, 2]
        if is_study:  # the runs of its parts are nested under this id
            assert again.run_id == run.info.run_id

    def test_open_nested_runs_of_a_dead_process_are_ended(self, store, tracking):
        client = open_store(store)
        with tracking(store, is_study=True).start(SETTINGS, DATA, "cells") as parent:
            own = {"mlflow.parentRunId": parent.run_id}
            experiment = client.get_run(parent.run_id).info.experiment_id
            dead = client.create_run(experiment, run_name="trial_0001", tags=own).info.run_id
            alive = client.create_run(experiment, run_name="trial_0002", tags=own).info.run_id
            theirs = client.create_run(experiment, run_name="trial_0001").info.run_id
            parent.end_nested("trial_0001")
        assert [client.get_run(run).info.status for run in (dead, alive, theirs)] == ["KILLED", "RUNNING", "RUNNING"]


class TestTraining:
    def test_a_complete_one(self, store, folder, tmp_path):
        result = train_small(folder, tmp_path / "model", track=True, tracking_uri=store)
        run = only_run(store)
        assert run.info.status == "FINISHED"
        client = open_store(store)
        for name in EPOCH_METRICS:
            assert [metric.step for metric in client.get_metric_history(run.info.run_id, name)] == [1, 2], name
        best = {name: result["validation"][name] for name in ("iou", "accuracy", "loss")}
        assert {name: run.data.metrics[name] for name in best} == pytest.approx(best)
        assert set(run.data.metrics) == {*EPOCH_METRICS, *best}
        assert artifacts_of(store, run) == BUNDLE
        assert run.data.params["filters"] == "[4, 8]"
        assert run.data.params["split_used"] == "region"
        assert run.data.params["data_sha256"] == result["data_sha256"]
        assert run.info.run_name == "model"

    @pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
    def test_one_that_fails_in_the_second_epoch(self, store, folder, tmp_path, monkeypatch, error, status):
        log_epoch = TrackedRun.log_epoch

        def break_off(run, epoch, metrics):
            if epoch == 2:
                raise error("in the middle")
            log_epoch(run, epoch, metrics)

        monkeypatch.setattr(TrackedRun, "log_epoch", break_off)
        with pytest.raises((KeyboardInterrupt, RuntimeError)) as caught:  # MONAI wraps the one and lets the other pass
            train_small(folder, tmp_path / "model", track=True, tracking_uri=store)
        assert str(caught.value.__cause__ or caught.value) == "in the middle"
        run = only_run(store)
        assert run.info.status == status
        history = open_store(store).get_metric_history(run.info.run_id, "val_iou")
        assert [metric.step for metric in history] == [1]
        assert "iou" not in run.data.metrics

    def test_an_invalid_store_leaves_nothing(self, folder, tmp_path):
        (tmp_path / "notes").write_text("")
        with pytest.raises(RuntimeError) as caught:
            train_small(folder, tmp_path / "model", track=True, tracking_uri=f"sqlite:///{tmp_path}/notes/mlflow.db")
        assert "setting tracking_uri must be a store that answers" in str(find_user_error(caught.value))
        assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_a_server_receives_a_run_with_its_files(server, tmp_path, tracking):
    uri, folder = server
    with tracking(uri).start(SETTINGS, DATA, "cells") as run:
        run.log_epoch(1, {"val_iou": 0.5})
        run.log_result(write_little_bundle(tmp_path / "training"), {"iou": 0.5})
    found = only_run(uri)
    assert (found.info.run_id, found.info.status) == (run.run_id, "FINISHED")
    assert found.data.params["seed"] == "3"
    assert found.data.metrics["iou"] == 0.5
    assert "bundle/models/model.pt" in artifacts_of(uri, found)
    (kept,) = (folder / "kept").glob(f"*/{run.run_id}/artifacts/bundle/models/model.pt")
    assert kept.read_text() == "models/model.pt"
    assert not (tmp_path / "training" / ".tracking").exists()


EPOCHS = {epoch: {"val_iou": epoch / 64, "val_loss": math.nan if epoch == 3 else 1 / epoch} for epoch in range(1, 9)}


def history_of(uri, run_id):
    """All steps and values of each metric of a run."""
    client = open_store(uri)
    metrics = client.get_run(run_id).data.metrics
    return {name: [(one.step, one.value) for one in client.get_metric_history(run_id, name)] for name in metrics}


def expected(epochs=EPOCHS):
    rows = {name: [(epoch, pytest.approx(row[name], nan_ok=True)) for epoch, row in epochs.items()] for name in EPOCHS[1]}
    return rows | {"iou": [(0, 0.125)]}


def messages_of(caplog):
    return [record.getMessage() for record in caplog.records if record.name.startswith("livecell_monai")]


class TestServerFaults:
    """A proxy before a real server; its faults are over when the training has ended."""

    @pytest.fixture
    def proxy(self, server):
        with proxied(int(server[0].rpartition(":")[2])) as proxy:
            yield proxy

    @pytest.fixture
    def harmed(self, proxy, tmp_path, request, monkeypatch):
        """Trains through the proxy, in its own experiment."""
        monkeypatch.setattr(tracking_module, "SERVER_S", 20.0)
        monkeypatch.setattr(tracking_module, "CHECK_S", 1)
        monkeypatch.setattr(uploader, "FIRST_PAUSE_S", 0.05)

        def train(at_epoch=lambda epoch: None):
            tracker = RunTracker(proxy.uri, request.node.name, folder=tmp_path / "training")
            tracker.check()
            with tracker.start(SETTINGS, DATA, "cells") as run:
                for epoch, row in EPOCHS.items():
                    run.log_epoch(epoch, row)
                    at_epoch(epoch)
                run.log_result(write_little_bundle(tmp_path / "training"), {"iou": 0.125})

        return train

    def check_result(self, server, request, tmp_path, least=1):
        """Each entry is in the store once after `sync`."""
        assert sum(1 for _ in sync(tmp_path / "training")) >= least
        (run,) = runs_of(server[0], request.node.name)
        assert run.info.status == "FINISHED"
        assert history_of(server[0], run.info.run_id) == expected()
        assert run.data.params["seed"] == "3"
        assert len(run.inputs.dataset_inputs) == 1
        assert len(artifacts_of(server[0], run)) == 5
        assert not (tmp_path / "training" / ".tracking").exists()
        assert list(sync(tmp_path / "training")) == []

    @pytest.mark.slow
    def test_down_at_the_start(self, proxy, harmed, server, request, tmp_path, caplog):
        proxy.die()
        started = time.monotonic()
        harmed()
        assert time.monotonic() - started < 10  # by itself MLflow asks for minutes
        first, last = messages_of(caplog)
        assert first.startswith(
            f"MLflow at {proxy.uri} does not answer: the training continues, what it logs is kept for later ("
        )
        folder = tmp_path / "training"
        assert last == f"MLflow lacks 16 entries of this run, kept in {folder}; send them: livecell sync {folder}"
        with pytest.raises(SettingError, match=f"must be a store that answers, got '{proxy.uri}'"):
            list(sync(folder))
        proxy.come_up()
        self.check_result(server, request, tmp_path)

    @pytest.mark.slow
    def test_down_from_the_middle(self, proxy, harmed, server, request, tmp_path, caplog):
        def harm(epoch):
            if epoch == 4:
                wait_until(lambda: runs_of(server[0], request.node.name))
                proxy.die()

        harmed(harm)
        first, last = messages_of(caplog)
        assert first.startswith("MLflow does not answer, the training continues, what it logs is kept and sent later: ")
        assert "livecell sync" in last
        (run,) = runs_of(server[0], request.node.name)
        assert run.info.status == "RUNNING"
        proxy.come_up()
        self.check_result(server, request, tmp_path)

    @pytest.mark.slow
    def test_down_for_a_while(self, proxy, harmed, server, request, tmp_path, caplog):
        def harm(epoch):
            if epoch == 2:
                proxy.die()
                time.sleep(0.2)
            if epoch == 6:
                proxy.come_up()

        harmed(harm)
        assert not (tmp_path / "training" / ".tracking").exists()
        (run,) = runs_of(server[0], request.node.name)
        assert history_of(server[0], run.info.run_id) == expected()
        assert len(messages_of(caplog)) == 1

    @pytest.mark.slow
    def test_slow(self, proxy, harmed, server, request, tmp_path, caplog, monkeypatch):
        """16 entries at 5 seconds for each answer: the check and the end have time limits, no epoch waits."""
        monkeypatch.setattr(tracking_module, "SERVER_S", 1.0)
        proxy.choose = lambda: Fault(delay_s=5)
        started = time.monotonic()
        harmed()
        assert time.monotonic() - started < 15
        assert len(messages_of(caplog)) == 2
        proxy.choose = Fault
        self.check_result(server, request, tmp_path)

    @pytest.mark.slow
    def test_cut(self, proxy, harmed, server, request, tmp_path):
        """Half of all connections are cut, in the request, after it, or in the answer."""
        proxy.choose = draw_faults(random.Random(2), 0.5, 0.02)
        harmed()
        assert proxy.harmed > 0
        proxy.choose = Fault
        self.check_result(server, request, tmp_path, least=0)

    @pytest.mark.slow
    def test_a_study_finishes_without_its_server(self, proxy, server, request, folder, tmp_path, monkeypatch):
        """The second fold has no server from its first epoch on, the third none at all."""
        monkeypatch.setattr(tracking_module, "CHECK_S", 1)
        run_part, root, name = crossval.run_part, tmp_path / "folds", request.node.name

        def die(fold, *given):
            if fold.name == "fold_2":
                proxy.die()
            return run_part(fold, *given)

        monkeypatch.setattr(crossval, "run_part", die)
        settings = {**SMALL, "checkpoint_selection": "last", "track": True, "tracking_uri": proxy.uri, "experiment": name}
        crossval.cross_validate(StudyRequest(folder, settings=settings), root)
        proxy.come_up()
        assert {done.folder.name for done in sync(root)} == {"folds", "fold_2", "fold_3"}
        runs = {run.info.run_name.partition("-")[0]: run for run in runs_of(server[0], name)}
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        parent = runs.pop("folds")
        assert "crossval_iou" in parent.data.metrics
        assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
        assert set(runs) == {"fold_1", "fold_2", "fold_3"}
        for run in runs.values():
            assert [step for step, _ in history_of(server[0], run.info.run_id)["val_iou"]] == [1, 2]

    @pytest.mark.slow
    def test_a_study_does_not_start_without_its_server(self, proxy, folder, tmp_path):
        proxy.die()
        settings = {**SMALL, "checkpoint_selection": "last", "track": True, "tracking_uri": proxy.uri}
        with pytest.raises(SettingError, match="must be a store that answers"):
            crossval.cross_validate(StudyRequest(folder, settings=settings), tmp_path / "folds")
        assert not (tmp_path / "folds").exists()


def wait_until(holds):
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
