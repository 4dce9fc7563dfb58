"""What a training tells its tracker, and what it leaves when it does not come to its end."""

import errno
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from livecell_monai import experiments
from livecell_monai.bundle import export
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import DataError, find_user_error
from livecell_monai.metrics import score_mask
from livecell_monai.network import SegmentationLoss
from livecell_monai.report import training as report
from livecell_monai.tasks import predict, train
from livecell_monai.training.session import TrainingSession
from tests.support.small_training import SMALL, train_small
from tests.support.worlds import write_folder


class Notebook:
    """A tracker that writes down what it is told, in order."""

    told: list
    end: str
    run_id = "42"
    parent = None

    def __init__(self, **options):
        Notebook.options = options

    def check(self):
        self.told.append(("check",))

    @contextmanager
    def start(self, settings, data, name, again=None):
        self.told.append(("start", dict(settings), dict(data), name))
        try:
            yield self
        except BaseException as error:
            Notebook.end = type(error).__name__
            raise
        Notebook.end = "finished"

    def log_epoch(self, epoch, metrics):
        self.told.append(("epoch", epoch, dict(metrics)))

    def log_result(self, folder, scores):
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        self.told.append(("result", files, dict(scores)))


@pytest.fixture
def notebook(monkeypatch):
    monkeypatch.setattr(experiments, "RunTracker", Notebook)
    Notebook.told, Notebook.end = [], ""
    return Notebook


@contextmanager
def failing(monkeypatch, error, after):
    """The loss fails after a number of batches."""
    whole, calls = SegmentationLoss.forward, []

    def forward(self, *planes):
        calls.append(planes)
        if len(calls) > after:
            raise error
        return whole(self, *planes)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationLoss, "forward", forward)
        yield


