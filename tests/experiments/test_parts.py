"""A study by held-out images: its folder, its settings, and its parts."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.folds import AUTO_FOLDS, make_folds
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import DataError, LiveCellError, SettingError, find_user_error
from livecell_monai.experiments import parts
from livecell_monai.experiments.parts import FoldStudy, StudyRequest, check_choosing, open_study, read_rows, run_part
from livecell_monai.experiments.tracking import TrackedRun
from livecell_monai.metrics import list_metrics, read_scores
from livecell_monai.network.start import write_start
from livecell_monai.tasks import evaluate
from tests.support.small_training import SMALL
from tests.support.starts import make_start
from tests.support.stopped_training import at_loss, foreground, list_differences, press_ctrl_c

pytestmark = pytest.mark.usefixtures("without_figures")
TINY = {name: value for name, value in SMALL.items() if name != "checkpoint_selection"}
STARTED = {"data": "abc", "settings": {"lr": 0.1, "size": (1, 2)}}


def at_work(folder, started_with=STARTED, wait=False):
    return open_study(folder, "study.json", "a study", started_with, wait)


def prepare(folder, settings, overlays=(), recipe="planned"):
    return FoldStudy(StudyRequest(folder, overlays, settings, recipe), "unused", AUTO_FOLDS)


def open_here(folder, started_with=None, wait=False):
    with at_work(folder, started_with or STARTED, wait) as ledger:
        return ledger


def test_the_same_study_resumes(tmp_path):
    for number in range(2):
        ledger = open_here(tmp_path / "out")
        assert ledger.record_file == tmp_path / "out" / "study.json"
        assert ledger.read()["started_with"] == {"data": "abc", "settings": {"lr": 0.1, "size": [1, 2]}}
        assert ledger.read().get("number") == (number or None)
        ledger.update(number=number + 1)


def test_another_study_is_rejected_by_its_difference(tmp_path):
    open_here(tmp_path)
    words = f'^{tmp_path}: a study must resume with the same data: started with "abc", now "abd"; name another folder$'
    with pytest.raises(SettingError, match=words):
        open_here(tmp_path, {**STARTED, "data": "abd"})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"started_with": 3}'])
def test_a_damaged_record_is_rejected(tmp_path, text):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(DataError, match=r"study\.json: the record of a study cannot be read; name another folder$"):
        open_here(tmp_path)


def test_a_folder_with_other_files_is_rejected(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(DataError, match="must be empty or new"):
        open_here(tmp_path)
    with pytest.raises(DataError, match="must be empty or new"):
        open_here(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_one_process_at_a_time(tmp_path):
    words = f"^{tmp_path}: another process works in this folder"
    with at_work(tmp_path), pytest.raises(SettingError, match=words), at_work(tmp_path):
        pytest.fail("two at once")
    open_here(tmp_path)  # free again


def test_processes_that_share_a_study_wait_for_each_other(tmp_path):
    with ThreadPoolExecutor(1) as other:
        with at_work(tmp_path, wait=True):
            waiting = other.submit(open_here, tmp_path, STARTED, wait=True)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        assert waiting.result(10).is_unfinished()


def test_a_held_setting_may_only_have_its_value():
    check_choosing({"checkpoint_selection": "last", "lr": 1}, {"checkpoint_selection": "last"}, "a study")
    with pytest.raises(SettingError, match="setting checkpoint_selection must be left as it is in a study, got 'best'"):
        check_choosing({"checkpoint_selection": "best"}, {"checkpoint_selection": "last"}, "a study")


@pytest.mark.parametrize(
    ("name", "value"), [("checkpoint_selection", "best"), ("split", "region"), ("split", "none"), ("patience", 3)]
)
def test_settings_that_choose_on_the_scored_images_are_rejected(name, value, folder):
    with pytest.raises(
        SettingError, match=f"setting {name} must be left as it is in a study by held-out images, got {value!r}"
    ):
        prepare(folder, {name: value})
    prepare(folder, {"checkpoint_selection": "last", "split": "auto", "lr": 1.0})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (({"lr": -1.0},), "setting lr must be a number above 0, got -1.0"),
        (({"learning_rate": 1.0},), "learning_rate.*did you mean"),
        (({}, ("nowhere",)), "nowhere.yaml: an overlay must be a YAML file, found none"),
        (({}, (), "best"), "the recipe must be one of planned, original, got 'best'"),
        (({"filters": [4]}, (), "original"), "setting filters must be 2 to 12"),
    ],
)
def test_invalid_settings_are_rejected_first(folder, given, message):
    with pytest.raises((LiveCellError, RuntimeError)) as refused:  # MONAI wraps what a part of a config raises
        prepare(folder, *given)
    assert re.search(message, str(find_user_error(refused.value)))


class TestStart:
    """A bundle that was trained on an image that a study holds out."""

    def test_is_rejected(self, trained):
        data, bundle = trained
        words = (
            f"setting start must be weights that were not .*, {bundle} was trained on train_00 \\(and 2 more\\); leave it"
        )
        with pytest.raises(SettingError, match=words):
            prepare(data, {**TINY, "start": str(bundle)})
        prepare(data, {**TINY, "start": "none"})

    def test_of_other_images_is_not(self, trained, tmp_path):
        data, bundle = trained[0], shutil.copytree(trained[1], tmp_path / "model")
        path = bundle / "configs" / "metadata.json"
        metadata = json.loads(path.read_text())
        metadata["training"]["trained_on"] = {"0" * 64: [None]}
        path.write_text(json.dumps(metadata))
        prepare(data, {**TINY, "start": str(bundle)})


class TestSameStart:
    """A start is a file that may be written again between two trainings of a study, or a name that may move."""

    @pytest.fixture
    def start(self, tmp_path):
        write_start(tmp_path / "start.safetensors", make_start(["foreground"]), {})
        return tmp_path / "start.safetensors"

    @pytest.fixture
    def settings(self, start):
        return {**TINY, "epochs": 1, "maps": ["foreground"], "start": str(start)}

    def open_study(self, folder, settings, root):
        study = FoldStudy(StudyRequest(folder, settings=settings), root, AUTO_FOLDS)
        with study.open("study.json", "a study", {}, {}) as (ledger, _):
            return study, ledger.read()["started_with"]

    def test_is_recorded_and_must_match_on_resume(self, folder, settings, start, tmp_path):
        _, started_with = self.open_study(folder, settings, tmp_path / "out")
        assert started_with["start_sha256"] == {str(start): hash_file(start)}
        self.open_study(folder, settings, tmp_path / "out")
        write_start(start, make_start(["foreground"], seed=2), {})
        with pytest.raises(SettingError, match=r"a study must resume with the same start_sha256\..*; name another folder$"):
            self.open_study(folder, settings, tmp_path / "out")

    def test_is_that_of_every_part(self, folder, settings, start, tmp_path):
        study, _ = self.open_study(folder, settings, tmp_path / "out")
        write_start(start, make_start(["foreground"], seed=2), {})
        with pytest.raises((LiveCellError, RuntimeError)) as caught:
            run_part(study.folds[0], study.root, study.request, TrackedRun())
        assert "has changed since the study was opened" in str(find_user_error(caught.value))

    def test_random_weights_are_none(self, folder, tmp_path):
        _, started_with = self.open_study(folder, {**TINY, "start": "none"}, tmp_path / "out")
        assert "start_sha256" not in started_with


def test_local_settings_may_change():
    settings = {"lr": 0.1, "show_progress": False, "track": False, "tracking_uri": "x", "experiment": "y", "run_name": "z"}
    assert StudyRequest("cells", ["smoke"], settings).must_match() == {
        "recipe": "planned",
        "overlays": ["smoke"],
        "settings": {"lr": 0.1},
    }


def stop_part(fold, root, study, at):
    """Start a part, and press Ctrl-C when its loss is computed for the nth time."""
    with foreground(), at_loss(at, press_ctrl_c), pytest.raises(KeyboardInterrupt):
        run_part(fold, root, study, TrackedRun())


def write_half_of_the_scores(bundle, data, output, *options, **more):
    """A scoring that is killed."""
    output.mkdir()
    (output / "scores.csv").write_text("image,tp")
    raise KeyboardInterrupt


class TestInterrupted:
    @pytest.fixture
    def study(self, folder):
        return StudyRequest(folder, settings={**SMALL, "epochs": 3, "checkpoint_selection": "last"})

    @pytest.fixture
    def fold(self, folder):
        return make_folds(list_samples(folder, "train"))[0]

    def test_resumes_to_the_weights_of_an_uninterrupted_one(self, fold, study, tmp_path):
        whole, stopped = (tmp_path / name for name in ("whole", "stopped"))
        for root in (whole, stopped):
            root.mkdir()
        with at_loss(1, lambda: None) as all_calls:
            run_part(fold, whole, study, TrackedRun())
        stop_part(fold, stopped, study, at=5)
        with at_loss(1, lambda: None) as calls:
            run_part(fold, stopped, study, TrackedRun())
        assert len(calls) == len(all_calls) - 5
        assert list_differences(whole / "fold_1", stopped / "fold_1") == []

    @pytest.mark.parametrize("keeps_weights", [True, False])
    def test_one_that_is_killed_while_it_is_scored_is_not_trained_again(
        self, fold, study, tmp_path, monkeypatch, keeps_weights
    ):
        monkeypatch.setattr(parts, "evaluate", write_half_of_the_scores)
        with pytest.raises(KeyboardInterrupt):
            run_part(fold, tmp_path, study, TrackedRun(), keeps_weights)
        monkeypatch.setattr(parts, "evaluate", evaluate)
        monkeypatch.setattr(parts, "train", lambda *arguments, **options: pytest.fail("trained again"))
        run_part(fold, tmp_path, study, TrackedRun(), keeps_weights)
        (row,) = read_rows(tmp_path, [fold])
        assert row["fold"] == fold.name
        assert (tmp_path / fold.name / "models").is_dir() is keeps_weights

    def test_files_are_kept_if_it_cannot_be_resumed(self, fold, study, tmp_path):
        stop_part(fold, tmp_path, study, at=5)
        partial = tmp_path / "fold_1.partial"
        for checkpoint in (partial / ".training").glob("*.pt"):
            checkpoint.write_bytes(b"damaged")
        before = sorted(partial.rglob("*"))
        with pytest.raises((LiveCellError, RuntimeError)) as refused:
            run_part(fold, tmp_path, study, TrackedRun())
        assert "remove the folder of the run and train again" in str(find_user_error(refused.value))
        assert set(before) <= set(partial.rglob("*"))
        shutil.rmtree(partial)
        run_part(fold, tmp_path, study, TrackedRun())
        assert (tmp_path / "fold_1").is_dir()


class Parent(TrackedRun):
    run_id = "parent"


class TestPart:
    @pytest.fixture
    def calls(self, monkeypatch):
        """Replace training and scoring."""
        made = []

        def train(data, output, overlays, settings, recipe, context):
            names = settings["run_name"], settings["checkpoint_selection"], context.parent_run
            made.append(("train", data.name, *names))
            (output / "half").mkdir(parents=True)

        def evaluate(bundle, data, output, settings, overwrite):
            made.append(("evaluate", data.name))
            if len(made) == 2:
                raise KeyboardInterrupt
            output.mkdir()
            rows = "image,iou,dice,accuracy,precision,recall,surface_dice,tp,fp,fn,tn\ntrain_00,0.5,0,0,0,0,0.25,5,2,3,10\n"
            (output / "scores.csv").write_text(rows)

        monkeypatch.setattr(parts, "train", train)
        monkeypatch.setattr(parts, "evaluate", evaluate)
        return made

    def test_is_done_once_and_only_complete(self, folder, tmp_path, calls):
        (first, *_) = folds = make_folds(list_samples(folder, "train"))
        request, run = StudyRequest(folder), Parent()
        with pytest.raises(KeyboardInterrupt):
            run_part(first, tmp_path, request, run)
        assert not (tmp_path / "fold_1").exists()
        run_part(first, tmp_path, request, run)
        run_part(first, tmp_path, request, run)  # no further call
        assert calls == [("train", "fold_1.json", "fold_1", "last", "parent"), ("evaluate", "fold_1.json")] * 2
        (row,) = read_rows(tmp_path, folds[:1])
        assert (row["fold"], row["image"]) == ("fold_1", "train_00")
        scores = read_scores(row)
        assert (scores.tp, scores.fp, scores.fn, scores.tn, scores.get("surface_dice")) == (5, 2, 3, 10, 0.25)
        assert {metric.name for metric in list_metrics() if metric.from_cells is None} < set(row)
