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


class FakeTracker:
    """A tracker that records its calls in order."""

    calls: list
    end: str
    run_id = "42"
    parent = None

    def __init__(self, **options):
        FakeTracker.options = options

    def check(self):
        self.calls.append(("check",))

    @contextmanager
    def start(self, settings, data, name, again=None):
        self.calls.append(("start", dict(settings), dict(data), name))
        try:
            yield self
        except BaseException as error:
            FakeTracker.end = type(error).__name__
            raise
        FakeTracker.end = "finished"

    def log_epoch(self, epoch, metrics):
        self.calls.append(("epoch", epoch, dict(metrics)))

    def log_result(self, folder, scores):
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        self.calls.append(("result", files, dict(scores)))


@pytest.fixture
def tracker(monkeypatch):
    monkeypatch.setattr(experiments, "RunTracker", FakeTracker)
    FakeTracker.calls, FakeTracker.end = [], ""
    return FakeTracker


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
    def test_calls_in_order(self, tracker, folder, tmp_path):
        result = train_small(folder, tmp_path / "model", seed=4)
        assert [entry[0] for entry in tracker.calls] == ["check", "start", "epoch", "epoch", "result"]
        assert tracker.end == "finished"
        own = {"uri": "auto", "experiment": "livecell", "run_name": "auto", "enabled": False}
        assert tracker.options == {**own, "folder": str(tmp_path / "model")}

        _, settings, data, name = tracker.calls[1]
        unsaid = {"track", "show_progress"}
        expected = {key: value for key, value in SMALL.items() if key not in unsaid} | {"seed": 4, "split_used": "region"}
        assert expected.items() <= settings.items()
        assert isinstance(settings["pos_weight"], float)
        assert name == folder.name
        assert data["label/train_01.tif"] == hash_file(folder / "train" / "labels" / "train_01.tif")

        names = {f"{side}_{score}" for side in ("train", "val") for score in ("loss", "iou", "accuracy")} | {"lr"}
        assert [(epoch, set(metrics)) for _, epoch, metrics in tracker.calls[2:4]] == [(1, names), (2, names)]
        best = tracker.calls[1 + result["kept_epoch"]][2]
        assert tracker.calls[4][2] == {score: best[f"val_{score}"] for score in ("loss", "iou", "accuracy")}

    def test_gets_the_complete_bundle(self, tracker, folder, tmp_path):
        train_small(folder, tmp_path / "model")
        files = {str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*") if path.is_file()}
        assert {name for name in tracker.calls[-1][1] if not name.startswith(".training/")} == files

    def test_a_rejected_training_is_not_tracked(self, tracker, folder, tmp_path):
        with pytest.raises(SettingError, match="batch_size"):
            train_small(folder, tmp_path / "model", batch_size=0)
        assert tracker.calls == []


# MONAI's checkpoint handler and ignite tell of the error they pass on
@pytest.mark.parametrize("after", [0, 3], ids=["first epoch", "second epoch"])
class TestEarlyEnd:
    def test_interrupted(self, tracker, folder, tmp_path, monkeypatch, after):
        with failing(monkeypatch, KeyboardInterrupt(), after), pytest.raises(KeyboardInterrupt):
            train_small(folder, tmp_path / "model")
        assert tracker.end == "KeyboardInterrupt"
        assert not (tmp_path / "model" / "configs").exists()
        assert not (tmp_path / "model" / "docs").exists()

    def test_an_error_keeps_its_cause(self, tracker, folder, tmp_path, monkeypatch, after):
        fault = ZeroDivisionError("a fault of ours")
        with failing(monkeypatch, fault, after), pytest.raises(RuntimeError) as caught:
            train_small(folder, tmp_path / "model")
        assert caught.value.__cause__ is fault
        assert tracker.end == "ZeroDivisionError"
        assert not (tmp_path / "model" / "configs").exists()


class TestOnEpoch:
    def test_is_called_after_the_tracker(self, tracker, folder, tmp_path):
        train(
            folder,
            tmp_path / "model",
            settings=SMALL,
            context=RunContext(on_epoch=lambda *row: tracker.calls.append(("follower", *row))),
        )
        kinds = [entry[0] for entry in tracker.calls]
        assert kinds == ["check", "start", "epoch", "follower", "epoch", "follower", "result"]
        assert tracker.calls[3][1:] == tracker.calls[2][1:]

    def test_ends_the_training_by_raising(self, tracker, folder, tmp_path):
        enough = ZeroDivisionError("enough")

        def end(epoch, row):
            raise enough

        with pytest.raises(RuntimeError) as caught:
            train(folder, tmp_path / "model", settings=SMALL, context=RunContext(on_epoch=end))
        assert caught.value.__cause__ is enough
        assert tracker.end == "ZeroDivisionError"
        assert [entry[0] for entry in tracker.calls] == ["check", "start", "epoch"]
        assert not (tmp_path / "model" / "configs").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param({"pos_weight": "auto"}, marks=pytest.mark.slow),
        pytest.param({"split": "original"}, marks=pytest.mark.slow),
    ],
    ids=["default", "weighted", "original"],
)
def test_a_file_is_decoded_at_most_twice_in_a_run(bordered, tmp_path, monkeypatch, settings):
    """Checks, plan, split, loss weights, loader, validation, card and figures share what was decoded."""
    decoded, read = Counter(), single_plane.read_tiff

    def count(path, is_label=False):
        decoded[path.relative_to(bordered)] += 1
        return read(path, is_label)

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


def test_the_run_id_is_recorded_at_start_and_end():
    ids = []
    with contextlib.suppress(KeyboardInterrupt), recorded_run(Slow(), ids.append) as run:
        assert ids == [""]
        assert run.run_id == ""
        raise KeyboardInterrupt
    assert ids == ["", "late"]


def test_a_run_that_cannot_be_opened_is_not_recorded():
    ids = []
    with pytest.raises(AttributeError), recorded_run(contextlib.nullcontext(), ids.append):
        pytest.fail("there is no run")
    assert ids == []
