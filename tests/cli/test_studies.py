"""Cross-validation and learning curve by the command line."""

import csv
import json

import pytest

from tests.support.commands import livecell, refused, small
from tests.support.starts import make_start, shipped
from tests.support.worlds import write_folder

pytestmark = pytest.mark.usefixtures("without_figures")

TINY = {"epochs": 1, "samples_per_epoch": 4, "track": False}


def options(**settings):
    """Settings of trainings of a second, without those that a study keeps for itself."""
    given = small(**TINY, **settings)
    return [
        part
        for i in range(0, len(given), 2)
        if not given[i + 1].startswith("checkpoint_selection=")
        for part in given[i : i + 2]
    ]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    data = write_folder(root / "data")
    outcome = livecell("crossval", data, "--output", root / "folds", "--ensemble", *options())
    return root, data, outcome


def test_crossval_prints_scores_and_their_basis(done):
    root, _, outcome = done
    assert (outcome.code, outcome.err.count("\n")) == (0, 1)
    assert outcome.err.startswith("note: 3 trainings of 1 epochs each; ")
    lines = outcome.out.splitlines()
    with open(root / "folds" / "scores.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row, line in zip(rows, lines[1:4], strict=True):
        assert line.split()[:3] == [row["fold"], row["image"], f"{float(row['iou']):.3f}"]
    assert "each image by a network that has not seen it: 3 images, 15 cells" in lines
    summary = json.loads((root / "folds" / "crossval.json").read_text())["summary"]
    assert f"worst: {summary['worst_image']}; by image: " in outcome.out
    assert lines[-1] == f"ensemble: {root / 'folds' / 'ensemble'}"
    assert "15 cells, 3 folds" in (root / "folds" / "ensemble" / "docs" / "README.md").read_text()


def test_the_ensemble_predicts_as_any_bundle(done, tmp_path):
    root, data, _ = done
    outcome = livecell("predict", root / "folds" / "ensemble", data / "test" / "images", "-o", tmp_path / "masks")
    assert outcome.out == f"{tmp_path / 'masks'}: 2 masks and summary.csv\n"


@pytest.mark.slow
def test_crossval_with_and_without_the_start(done, tmp_path):
    _, data, _ = done
    start = ("--set", 'maps=["foreground","distance"]')
    with shipped(tmp_path / "shipped.safetensors", make_start()):
        outcome = livecell("crossval", data, "-o", tmp_path / "folds", "--compare-start", *options(), *start)
    assert outcome.code == 0, outcome
    lines = outcome.out.splitlines()
    assert sum(line.startswith("fold_1 ") for line in lines) == 2
    assert "the same folds from random weights" in lines
    assert lines[-1] == f"page: {tmp_path / 'folds' / 'start.html'}"
    assert "without_start" in (tmp_path / "folds" / "start.html").read_text()
    refused(livecell("crossval", data, "-o", tmp_path / "no", "--compare-start", *options(start="none")), "--compare-start")
    assert not (tmp_path / "no").exists()


@pytest.mark.slow  # the README's own commands draw one too
def test_learning_curve(done, tmp_path):
    _, data, _ = done
    outcome = livecell("learning-curve", data, "-o", tmp_path / "curve", "--by", "images", "--draws", 1, *options())
    assert (outcome.code, outcome.err.count("\n")) == (0, 1)
    assert outcome.err.startswith("note: 6 trainings of 1 epochs each; ")
    assert [line.split()[:2] for line in outcome.out.splitlines()[1:3]] == [["1", "images"], ["2", "images"]]
    assert "from 1 to 2 images the IoU changed by" in outcome.out
    assert (tmp_path / "curve" / "curve.png").stat().st_size > 5000


@pytest.mark.parametrize("command", ["crossval", "learning-curve"])
class TestRefused:
    def test_one_image(self, command, tmp_path):
        data = write_folder(tmp_path / "data", train=1)
        refused(livecell(command, data, "-o", tmp_path / "out", *options()), "2 or more images or groups", "got 1")
        assert not (tmp_path / "out").exists()

    def test_one_group(self, command, folder, tmp_path):
        given = ("--group-pattern", "train")
        refused(livecell(command, folder, "-o", tmp_path / "out", *given, *options()), "2 or more images or groups", "got 1")

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (("--folds", 4), ("--folds", "between 2 and", "(3)", "got 4")),
            (("--folds", 1), ("--folds", "between 2 and", "got 1")),
            (("--group-pattern", "("), ("--group-pattern", "regular expression")),
            (("--group-pattern", "x"), ("does not match --group-pattern",)),
            (("--recipe", "best"), ("recipe", "planned, original", "'best'")),
            (("--set", "split=none"), ("split", "held-out", "'none'")),
            (("--set", "track=true", "--set", "tracking_uri=http://127.0.0.1:9"), ("tracking_uri", "http://127.0.0.1:9")),
        ],
    )
    def test_options(self, command, folder, tmp_path, given, words):
        refused(livecell(command, folder, "-o", tmp_path / "out", *options(), *given), *words)
        assert not (tmp_path / "out").exists()

    def test_rejects_a_folder_with_other_files(self, command, folder, tmp_path):
        refused(livecell(command, folder, "-o", folder, *options()), "must be empty or new")
