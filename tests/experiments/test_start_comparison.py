"""What a start gains: a second cross-validation from random weights, compared on the same images."""

import csv
import json

import pytest

from livecell_monai.bundle.contents import read_bundle_settings, read_metadata
from livecell_monai.errors import SettingError
from livecell_monai.experiments import start_comparison
from livecell_monai.experiments.crossval import CrossValidation, cross_validate
from livecell_monai.experiments.parts import StudyRequest
from livecell_monai.experiments.start_comparison import FOLDER, check_start, compare_start
from livecell_monai.report.bundle_page import write_bundle_page
from tests.support.small_training import SMALL
from tests.support.starts import MAPS, make_start, shipped
from tests.support.worlds import write_folder

pytestmark = pytest.mark.usefixtures("without_figures")

TINY = {name: value for name, value in SMALL.items() if name != "checkpoint_selection"} | {
    **{"epochs": 1, "samples_per_epoch": 4, "maps": MAPS},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A cross-validation with a refit, and the same without the start."""
    root = tmp_path_factory.mktemp("start")
    request = StudyRequest(write_folder(root / "data"), settings=TINY)
    with shipped(root / "shipped.safetensors", make_start()):
        check_start(request)
        result = cross_validate(request, root / "folds", bundles=["refit"])
        return root, request, result, compare_start(request, root / "folds", result)


def start_of(bundle):
    return read_metadata(bundle)["training"].get("start"), read_bundle_settings(bundle)["lr"]


@pytest.mark.slow
def test_the_folds_are_the_same_but_for_the_start(done):
    root, _, result, found = done
    folds = [f"fold_{number}" for number in (1, 2, 3)]
    assert [start_of(root / "folds" / fold) for fold in folds] == [("auto", 0.001)] * 3
    assert [start_of(root / "folds" / FOLDER / fold) for fold in folds] == [(None, 0.002)] * 3
    for fold in folds:
        one, other = (
            json.loads((folder / f"{fold}.json").read_text()) for folder in (root / "folds", root / "folds" / FOLDER)
        )
        assert one == other
    assert [row["image"] for row in found.without.rows] == [row["image"] for row in result.rows]
    assert [row["tp"] for row in found.without.rows] != [row["tp"] for row in result.rows]


@pytest.mark.slow
def test_the_difference_is_on_the_same_images(done):
    root, _, result, found = done
    comparison = found.comparison
    assert comparison.first.name == str(root / "folds" / FOLDER)
    assert comparison.differing == ["start"]
    assert not comparison.warnings
    (place,) = (index for index, run in enumerate(comparison.runs) if run.name == str(root / "folds"))
    difference = comparison.differences[place]
    expected = result.summary["iou"]["mean"] - found.without.summary["iou"]["mean"]
    assert difference.mean == pytest.approx(expected)
    with open(root / "folds" / "scores.csv", newline="", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 3


@pytest.mark.slow
def test_a_bundle_of_all_images_notes_both_scores_once(done, tmp_path):
    root, request, result, found = done
    refit = root / "folds" / "refit"
    assert read_metadata(refit)["training"][FOLDER]["iou"] == found.without.summary["iou"]
    line = f"Without the start the same folds have a mean IoU of {found.without.summary['iou']['mean']:.3f}"
    compare_start(request, root / "folds", result)
    assert (refit / "docs" / "README.md").read_text().count(line) == 1
    write_bundle_page(refit, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f"<dt>the same without the start, 3 images</dt><dd>{found.without.summary['iou']['mean']:.3f}" in page
    assert f"<dt>IoU by cross-validation, 3 images</dt><dd>{result.summary['iou']['mean']:.3f}" in page


def test_the_shared_plan_of_an_ensemble_is_that_of_both(tmp_path, monkeypatch):
    asked = []

    def cross_validate(request, output, folds):
        asked.append((list(request.overlays), request.settings, output))
        return CrossValidation([], {}, {})

    monkeypatch.setattr(start_comparison, "cross_validate", cross_validate)
    monkeypatch.setattr(start_comparison, "compare_runs", lambda runs: None)
    request = StudyRequest("data", ["smoke"], {"lr": 0.1})
    compare_start(request, tmp_path, CrossValidation([], {}, {}))
    shared = tmp_path / "shared.yaml"
    shared.write_text("scale: 0.5\n")
    compare_start(request, tmp_path, CrossValidation([], {}, {}))
    settings = {"lr": 0.1, "start": "none"}
    assert asked == [
        (["smoke"], settings, tmp_path / FOLDER),
        ([str(shared), "smoke"], settings, tmp_path / FOLDER),
    ]


def test_is_rejected_where_trainings_begin_from_random_weights(folder, tmp_path):
    with shipped(tmp_path / "shipped.safetensors", make_start()):
        for changes in ({"filters": [4, 16]}, {"start": "none"}):
            with pytest.raises(SettingError, match=r"^--compare-start must be left out where trainings begin from random"):
                check_start(StudyRequest(folder, settings={**TINY, **changes}))
