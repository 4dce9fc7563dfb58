"""What a run in MLflow holds, and that it ends as the block inside ended."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from small_training import train_small

from livecell_monai import __version__
from livecell_monai.data.identity import digest_of
from livecell_monai.errors import SettingError, find_user_error
from livecell_monai.experiments import RunTracker
from livecell_monai.experiments.store import open_store
from livecell_monai.experiments.tracking import PrunedError, TrackedRun

SETTINGS = {"lr": 0.001, "filters": [4, 8], "seed": 3, "split": "auto"}
DATA = {"image/a.tif": "0" * 64, "label/a.tif": "1" * 64}
EPOCH_METRICS = ("train_loss", "val_loss", "train_iou", "val_iou", "train_accuracy", "val_accuracy", "lr")
BUNDLE = {
    "bundle/LICENSE",
    "bundle/configs/evaluate.yaml",
    "bundle/configs/inference.yaml",
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


class TestRecord:
    def test_settings_versions_and_data(self, store):
        with RunTracker(store).start(SETTINGS, DATA, "cells"):
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

    def test_metrics_by_epoch(self, store):
        with RunTracker(store).start(SETTINGS, DATA, "cells") as run:
            run.log_epoch(1, {"val_iou": 0.25, "lr": 0.1})
            run.log_epoch(2, {"val_iou": 0.5, "lr": 0.1})
        history = open_store(store).get_metric_history(run.run_id, "val_iou")
        assert [(metric.step, metric.value) for metric in history] == [(1, 0.25), (2, 0.5)]

    def test_result_with_the_bundle(self, store, tmp_path):
        with RunTracker(store).start(SETTINGS, DATA, "cells") as run:
            run.log_result(write_little_bundle(tmp_path / "model"), {"iou": 0.5, "loss": 0.25})
        found = only_run(store)
        assert found.data.metrics == {"best_val_iou": 0.5, "best_val_loss": 0.25}
        assert artifacts_of(store, found) == {
            "bundle/LICENSE",
            "bundle/configs/inference.yaml",
            "bundle/docs/README.md",
            "bundle/models/model.pt",
            "bundle/models/model.safetensors",
        }
        beside = Path(store.removeprefix("sqlite:///")).parent / "mlartifacts"
        assert (beside / run.run_id / "artifacts/bundle/LICENSE").read_text() == "LICENSE"

    def test_runs_without_a_name_get_different_ones(self, store):
        for _ in range(2):
            with RunTracker(store).start(SETTINGS, DATA, "cells"):
                pass
        names = [run.info.run_name for run in runs_of(store)]
        assert len(set(names)) == 2
        assert all(name.startswith("cells-") for name in names)

    def test_a_name_that_is_given_stays(self, store):
        with RunTracker(store, "others", "monday").start(SETTINGS, DATA, "cells"):
            pass
        (run,) = runs_of(store, "others")
        assert run.info.run_name == "monday"

    def test_the_environment_names_the_store(self, store, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
        with RunTracker().start(SETTINGS, DATA, "cells"):
            pass
        assert only_run(store).info.status == "FINISHED"

    def test_nothing_is_noted_where_tracking_is_off(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        tracker = RunTracker(enabled=False)
        tracker.check()
        with tracker.start(SETTINGS, DATA, "cells") as run:
            run.log_epoch(1, {"val_iou": 0.5})
            run.log_result(tmp_path / "none", {"iou": 0.5})
        assert not list(tmp_path.iterdir())


class TestCommit:
    """Of the repository in the working folder."""

    def tag(self, store):
        with RunTracker(store).start(SETTINGS, DATA, "cells"):
            pass
        return only_run(store).data.tags.get("mlflow.source.git.commit")

    def test_is_noted_where_there_is_a_repository(self, store, tmp_path, monkeypatch):
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        for command in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "first"]):
            subprocess.run(["git", *command], cwd=tmp_path, check=True)
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
        monkeypatch.chdir(tmp_path)
        assert self.tag(store) == head.stdout.strip()

    def test_is_left_out_where_there_is_none(self, store, tmp_path, monkeypatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        monkeypatch.chdir(tmp_path)
        assert self.tag(store) is None

    def test_is_left_out_where_git_is_missing(self, store, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert self.tag(store) is None


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
    def test_is_that_of_the_block_and_the_next_run_is_a_new_one(self, store, error, status):
        tracker, opened = RunTracker(store), []

        def break_off():
            with tracker.start(SETTINGS, DATA, "cells") as run:
                opened.append(run)
                run.log_epoch(1, {"val_iou": 0.25})
                raise error

        with pytest.raises(type(error)) as caught:
            break_off()
        assert caught.value is error
        (first,) = opened
        with tracker.start(SETTINGS, DATA, "cells") as second:
            second.log_epoch(1, {"val_iou": 0.75})
        runs = {run.info.run_id: run for run in runs_of(store)}
        assert set(runs) == {first.run_id, second.run_id}
        assert (runs[first.run_id].info.status, runs[second.run_id].info.status) == (status, "FINISHED")
        assert runs[first.run_id].data.metrics == {"val_iou": 0.25}
        assert runs[first.run_id].info.end_time is not None

    def test_a_polite_kill_is_an_interruption(self, store):
        before = signal.getsignal(signal.SIGTERM)

        def be_killed():
            with RunTracker(store).start(SETTINGS, DATA, "cells"):
                assert signal.getsignal(signal.SIGTERM) is not before
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)

        with pytest.raises(KeyboardInterrupt):
            be_killed()
        assert only_run(store).info.status == "KILLED"
        assert signal.getsignal(signal.SIGTERM) is before

    def test_a_run_is_running_meanwhile(self, store):
        with RunTracker(store).start(SETTINGS, DATA, "cells"):
            assert only_run(store).info.status == "RUNNING"

    def test_what_cannot_be_noted_fails_the_run(self, store):
        """A parameter that MLflow refuses must not leave the run open."""
        from mlflow.exceptions import MlflowException

        with pytest.raises(MlflowException), RunTracker(store).start({"no*name": 1}, DATA, "cells"):
            pytest.fail("the block must not be entered")
        assert only_run(store).info.status == "FAILED"

    def test_of_one_that_is_pruned_is_neither_a_fault_nor_a_whole_training(self, store):
        with pytest.raises(PrunedError), RunTracker(store).start(SETTINGS, DATA, "cells"):
            raise PrunedError
        run = only_run(store)
        assert (run.info.status, run.data.tags["pruned"]) == ("KILLED", "true")


class TestGoingOn:
    def test_with_a_run_of_before_opens_no_other(self, store):
        with RunTracker(store).start(SETTINGS, DATA, "cells") as first:
            pass
        with RunTracker(store).start({"lr": 3}, DATA, "cells", first.run_id) as again:
            assert again.run_id == first.run_id
            assert only_run(store).info.status == "RUNNING"
        run = only_run(store)
        assert (run.info.status, run.data.params["lr"]) == ("FINISHED", "0.001")

    def test_with_one_that_the_store_does_not_know_opens_a_new_one(self, store):
        with RunTracker(store).start(SETTINGS, DATA, "cells", "0" * 32) as run:
            assert run.run_id != "0" * 32
        assert only_run(store).info.run_id == run.run_id

    def test_ends_what_a_dead_process_has_left_open_below(self, store):
        client = open_store(store)
        with RunTracker(store).start(SETTINGS, DATA, "cells") as parent:
            own = {"mlflow.parentRunId": parent.run_id}
            experiment = client.get_run(parent.run_id).info.experiment_id
            dead = client.create_run(experiment, run_name="trial_0001", tags=own).info.run_id
            alive = client.create_run(experiment, run_name="trial_0002", tags=own).info.run_id
            theirs = client.create_run(experiment, run_name="trial_0001").info.run_id
            parent.end_nested("trial_0001")
        assert [client.get_run(run).info.status for run in (dead, alive, theirs)] == ["KILLED", "RUNNING", "RUNNING"]


class TestTraining:
    def test_a_whole_one(self, store, folder, tmp_path):
        result = train_small(folder, tmp_path / "model", track=True, tracking_uri=store)
        run = only_run(store)
        assert run.info.status == "FINISHED"
        client = open_store(store)
        for name in EPOCH_METRICS:
            assert [metric.step for metric in client.get_metric_history(run.info.run_id, name)] == [1, 2], name
        best = {f"best_val_{name}": result["validation"][name] for name in ("iou", "accuracy", "loss")}
        assert {name: run.data.metrics[name] for name in best} == pytest.approx(best)
        assert set(run.data.metrics) == {*EPOCH_METRICS, *best}
        assert artifacts_of(store, run) == BUNDLE
        assert run.data.params["filters"] == "[4, 8]"
        assert run.data.params["split_used"] == "region"
        assert run.data.params["data_sha256"] == result["data_sha256"]
        assert run.info.run_name.startswith("data-")

    @pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
    def test_one_that_breaks_off_in_the_second_epoch(self, store, folder, tmp_path, monkeypatch, error, status):
        from livecell_monai.experiments.tracking import TrackedRun

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
        assert "best_val_iou" not in run.data.metrics

    def test_one_whose_store_does_not_answer_leaves_nothing(self, folder, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(RuntimeError) as caught:
            train_small(folder, tmp_path / "model", track=True, tracking_uri=f"http://127.0.0.1:{port}")
        assert "setting tracking_uri must be a store that answers" in str(find_user_error(caught.value))
        assert not (tmp_path / "model").exists()


def test_a_server_receives_a_run_with_its_files(server, tmp_path):
    uri, folder = server
    with RunTracker(uri).start(SETTINGS, DATA, "cells") as run:
        run.log_epoch(1, {"val_iou": 0.5})
        run.log_result(write_little_bundle(tmp_path / "model"), {"iou": 0.5})
    found = only_run(uri)
    assert (found.info.run_id, found.info.status) == (run.run_id, "FINISHED")
    assert found.data.params["seed"] == "3"
    assert found.data.metrics["best_val_iou"] == 0.5
    assert "bundle/models/model.pt" in artifacts_of(uri, found)
    kept = [path.read_text() for path in (folder / "kept").rglob("model.pt")]
    assert kept == ["models/model.pt"]


class DyingClient:
    """A store that answers until the training is under way."""

    def __getattr__(self, name):
        def fail(*args, **kwargs):
            raise MlflowException("connection lost\nin the middle")

        return fail


def test_a_store_that_dies_in_the_middle_does_not_throw_the_training_away(tmp_path, caplog):
    run = TrackedRun(DyingClient(), "abc")
    run.log_epoch(1, {"val_iou": 0.5})
    run.log_epoch(2, {"val_iou": 0.6})
    run.log_result(tmp_path, {"iou": 0.6})
    run.end("FINISHED")
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("livecell_monai")]
    assert messages == [
        "MLflow does not answer, the run there stays incomplete, training goes on: connection lost in the middle"
    ]
