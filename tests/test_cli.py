"""The command line: its output and exit codes."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai import __version__
from tests.support.commands import Outcome, livecell, refused, small
from tests.support.worlds import write_folder, write_sample

JOURNEY = ("sample", "check", "train", "evaluate", "predict", "report", "compare", "register", "sweep")
COMMANDS = (*JOURNEY, "info", "plan", "crossval", "learning-curve")
HEAVY = ("torch", "monai", "ignite", "mlflow", "matplotlib", "numpy")
IMAGE, LABEL = "train/images/train_01.tif", "train/labels/train_01.tif"
SHAPE = (96, 112)


@dataclass(frozen=True)
class Journey:
    """A folder with `cells`, `model`, `scores`, `masks` and `mlflow.db`, and what each command said."""

    root: Path
    said: dict[str, Outcome]


@pytest.fixture(scope="module")
def journey(tmp_path_factory):
    """Every command in turn, as in the README; made once and only read."""
    root = tmp_path_factory.mktemp("journey")
    said = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        said["sample"] = livecell("sample", "cells", "--size", 128, "--test", 2)
        said["check"] = livecell("check", "cells")
        said["train"] = livecell("train", "cells", "-o", "model", *small(track=True))
        for number, status in enumerate(("model_2", "model_3")):
            options = small(track=True, split="original", dropout=0.2 + number / 10)
            with pytest.MonkeyPatch.context() as plain:  # the first model has figures
                plain.setattr(import_module("livecell_monai.report.page"), "write_figures", lambda *args, **facts: None)
                said[status] = livecell("train", "cells", "-o", status, *options)
        quiet = ("--set", "show_progress=false")
        said["evaluate"] = livecell("evaluate", "model", "cells", "-o", "scores", *quiet)
        said["predict"] = livecell(
            "predict", "model", "cells/test/images", "-o", "masks", "--overlay", "--probability", *quiet
        )
        said["report"] = livecell("report", "model", "--data", "cells")
        said["compare"] = livecell("compare")
        said["register"] = livecell("register", "model", "--name", "cells")
        said["sweep"] = livecell(
            "sweep", "cells", "-o", "sweep", "--trials", 2, *small(checkpoint_selection="last", epochs=1)
        )
    return Journey(root, said)


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_of_a_command_shows_an_example(self, command):
        outcome = livecell(command, "--help")
        assert (outcome.code, outcome.err) == (0, "")
        assert f"Example: livecell {command}" in outcome.out

    def test_names_every_command(self):
        outcome = livecell("--help")
        assert outcome.code == 0
        assert all(f" {command} " in outcome.out for command in COMMANDS)

    def test_imports_nothing_heavy(self):
        code = (
            "import sys, contextlib; sys.argv = ['livecell', '--help']\n"
            "from livecell_monai import cli\n"
            "with contextlib.suppress(SystemExit): cli.main()\n"
            f"print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.splitlines()[-1] == "heavy: []"

    def test_the_installed_command_prints_its_version(self):
        command = [sys.executable, "-m", "livecell_monai.cli", "--version"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert (done.stdout, done.stderr) == (f"livecell-monai {__version__}\n", "")


class TestJourney:
    @pytest.mark.parametrize("command", JOURNEY)
    def test_every_command_succeeds_without_a_message_on_stderr(self, journey, command):
        lines = journey.said[command].err.splitlines()
        # before a study begins, a note states its cost
        unexpected = (
            lines if command != "sweep" else [line for line in lines if not line.startswith("note: 2 trainings of ")]
        )
        assert (journey.said[command].code, unexpected) == (0, [])

    def test_sample(self, journey):
        assert journey.said["sample"].out == "cells: 3 training and 2 test images of 128 x 128 pixels\n"

    def test_check(self, journey):
        header, *rows = journey.said["check"].out.partition("\n\n")[0].splitlines()
        assert header.split() == ["set", "image", "Y", "x", "X", "type", "values", "foreground", "cells"]
        assert [row.split()[:2] for row in rows] == [
            *(["train", f"cells_0{number}"] for number in (1, 2, 3)),
            *(["test", f"field_0{number}"] for number in (1, 2)),
        ]
        assert all("128 x 128  uint16" in row and row.rstrip().endswith("ok") for row in rows)

    def test_train(self, journey):
        scores, best, places, sent, run, following = journey.said["train"].out.splitlines()
        assert scores.startswith("validation IoU 0.")
        assert "leaks" not in scores
        assert best.startswith("weights of epoch ")
        assert " of 2, " in best
        assert places == "bundle: model, card: model/docs/README.md, report: model/docs/report.html"
        assert sent.startswith("to hand the model over, send this folder: model, ")
        assert sent.endswith(" MB")
        assert run.startswith("run model in MLflow: ")
        assert {path.name for path in (journey.root / "model/models").iterdir()} == {"model.pt", "model.safetensors"}
        assert following.startswith("WARNING: this result is not usable: at IoU 0.")  # after two epochs of seconds
        assert all((journey.root / "model" / name).is_file() for name in ("docs/README.md", "docs/report.html"))

    def test_train_on_a_split_that_leaks_says_so(self, journey):
        assert journey.said["model_2"].out.splitlines()[0].endswith("(of a split that leaks: too good)")

    def test_evaluate(self, journey):
        header, *rows, last = journey.said["evaluate"].out.splitlines()
        assert header.split() == ["2", "images", "mean", "95", "%", "interval", "median", "worst"]
        scores = json.loads((journey.root / "scores" / "scores.json").read_text())
        (iou,) = [row.split() for row in rows if row.startswith("IoU ")]
        assert iou[1] == f"{scores['iou']['mean']:.3f}"
        assert last == "outlines within 2 px count as right; by image: scores/scores.csv"
        (pooled,) = [row.split() for row in rows if row.startswith("IoU, pooled")]
        assert pooled[2] == f"{scores['pooled_iou']:.3f}"
        assert (journey.root / "scores" / "scores.csv").is_file()

    def test_predict(self, journey):
        with open(journey.root / "masks" / "cells.csv", encoding="utf-8") as stream:
            count = len(stream.readlines()) - 1
        assert count > 1
        assert journey.said["predict"].out == f"masks: 2 masks, {count} cells (cells.csv) and summary.csv\n"
        names = {path.name for path in (journey.root / "masks").iterdir()}
        endings = (".tif", "_cells.tif", "_overlay.png", "_probability.tif", "_distance.tif")
        assert names == {"summary.csv", "cells.csv", "cells.json", *(f"field_0{n}{end}" for n in (1, 2) for end in endings)}
        mask = tifffile.imread(journey.root / "masks" / "field_01.tif")
        assert (mask.shape, mask.dtype) == ((128, 128), np.uint8)
        assert set(np.unique(mask)) <= {0, 255}

    def test_compare(self, journey):
        header, *rows = journey.said["compare"].out.splitlines()
        rows, note = rows[:-1], rows[-1]
        assert header.split()[:9] == ["run", "kind", "status", "IoU", "accuracy", "loss", "AP50", "seconds", "data"]
        assert {"dropout", "split_used"} <= set(header.split())
        assert {"seed", "lr", "epochs"}.isdisjoint(header.split())
        assert len(rows) == 3
        assert all(row.startswith("model") and " training  FINISHED " in row for row in rows)
        scores = [float(row.split()[3]) for row in rows]
        assert scores == sorted(scores, reverse=True)
        said = "WARNING: split original and none score what was trained on, not to be compared with the others: model_"
        assert note.startswith(said)


def without(name):
    return lambda root: (root / name).unlink()


def holding(name, plane, **options):
    return lambda root: tifffile.imwrite(root / name, plane, **options)


def cut_off(root):
    data = (root / IMAGE).read_bytes()
    (root / IMAGE).write_bytes(data[: len(data) // 2])


GREY = np.arange(SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
HOLED = np.where(GREY == 500, np.nan, GREY)
BAD_DATA = {
    "missing folder": (shutil.rmtree, ["data: the data folder does not exist"]),
    "image without label": (without(LABEL), ["train_01.tif: an image must have a label of the same stem"]),
    "label without image": (without(IMAGE), ["train_01.tif: a label must have an image of the same stem"]),
    "sizes that differ": (holding(LABEL, np.eye(96, dtype=np.uint8)), [LABEL, "got 96 x 96 for an image of 96 x 112"]),
    "RGB": (
        holding(IMAGE, np.eye(3, dtype=np.uint8)[np.zeros(SHAPE, int)], photometric="rgb"),
        [IMAGE, "RGB", "one grey channel"],
    ),
    "stack": (holding(IMAGE, np.zeros((5, *SHAPE), np.uint8), photometric="minisblack"), [IMAGE, "got a stack", " 5,"]),
    "truncated": (cut_off, [IMAGE, "the file is cut off: it needs "]),
    "constant": (holding(IMAGE, np.full(SHAPE, 7, np.uint8)), [IMAGE, "must not be constant, got 7"]),
    "NaN": (holding(IMAGE, HOLED), [IMAGE, "must be finite in every pixel, got 1 NaN", "row 4, column 52"]),
    "one class": (holding(LABEL, np.ones(SHAPE, np.uint8)), [LABEL, "must have both classes, got foreground only"]),
    "fractions": (holding(LABEL, GREY / 2), [LABEL, "must hold integers, got 0.5 at row 0, column 1"]),
}


class TestBadData:
    @pytest.mark.parametrize("case", BAD_DATA)
    def test_training_rejects_it_in_one_line(self, folder, tmp_path, case):
        spoil, words = BAD_DATA[case]
        spoil(folder)
        refused(livecell("train", folder, "-o", tmp_path / "model", *small()), *words)
        assert not (tmp_path / "model").exists()

    @pytest.mark.parametrize("case", BAD_DATA)
    def test_check_finds_it(self, folder, case):
        spoil, words = BAD_DATA[case]
        spoil(folder)
        outcome = livecell("check", folder)
        refused(Outcome(outcome.code, "", outcome.err), *words)
        assert outcome.out == "" or ("PROBLEM" in outcome.out and " ok" in outcome.out)

    def test_check_names_every_problem(self, folder):
        cut_off(folder)
        holding("test/labels/test_00.tif", GREY)(folder)
        outcome = livecell("check", folder)
        assert outcome.code == 2
        assert [line.split(": ")[0] for line in outcome.err.splitlines()] == ["error", "error"]
        assert "train_01.tif" in outcome.err
        assert "test_00.tif" in outcome.err
        assert outcome.out.count("PROBLEM") == 2


class TestCheck:
    def test_shows_what_the_training_images_are_like(self, tmp_path):
        rows, columns = np.indices(SHAPE)
        label = (np.hypot(rows - 48, columns - 50) <= 15.5).astype(np.uint8)
        write_sample(tmp_path, "a", label)
        write_sample(tmp_path, "b", np.kron(label[24:72, 24:80], np.ones((2, 2), np.uint8)), role="test")
        outcome = livecell("check", tmp_path)
        assert (outcome.code, outcome.err) == (0, "")
        table, _, fingerprint = outcome.out.partition("\n\n")
        assert len(table.splitlines()) == 3
        header, *lines = fingerprint.splitlines()
        assert header.strip() == "training images"
        assert " ".join(lines[0].split()) == "images 1, 96 x 112 pixels (Y x X)"
        assert [line.split()[2:4] for line in lines if line.startswith("cell diameter ")] == [["31", "px,"]]

    def test_says_once_that_ids_have_several_pieces(self, tmp_path):
        label = np.zeros(SHAPE, np.uint8)
        label[10:30, 10:30], label[50:60, 50:60], label[50:60, 70:90] = 1, 2, 2
        for name in "ab":
            write_sample(tmp_path, name, label)
        said = [line for line in livecell("check", tmp_path).out.splitlines() if line.startswith("note: ")]
        assert len(said) == 1
        assert said[0].startswith("note: ids with several pieces: 2 in 2 labels, 1 of them in that of a;")

    def test_shows_no_fingerprint_where_there_is_a_problem(self, folder):
        assert "cell diameter" in livecell("check", folder).out
        cut_off(folder)
        assert "cell diameter" not in livecell("check", folder).out


class TestBadSettings:
    @pytest.mark.parametrize(
        ("setting", "words"),
        [
            ("drpout=0.1", ["setting drpout does not exist", "did you mean dropout?"]),
            ("bundle_root=.", ["setting bundle_root does not exist", "did you mean "]),
            ("lr", ["--set must be given as name=value, got 'lr'"]),
            ("=1", ["--set must be given as name=value, got '=1'"]),
            ("lr=[1", ["--set lr must have a value in YAML, got '[1'"]),
            ("lr=fast", ["setting lr must be a number above 0, got 'fast'"]),
            ("lr_step=2", ["setting lr_step must be below epochs (2)", "got 2"]),
            ("lr_step=5", ["setting lr_step must be below epochs (2)", "got 5"]),
            ("split=random", ["setting split must be auto, images, region, original or none, got 'random'"]),
            ("window=[50,50]", ["setting window", "got [50, 50]"]),
            ("tracking_uri=mlruns", ["setting tracking_uri must be a database or a server", "'mlruns'"]),
        ],
    )
    def test_training_rejects_them_in_one_line(self, folder, tmp_path, setting, words):
        outcome = livecell("train", folder, "-o", tmp_path / "model", *small(track=True), "--set", setting)
        refused(outcome, *words)
        assert not (tmp_path / "model").exists()

    @pytest.mark.parametrize("setting", ["patch_size=[100,100]", "threshold=2"])
    def test_a_plan_rejects_the_same_settings(self, folder, tmp_path, setting):
        name = setting.partition("=")[0]
        refused(livecell("plan", folder, "--set", setting, "-o", tmp_path / "plan.yaml"), f"setting {name} must be")
        assert not (tmp_path / "plan.yaml").exists()

    def test_rejects_a_missing_overlay_with_the_existing_ones(self, folder, tmp_path):
        outcome = livecell("train", folder, "-o", tmp_path / "model", "--config", "nope")
        refused(outcome, "nope.yaml", "original, smoke")

    @pytest.mark.parametrize("command", ["train", "plan", "crossval"])
    def test_no_minutes_are_no_request(self, folder, tmp_path, command):
        outcome = livecell(command, folder, "-o", tmp_path / "out", "--minutes", 0)
        refused(outcome, "--minutes must be above 0, got 0; leave it out")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(("iou", "last"), [(0.07, "WARNING: this result is not usable: at IoU 0.070"), (0.6, "next: ")])
    def test_a_training_says_whether_its_result_is_usable(self, folder, tmp_path, monkeypatch, iou, last):
        facts = {"leaks": False, "kept_epoch": 1, "epochs_run": 1, "seconds": 1.0, "computed_on": "cpu"}
        result = {"validation": {"iou": iou, "accuracy": 0.9}, **facts}
        monkeypatch.setattr("livecell_monai.tasks.train", lambda *_, **__: result)
        outcome = livecell("train", folder, "-o", tmp_path / "model")
        assert outcome.code == 0
        assert outcome.out.splitlines()[-1].startswith(last)  # livecell predict MODEL IMAGES --output MASKS
        assert ("predict" in outcome.out) == (iou > 0.5)

    def test_short_options_set_settings(self, folder, tmp_path):
        outcome = livecell("train", folder, "-o", tmp_path / "model", *small(), "--epochs", 0)
        refused(outcome, "setting epochs must be a whole number of at least 1, got 0")
        outcome = livecell("train", folder, "-o", tmp_path / "model", *small(), "--seed", -1)
        refused(outcome, "setting seed", "got -1")
        assert not (tmp_path / "model").exists()


class TestBadFolders:
    def test_a_model_is_not_overwritten(self, journey, folder):
        kept = (journey.root / "model" / "models" / "model.safetensors").read_bytes()
        refused(livecell("train", folder, "-o", journey.root / "model", *small()), "model: the output folder must be empty")
        assert (journey.root / "model" / "models" / "model.safetensors").read_bytes() == kept

    def test_a_sample_set_is_not_overwritten(self, journey):
        refused(livecell("sample", journey.root / "cells"), "cells: a sample set is written to a new or empty folder only")

    def test_settings_replace_flags(self, journey, tmp_path):
        image = journey.root / "cells" / "test" / "images" / "field_01.tif"
        given = ("predict", journey.root / "model", image, "-o", tmp_path / "masks", "--set", "show_progress=false")
        assert livecell(*given, "--set", "outputs=[mask, overlay]", "--set", "cells=false").code == 0
        assert {path.name for path in (tmp_path / "masks").iterdir()} == {"field_01.tif", "field_01_overlay.png"}
        assert livecell(*given, "--set", "overwrite=true").code == 0

    @pytest.mark.parametrize("experiment", ['""', "[1]"])
    def test_an_invalid_experiment_leaves_no_folder(self, folder, tmp_path, experiment):
        store = f"tracking_uri=sqlite:///{tmp_path}/mlflow.db"
        outcome = livecell(
            "train",
            folder,
            "-o",
            tmp_path / "model",
            *small(track=True),
            "--set",
            store,
            "--set",
            f"experiment={experiment}",
        )
        refused(outcome, "experiment")
        assert not (tmp_path / "model").exists()

    @pytest.mark.parametrize(("command", "folder_name"), [("predict", "masks"), ("evaluate", "scores")])
    def test_results_are_overwritten_on_request_only(self, journey, tmp_path, command, folder_name):
        output = tmp_path / "results"
        shutil.copytree(journey.root / folder_name, output)
        given = journey.root / "cells" / ("test/images" if command == "predict" else "")
        before = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
        call = (command, journey.root / "model", given, "-o", output, "--set", "show_progress=false")
        refused(livecell(*call), "already exists", "--overwrite")
        assert {path.name: path.stat().st_mtime_ns for path in output.iterdir()} == before
        assert livecell(*call, "--overwrite").code == 0
        assert {path.name: path.stat().st_mtime_ns for path in output.iterdir()} != before

    def test_inputs_are_never_overwritten(self, journey, tmp_path):
        images = tmp_path / "images"
        shutil.copytree(journey.root / "cells/test/images", images)
        before = {path.name: path.read_bytes() for path in images.iterdir()}
        for extra in ((), ("--overwrite",)):
            outcome = livecell("predict", journey.root / "model", images, "-o", images, *extra)
            refused(outcome, "field_01.tif: a result would overwrite an input")
        assert {path.name: path.read_bytes() for path in images.iterdir()} == before

    def test_rejects_two_inputs_of_one_name(self, journey, tmp_path):
        shutil.copytree(journey.root / "cells/test/images", tmp_path / "monday")
        shutil.copytree(journey.root / "cells/test/images", tmp_path / "tuesday")
        outcome = livecell(
            "predict", journey.root / "model", tmp_path / "monday", tmp_path / "tuesday", "-o", tmp_path / "masks"
        )
        refused(outcome, "tuesday/field_01.tif: each input must have its own output name", "monday/field_01.tif")
        assert not (tmp_path / "masks").exists()

    @pytest.mark.parametrize("command", ["predict", "evaluate"])
    def test_rejects_a_bundle_without_weights(self, journey, tmp_path, command):
        bundle = tmp_path / "model"
        shutil.copytree(journey.root / "model", bundle)
        (bundle / "models" / "model.safetensors").unlink()
        given = journey.root / "cells" / ("test/images" if command == "predict" else "")
        outcome = livecell(command, bundle, given, "-o", tmp_path / "results")
        refused(outcome, "model.safetensors: a bundle must have weights, found none; train first")
        assert not (tmp_path / "results").exists()

    def test_rejects_a_folder_that_is_not_a_bundle(self, journey, tmp_path):
        outcome = livecell("predict", journey.root / "cells", journey.root / "cells/test/images", "-o", tmp_path / "masks")
        refused(outcome, "cells: a bundle must have a folder configs/, found none")

    def test_arguments_in_the_wrong_order(self, journey, tmp_path):
        images = journey.root / "cells/test/images"
        for command, given in (("predict", images), ("evaluate", journey.root / "cells")):
            outcome = livecell(command, given, journey.root / "model", "-o", tmp_path / "out")
            refused(outcome, f"{given}: a bundle must have a folder configs/", "the bundle that training wrote comes first")

    @pytest.mark.parametrize("option", ["--threshold", "--min-cell-area"])
    def test_an_option_that_is_a_setting(self, journey, tmp_path, option):
        outcome = livecell("predict", journey.root / "model", tmp_path, "-o", tmp_path / "out", option, 0.6)
        refused(outcome, f"{option} is no option", f"give --set {option[2:].replace('-', '_')}=VALUE")
        other = livecell("predict", journey.root / "model", tmp_path, "-o", tmp_path / "out", "--nonsense", 0.6)
        assert (other.code, "No such option" in other.err) == (2, True)

    def test_rejects_missing_images(self, journey, tmp_path):
        outcome = livecell("predict", journey.root / "model", tmp_path / "nowhere", "-o", tmp_path / "masks")
        refused(outcome, "nowhere: an input must be an image, a folder or a glob of images, no such file or folder")
        assert not (tmp_path / "masks").exists()

    def test_test_images_without_labels_cannot_be_scored(self, journey, folder, tmp_path):
        shutil.rmtree(folder / "test" / "labels")
        outcome = livecell("evaluate", journey.root / "model", folder, "-o", tmp_path / "scores")
        refused(outcome, "test_00.tif: an image to score must have a label")
        assert not (tmp_path / "scores").exists()


class TestUnreadableImages:
    def predict(self, journey, images, output):
        return livecell("predict", journey.root / "model", images, "-o", output, "--set", "show_progress=false")

    def test_one_of_several_does_not_stop_the_others(self, journey, tmp_path):
        folder = write_folder(tmp_path / "data", train=1, test=3)
        path = folder / "test/images/test_01.tif"
        path.write_bytes(path.read_bytes()[:500])
        outcome = self.predict(journey, folder / "test/images", tmp_path / "masks")
        assert outcome.code == 3
        assert outcome.out.startswith(f"{tmp_path / 'masks'}: 2 masks, ")
        named, count = outcome.err.splitlines()
        assert named.startswith(f"error: {path}: ")
        assert count == "1 of 3 images have no mask"
        names = {file.name for file in (tmp_path / "masks").iterdir()}
        assert {name for name in names if "cells" not in name} == {"test_00.tif", "test_02.tif", "summary.csv"}
        assert {name for name in names if "_cells" in name} == {"test_00_cells.tif", "test_02_cells.tif"}

    def test_if_no_image_can_be_read_nothing_is_printed(self, journey, tmp_path):
        folder = write_folder(tmp_path / "data", train=1, test=1)
        (folder / "test/images/test_00.tif").write_bytes(b"no image")
        outcome = self.predict(journey, folder / "test/images", tmp_path / "masks")
        assert (outcome.code, outcome.out) == (3, "")
        assert outcome.err.splitlines()[-1] == "1 of 1 images have no mask"
        assert not (tmp_path / "masks").exists()


class TestCompare:
    def test_rejects_a_missing_store_and_does_not_create_it(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        refused(livecell("compare"), "mlflow.db: the MLflow store does not exist; train first")
        assert not list(tmp_path.iterdir())

    def test_rejects_a_missing_experiment(self, journey):
        outcome = livecell("compare", "--uri", f"sqlite:///{journey.root}/mlflow.db", "--experiment", "other")
        refused(outcome, "--experiment must be one of the store's", "livecell", "got 'other'")

    def test_limit(self, journey):
        outcome = livecell("compare", "--uri", f"sqlite:///{journey.root}/mlflow.db", "--limit", 1)
        assert sum(line.startswith("model") for line in outcome.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("evaluate", "model", "cells"), "Missing option '--output'"),
        (("sample", "cells", "--size", "8"), "Invalid value for '--size'"),
        (("predict", "model", "-o", "masks"), "Missing argument"),
    ],
)
def test_usage_errors_exit_with_2_and_name_the_help(arguments, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = livecell(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert word in outcome.err
    assert "--help" in outcome.err
    assert not list(tmp_path.iterdir())


def test_an_interruption_is_one_line_and_130(folder, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("livecell_monai.data.dataset.findings.check_data", interrupt)
    assert livecell("check", folder) == Outcome(130, "", "interrupted\n")


def test_a_bug_keeps_its_traceback(folder, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("livecell_monai.data.dataset.findings.check_data", fail)
    with pytest.raises(ZeroDivisionError, match="ours"):
        livecell("check", folder)


def test_ctrl_c_during_the_shutdown_of_python_changes_nothing():
    code = """
import atexit, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(os.kill, os.getpid(), signal.SIGINT)  # of what is registered, the first comes last
sys.argv = ["livecell", "--version"]
from livecell_monai import cli
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("livecell-monai")
