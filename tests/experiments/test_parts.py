"""One part of a study: what it may not choose by, what it hangs on, and how its scores are read back."""

import re
import shutil

import pytest

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.folds import make_folds
from livecell_monai.errors import LiveCellError, SettingError, find_user_error
from livecell_monai.experiments import parts
from livecell_monai.experiments.parts import Training, read_rows, run_part
from livecell_monai.experiments.tracked_run import TrackedRun
from livecell_monai.metrics import list_metrics, read_scores
from tests.support.small_training import SMALL
from tests.support.stopped_training import at_loss, foreground, list_differences, press_ctrl_c

pytestmark = pytest.mark.usefixtures("without_figures")


@pytest.mark.parametrize(
    ("name", "value"), [("checkpoint_selection", "best"), ("split", "region"), ("split", "none"), ("patience", 3)]
)
def test_nothing_may_be_chosen_by_what_is_scored(name, value, folder):
    with pytest.raises(
        SettingError, match=f"setting {name} must be left as it is in a study by held-out images, got {value!r}"
    ):
        Training((), {name: value}, "planned").check(folder)
    Training((), {"checkpoint_selection": "last", "split": "auto", "lr": 1.0}, "planned").check(folder)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (Training((), {"lr": -1.0}, "planned"), "setting lr must be a number above 0, got -1.0"),
        (Training((), {"learning_rate": 1.0}, "planned"), "learning_rate.*did you mean"),
        (Training(("nowhere",), {}, "planned"), "nowhere.yaml: an overlay must be a YAML file, found none"),
        (Training((), {}, "best"), "the recipe must be one of planned, original, got 'best'"),
        (Training((), {"filters": [4]}, "original"), "setting filters must be 2 to 12"),
    ],
)
def test_what_training_would_refuse_is_refused_first(folder, training, message):
    with pytest.raises((LiveCellError, RuntimeError)) as refused:  # MONAI wraps what a part of a config raises
        training.check(folder)
    assert re.search(message, str(find_user_error(refused.value)))


def test_what_the_results_hang_on():
    settings = {"lr": 0.1, "show_progress": False, "track": False, "tracking_uri": "x", "experiment": "y", "run_name": "z"}
    assert Training(["smoke"], settings, "planned").must_match() == {
        "recipe": "planned",
        "overlays": ["smoke"],
        "settings": {"lr": 0.1},
    }


def stop_part(fold, root, training, at):
    """Begin a part, and press Ctrl-C as its loss is computed for the nth time."""
    with foreground(), at_loss(at, press_ctrl_c), pytest.raises(KeyboardInterrupt):
        run_part(fold, root, training, TrackedRun())


class TestStopped:
    @pytest.fixture
    def training(self):
        return Training((), {**SMALL, "epochs": 3, "checkpoint_selection": "last"}, "planned")

    @pytest.fixture
    def fold(self, folder):
        return make_folds(list_samples(folder, "train"))[0]

    def test_goes_on_to_the_weights_that_it_would_have_come_to(self, fold, training, tmp_path):
        whole, stopped = (tmp_path / name for name in ("whole", "stopped"))
        for root in (whole, stopped):
            root.mkdir()
        with at_loss(1, lambda: None) as all_calls:
            run_part(fold, whole, training, TrackedRun())
        stop_part(fold, stopped, training, at=5)
        with at_loss(1, lambda: None) as calls:
            assert run_part(fold, stopped, training, TrackedRun()) is True
        assert len(calls) == len(all_calls) - 5
        assert list_differences(whole / "fold_1", stopped / "fold_1") == []

    def test_one_that_cannot_be_resumed_is_left_to_the_user(self, fold, training, tmp_path):
        stop_part(fold, tmp_path, training, at=5)
        partial = tmp_path / "fold_1.partial"
        for checkpoint in (partial / ".training").glob("*.pt"):
            checkpoint.write_bytes(b"damaged")
        before = sorted(partial.rglob("*"))
        with pytest.raises((LiveCellError, RuntimeError)) as refused:
            run_part(fold, tmp_path, training, TrackedRun())
        assert "remove the folder of the run and train again" in str(find_user_error(refused.value))
        assert set(before) <= set(partial.rglob("*"))
        shutil.rmtree(partial)
        assert run_part(fold, tmp_path, training, TrackedRun()) is True


class Parent(TrackedRun):
    run_id = "parent"


class TestPart:
    @pytest.fixture
    def calls(self, monkeypatch):
        """Stand-ins for training and scoring, which tests of the studies run in earnest."""
        made = []

        def train(data, output, overlays, settings, recipe, context):
            names = settings["run_name"], settings["checkpoint_selection"], context.parent_run
            made.append(("train", data.name, *names))
            (output / "half").mkdir(parents=True)

        def evaluate(bundle, data, output, settings):
            made.append(("evaluate", data.name))
            if len(made) == 2:
                raise KeyboardInterrupt
            output.mkdir()
            rows = "image,iou,dice,accuracy,precision,recall,surface_dice,tp,fp,fn,tn\ntrain_00,0.5,0,0,0,0,0.25,5,2,3,10\n"
            (output / "scores.csv").write_text(rows)

        monkeypatch.setattr(parts, "train", train)
        monkeypatch.setattr(parts, "evaluate", evaluate)
        return made

    def test_is_done_once_and_only_whole(self, folder, tmp_path, calls):
        (first, *_) = folds = make_folds(list_samples(folder, "train"))
        training, run = Training((), {}, "planned"), Parent()
        with pytest.raises(KeyboardInterrupt):
            run_part(first, tmp_path, training, run)
        assert not (tmp_path / "fold_1").exists()
        assert run_part(first, tmp_path, training, run) is True
        assert run_part(first, tmp_path, training, run) is False
        assert calls == [("train", "fold_1.json", "fold_1", "last", "parent"), ("evaluate", "fold_1.json")] * 2
        (row,) = read_rows(tmp_path, folds[:1])
        assert (row["fold"], row["image"]) == ("fold_1", "train_00")
        scores = read_scores(row)
        assert (scores.tp, scores.fp, scores.fn, scores.tn, scores.get("surface_dice")) == (5, 2, 3, 10, 0.25)
        assert {metric.name for metric in list_metrics()} < set(row)
