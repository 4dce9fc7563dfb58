"""`livecell train --devices 2`: two real processes, compared with one."""

import os
import pickle
import re

import pytest
import torch
from mlflow import MlflowClient

from livecell_monai import tasks
from livecell_monai.errors import SettingError
from livecell_monai.network import SegmentationLoss
from tests.support.commands import livecell, refused, small
from tests.support.small_training import CELL_MAPS, read_history
from tests.support.worlds import write_folder

pytestmark = [pytest.mark.usefixtures("forked"), pytest.mark.slow]

# all of the usual training but the size: dropout, borders, cells, every change of looks, the averaged weights, both losses
SETTINGS = {"maps": CELL_MAPS, "norm": "instance", "epochs": 3, "samples_per_epoch": 24, "batch_size": 8, "lr": 0.01}


def train_with(root, store, name, *options, **settings):
    given = small(**SETTINGS, accelerator="cpu-fp32", track=True, tracking_uri=store, **settings)
    return livecell("train", root / "data", "--output", root / name, *options, *given)


def read_weights(bundle):
    return torch.load(bundle / "models" / "model.pt", weights_only=True)


def list_files(bundle):
    return {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}


def list_runs(store):
    client = MlflowClient(store)
    return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


@pytest.fixture(scope="module")
def done(tmp_path_factory, empty_store):
    """The folder of both bundles and the outcomes; the store of the second."""
    root = tmp_path_factory.mktemp("devices")
    write_folder(root / "data", borders=True)
    stores = [f"sqlite:///{root / name}.db" for name in ("one", "two")]
    for name in ("one", "two"):
        (root / f"{name}.db").write_bytes(empty_store.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        one = train_with(root, stores[0], "one")
        two = train_with(root, stores[1], "two", "--devices", 2)
    return root, one, two, stores[1]


def test_says_what_it_says_with_one(done):
    _, one, two, _ = done
    assert (one.code, two.code, two.err) == (0, 0, "")
    first = [line.split()[0] for line in one.out.splitlines() if not line.startswith("run one in MLflow")]
    assert [line.split()[0] for line in two.out.splitlines()] == first
    assert "2 x cpu, float32" in two.out


def test_the_main_process_prints_the_address_of_the_run(monkeypatch, tmp_path):
    """Another process calls it, so it must survive the way there."""

    def train(*call):
        pickle.loads(pickle.dumps(call[-1])).on_shown("mlflow ui")
        raise SettingError("enough")

    monkeypatch.setattr(tasks, "train", train)
    outcome = livecell("train", tmp_path / "data", "--output", tmp_path / "model", "--devices", 2)
    assert outcome.out == "run model in MLflow: mlflow ui\n"


def test_losses_of_every_epoch_are_close_to_those_of_one_process(done):
    root, *_ = done
    one, two = read_history(root / "one"), read_history(root / "two")
    assert [row["epoch"] for row in two] == [1, 2, 3]
    for alone, together in zip(one, two, strict=True):
        assert together["lr"] == pytest.approx(alone["lr"])
        for name in ("train_loss", "val_loss"):
            assert together[name] == pytest.approx(alone[name], rel=0.15)
        assert set(together) == set(alone)
    assert "val_ap50" in two[-1]


def test_one_process_writes_what_one_process_leaves(done):
    root, *_, store = done
    assert list_files(root / "two") == list_files(root / "one")
    (run,) = list_runs(store)
    assert run.info.status == "FINISHED"
    assert run.data.params["computed_on"].startswith("2 x cpu")
    assert run.data.params["norm"] == "instance"


def test_the_bundle_predicts(done, tmp_path):
    root, *_ = done
    outcome = livecell("predict", root / "two", root / "data" / "test" / "images", "-o", tmp_path / "masks")
    assert outcome.code == 0
    assert re.fullmatch(rf"{tmp_path / 'masks'}: 2 masks, \d+ cells? \(cells.csv\) and summary.csv\n", outcome.out)


@pytest.mark.parametrize(("devices", "words"), [(0, "1 or more"), (1000, "at most the number of cores")])
def test_rejects_missing_devices(done, tmp_path, devices, words):
    root, *_ = done
    given = small(norm="instance")
    outcome = livecell("train", root / "data", "-o", tmp_path / "new", "--devices", devices, *given)
    refused(outcome, "--devices", words, str(devices))
    assert not (tmp_path / "new").exists()


def lose_one(*arguments):
    """As each process trains, but the second one finds a fault of the user's in the second epoch."""
    whole, calls = SegmentationLoss.forward, []

    def forward(self, *planes):
        calls.append(planes)
        if os.environ["RANK"] == "1" and len(calls) > 5:
            raise SettingError("the second process must do as the first one, it does not; correct it")
        return whole(self, *planes)

    SegmentationLoss.forward = forward
    call, context = arguments
    tasks._run(tasks.open_training(*call, "multi_gpu_train"), context.apply)


@pytest.mark.slow
def test_a_user_error_of_one_process_ends_all_in_one_line_and_they_resume_together(
    done, store, tmp_path, monkeypatch, capfd
):
    root, *_ = done
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "_train_together", lose_one)
        outcome = train_with(root, store, "lost", "--devices", 2)
    refused(outcome, "error: the second process must do as the first one, it does not; correct it")
    assert "Traceback" not in capfd.readouterr().err  # of the processes themselves
    (run,) = list_runs(store)
    assert run.info.status in ("FAILED", "KILLED")
    assert not (root / "lost" / "configs").exists()
    outcome = livecell("train", "--resume", root / "lost")  # with as many, from the last epoch on
    assert outcome.code == 0, outcome
    once, again = read_weights(root / "two"), read_weights(root / "lost")
    assert all(torch.equal(value, again[name]) for name, value in once.items())
    assert read_history(root / "lost") == read_history(root / "two")
    assert [run.info.status for run in list_runs(store)] == ["FINISHED"]