class TestTracker:
    def test_is_told_everything_in_order(self, notebook, folder, tmp_path):
        result = train_small(folder, tmp_path / "model", seed=4)
        assert [entry[0] for entry in notebook.told] == ["check", "start", "epoch", "epoch", "result"]
        assert notebook.end == "finished"
        own = {"uri": "auto", "experiment": "livecell", "run_name": "auto", "enabled": False}
        assert notebook.options == {**own, "folder": str(tmp_path / "model")}

        _, settings, data, name = notebook.told[1]
        unsaid = {"track", "show_progress"}
        expected = {key: value for key, value in SMALL.items() if key not in unsaid} | {"seed": 4, "split_used": "region"}
        assert expected.items() <= settings.items()
        assert isinstance(settings["pos_weight"], float)
        assert name == folder.name
        assert data["label/train_01.tif"] == hash_file(folder / "train" / "labels" / "train_01.tif")

        names = {f"{side}_{score}" for side in ("train", "val") for score in ("loss", "iou", "accuracy")} | {"lr"}
        assert [(epoch, set(metrics)) for _, epoch, metrics in notebook.told[2:4]] == [(1, names), (2, names)]
        best = notebook.told[1 + result["kept_epoch"]][2]
        assert notebook.told[4][2] == {score: best[f"val_{score}"] for score in ("loss", "iou", "accuracy")}

    def test_gets_the_bundle_when_it_is_complete(self, notebook, folder, tmp_path):
        train_small(folder, tmp_path / "model")
        files = {str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*") if path.is_file()}
        assert {name for name in notebook.told[-1][1] if not name.startswith(".training/")} == files

    def test_nothing_is_told_of_a_run_that_is_refused(self, notebook, folder, tmp_path):
        with pytest.raises(RuntimeError):
            train_small(folder, tmp_path / "model", batch_size=0)
        assert notebook.told == []


# MONAI's checkpoint handler and ignite tell of the error they pass on
@pytest.mark.parametrize("after", [0, 3], ids=["first epoch", "second epoch"])
class TestAnEndBeforeTheEnd:
    def test_interrupted(self, notebook, folder, tmp_path, monkeypatch, after):
        with failing(monkeypatch, KeyboardInterrupt(), after), pytest.raises(KeyboardInterrupt):
            train_small(folder, tmp_path / "model")
        assert notebook.end == "KeyboardInterrupt"
        assert not (tmp_path / "model" / "configs").exists()
        assert not (tmp_path / "model" / "docs").exists()

    def test_a_fault_keeps_its_cause(self, notebook, folder, tmp_path, monkeypatch, after):
        fault = ZeroDivisionError("a fault of ours")
        with failing(monkeypatch, fault, after), pytest.raises(RuntimeError) as caught:
            train_small(folder, tmp_path / "model")
        assert caught.value.__cause__ is fault
        assert notebook.end == "ZeroDivisionError"
        assert not (tmp_path / "model" / "configs").exists()


class TestACallerWhoFollows:
    def test_is_handed_each_epoch_after_the_tracker(self, notebook, folder, tmp_path):
        train(folder, tmp_path / "model", settings=SMALL, on_epoch=lambda *row: notebook.told.append(("follower", *row)))
        kinds = [entry[0] for entry in notebook.told]
        assert kinds == ["check", "start", "epoch", "follower", "epoch", "follower", "result"]
        assert notebook.told[3][1:] == notebook.told[2][1:]

    def test_ends_the_training_by_raising(self, notebook, folder, tmp_path):
        enough = ZeroDivisionError("enough")

        def end(epoch, row):
            raise enough

        with pytest.raises(RuntimeError) as caught:
            train(folder, tmp_path / "model", settings=SMALL, on_epoch=end)
        assert caught.value.__cause__ is enough
        assert notebook.end == "ZeroDivisionError"
        assert [entry[0] for entry in notebook.told] == ["check", "start", "epoch"]
        assert not (tmp_path / "model" / "configs").exists()


def test_figures_are_drawn_by_the_best_weights(folder, tmp_path, monkeypatch):
    drawn, look_back = [], TrainingSession._facts

    def forget(session, *given):
        with torch.no_grad():
            session.network.output.weight.zero_()  # as if the last epoch had lost all that the best had learned
        return look_back(session, *given)

    monkeypatch.setattr(TrainingSession, "_facts", forget)
    monkeypatch.setattr(report, "write_figures", lambda _, judged, **facts: drawn.append((list(judged), facts)))
    result = train_small(folder, tmp_path / "model", samples_per_epoch=32, lr=0.05)
    ((judged, facts),) = drawn
    assert facts["training"] == result
    held = [one for one in judged if one.role == "validation"]
    assert [one.name for one in held] == ["train_00", "train_01", "train_02"]
    ious = [score_mask(one.mask, one.truth).iou for one in held]
    assert np.mean(ious) == pytest.approx(result["validation"]["iou"], rel=1e-5)
    assert np.mean(ious) > 0.05
    for one in judged:
        assert one.image.shape == one.mask.shape == one.probability.shape
    assert [(one.name, one.truth) for one in judged if one.role == "test"] == [("test_00", None), ("test_01", None)]


def test_test_labels_are_not_looked_at(folder, tmp_path):
    for label in (folder / "test" / "labels").iterdir():
        label.write_bytes(b"not to be read")
    train_small(folder, tmp_path / "model", epochs=1)
    assert "test_01" in (tmp_path / "model" / "docs" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("split", ["original", "none"])
def test_a_split_that_leaks_is_said_loudly_on_the_page(folder, tmp_path, split):
    train_small(folder, tmp_path / "model", epochs=1, split=split)
    page = (tmp_path / "model" / "docs" / "report.html").read_text(encoding="utf-8")
    assert "The split leaks." in page
    rows = (tmp_path / "model" / "docs" / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + (1 if split == "original" else 3)  # 15 % of 8 patches


def test_where_minutes_are_few_fewer_test_images_are_predicted(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(report, "write_figures", lambda _, judged, **facts: drawn.append(facts["expected"]))
    for number, minutes in enumerate((0.0, 0.03)):
        data = write_folder(tmp_path / f"data_{number}", test=7)
        train_small(data, tmp_path / f"model_{number}", epochs=1, minutes=minutes)
    assert drawn == [3 + 6, 3 + 2]


def test_a_bundle_whose_configs_do_not_fit_its_weights_is_not_passed_off_as_complete(tmp_path):
    """As `monai.bundle run` with a config over the network itself, which is no setting and so is not carried over."""
    paths = {"dataset_dir": str(write_folder(tmp_path / "data")), "output_dir": str(tmp_path / "model")}
    workflow = open_bundle(find_template(), ["inference", "train"], SMALL, paths, run_id="training", workflow_type="train")
    workflow.workflow.parser["network_def#convolutions"] = 3
    workflow.initialize()
    with pytest.raises(RuntimeError) as failure:
        workflow.run()
    assert "the weights must fit the network of configs/inference.yaml" in str(find_user_error(failure.value))


class TestADiskThatFillsUp:
    def test_at_the_figures_leaves_the_bundle_whole(self, notebook, folder, tmp_path, monkeypatch):
        def fail(path, facts):
            raise DataError(f"{path}: cannot be written (No space left on device); make room")

        monkeypatch.setattr(report, "write_page", fail)
        with pytest.raises(RuntimeError) as caught:
            train_small(folder, tmp_path / "model")
        words = str(find_user_error(caught.value))
        assert f"the bundle is whole but for its figures: livecell report {tmp_path / 'model'} --data DATA" in words
        assert notebook.end == "DataError"
        found = predict(tmp_path / "model", [folder / "test" / "images"], tmp_path / "masks", {"show_progress": False})
        assert len(found.rows) == 2

    def test_at_the_configs_leaves_the_weights(self, notebook, folder, tmp_path, monkeypatch):
        def fail(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(export.shutil, "copyfile", fail)
        with pytest.raises(RuntimeError) as caught:
            train_small(folder, tmp_path / "model", checkpoint_selection="last")
        assert "cannot be written (No space left on device)" in str(find_user_error(caught.value))
        state = torch.load(tmp_path / "model" / "models" / "model.pt", weights_only=True)
        assert state
        assert not list((tmp_path / "model").rglob(".writing-*"))
