"""What a training logs to its tracker, and what it leaves when it ends early."""

import contextlib
from collections import Counter
from contextlib import contextmanager

import pytest

from livecell_monai import experiments
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.readers import single_plane
from livecell_monai.errors import SettingError
from livecell_monai.network import SegmentationLoss
from livecell_monai.tasks import train
from livecell_monai.training.session import recorded_run
from livecell_monai.training.setup import RunContext
from tests.support.small_training import SMALL, train_small


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
        with pytest.raises(SettingError, match="batch_size"):
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
        train(
            folder,
            tmp_path / "model",
            settings=SMALL,
            context=RunContext(on_epoch=lambda *row: notebook.told.append(("follower", *row))),
        )
        kinds = [entry[0] for entry in notebook.told]
        assert kinds == ["check", "start", "epoch", "follower", "epoch", "follower", "result"]
        assert notebook.told[3][1:] == notebook.told[2][1:]

    def test_ends_the_training_by_raising(self, notebook, folder, tmp_path):
        enough = ZeroDivisionError("enough")

        def end(epoch, row):
            raise enough

        with pytest.raises(RuntimeError) as caught:
            train(folder, tmp_path / "model", settings=SMALL, context=RunContext(on_epoch=end))
        assert caught.value.__cause__ is enough
        assert notebook.end == "ZeroDivisionError"
        assert [entry[0] for entry in notebook.told] == ["check", "start", "epoch"]
        assert not (tmp_path / "model" / "configs").exists()


@pytest.mark.parametrize(
    "settings", [{}, {"pos_weight": "auto"}, {"split": "original"}], ids=["default", "weighted", "original"]
)
def test_a_file_is_decoded_at_most_twice_in_a_run(bordered, tmp_path, monkeypatch, settings):
    """Checks, plan, split, loss weights, loader, validation, card and figures share what was decoded."""
    decoded, read = Counter(), single_plane.read_tiff

    def count(path):
        decoded[path.relative_to(bordered)] += 1
        return read(path)

    monkeypatch.setattr(single_plane, "read_tiff", count)
    train_small(bordered, tmp_path / "model", **settings)
    files = {path.relative_to(bordered) for path in (bordered / "train").rglob("*.tif")}
    assert len(files) == 9
    assert {path for path in decoded if path.parts[0] == "train"} == files
    assert {path: count for path, count in decoded.items() if count > 2} == {}


class Slow:
    """A run that its store gives an id at its end, as a server does that was dead at the start."""

    def __init__(self):
        self.run_id = ""

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.run_id = "late"


def test_the_id_of_a_run_is_noted_when_there_is_one_however_it_ends():
    ids = []
    with contextlib.suppress(KeyboardInterrupt), recorded_run(Slow(), ids.append) as run:
        assert ids == [""]
        assert run.run_id == ""
        raise KeyboardInterrupt
    assert ids == ["", "late"]


def test_a_run_that_cannot_be_opened_is_noted_by_nothing():
    ids = []
    with pytest.raises(AttributeError), recorded_run(contextlib.nullcontext(), ids.append):
        pytest.fail("there is no run")
    assert ids == []
