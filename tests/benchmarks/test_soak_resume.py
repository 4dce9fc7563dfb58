"""The short form of the kills: two of them; and losses are found."""

import shutil
import sqlite3
import time

import pytest
import torch
from soak.comparing import list_differences, list_tracking_faults
from soak.resume import Trial, try_case
from soak.trainings import STORE, Case, Nursery

from tests.support.worlds import write_folder

CASE = Case(
    "small",
    {
        "accelerator": "cpu",
        "show_progress": False,
        "checkpoint_selection": "best",
        "patch_size": [64, 64],
        "window": [64, 64],
    }
    | {"epochs": 3, "samples_per_epoch": 16, "batch_size": 4, "filters": [8, 16], "dropout": 0.3, "scale": 1.0},
    unlabelled=True,
)


@pytest.fixture(scope="module")
def trial(tmp_path_factory, empty_store, without_figures):
    root = tmp_path_factory.mktemp("soak")
    write_folder(root / "data", borders=True)
    return Trial.of(Nursery(root, empty_store, method="fork"), CASE, seed=1)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # the processes take one thread
@pytest.mark.slow
def test_stopped_trainings_lose_nothing(trial):
    rows = try_case(trial, time.monotonic() + 300, kills=2, stops=0, torn=0)
    assert [line for row in rows for line in row.lost] == []
    assert [row.times for row in rows] == [1, 2, 0, 0]


def test_what_is_lost_would_be_found(trial, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(trial.whole, other)
    path = other / "model" / "models" / "model.pt"
    weights = torch.load(path, weights_only=True)
    name = next(name for name, value in weights.items() if value.is_floating_point())
    weights[name] = weights[name] + 1e-6
    torch.save(weights, path)
    assert list_differences(trial.whole / "model", other / "model") == [f"model.pt/{name}"]
    assert list_tracking_faults(other / STORE, trial.whole / STORE) == []
    with sqlite3.connect(other / STORE) as database:
        database.execute("update runs set status = 'RUNNING'")
        database.execute("update metrics set step = 1 where step = 2 and key = 'val_iou'")
    faults = " ".join(list_tracking_faults(other / STORE, trial.whole / STORE))
    for words in ("runs that are ['RUNNING']", "the first ('val_iou', 1)", "2 metrics are not those"):
        assert words in faults
