"""`livecell sync`: sends MLflow the records that it lacks."""

import socket

import pytest

from livecell_monai.experiments import syncing
from livecell_monai.experiments.outbox import METRICS, open_outbox
from livecell_monai.experiments.store import open_store
from tests.support.commands import livecell, refused, small
from tests.support.fresh import start_python


@pytest.fixture
def left(store, tmp_path):
    """The folder of a training that was killed without a server; the store exists now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with open_outbox(tmp_path / "model" / ".tracking") as outbox:
        told = {"experiment": "livecell", "name": "cells-1", "tags": {}, "params": {}, "data": "cells", "files": {}}
        outbox.begin(uri=dead, **told, time=1, again=None)
        outbox.append(METRICS, step=1, time=2, values={"val_iou": 0.5}, once=True)
    return tmp_path / "model", dead


def test_sends_what_is_left_or_reports_that_nothing_is(left, store, tmp_path, monkeypatch):
    folder, dead = left
    monkeypatch.setattr(syncing, "PAUSE_S", 0.0)
    refused(livecell("sync", folder), "setting tracking_uri must be a store that answers", dead)
    (tmp_path / "other" / "models").mkdir(parents=True)
    done = livecell("sync", folder, tmp_path / "other", "--uri", store)
    run = open_store(store).search_runs(["1"])[0]
    assert run.info.status == "KILLED"
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"{folder}: 3 entries sent to {store}, run {run.info.run_id}",
        f"{tmp_path / 'other'}: nothing is left to be sent",
    ]
    again = livecell("sync", folder)
    assert (again.code, again.out) == (0, f"{folder}: nothing is left to be sent\n")


@pytest.mark.slow
def test_two_trainings_at_once_share_a_store_that_none_has_made_yet(folder, tmp_path):
    uri = f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"
    settings = small(track=True, tracking_uri=uri, epochs=6)
    trainings = [
        start_python("-m", "livecell_monai.cli", "train", folder, "--output", tmp_path / name, *settings) for name in "ab"
    ]
    assert [training.wait(300) for training in trainings] == [0, 0]
    client = open_store(uri)
    runs = client.search_runs([client.get_experiment_by_name("livecell").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    for run in runs:
        steps = [one.step for one in client.get_metric_history(run.info.run_id, "val_iou")]
        assert sorted(steps) == [1, 2, 3, 4, 5, 6]
        assert {entry.path for entry in client.list_artifacts(run.info.run_id, "bundle/models")} == {
            "bundle/models/model.pt",
            "bundle/models/model.safetensors",
        }
    assert not any((tmp_path / name / ".tracking").exists() for name in "ab")


def test_rejects_another_folder(tmp_path):
    refused(livecell("sync", tmp_path), str(tmp_path), "must be the folder of a training or of a study, it is not")
