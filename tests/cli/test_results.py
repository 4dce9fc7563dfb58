"""What commands print at their end."""

from pathlib import Path

import pytest
import typer

from livecell_monai.cli.results import print_trained, report_missing
from livecell_monai.tasks import Predictions

TRAINED = {
    "validation": {"iou": 0.8, "accuracy": 0.9, "ap50": 0.7},
    "leaks": False,
    "kept_epoch": 2,
    "epochs_run": 3,
    "seconds": 61.2,
    "computed_on": "cpu",
}


@pytest.mark.parametrize("start", ["auto", "start"])
def test_a_training_says_what_it_reached_and_what_is_next(capsys, start):
    print_trained({**TRAINED, "start": start, "start_sha256": "0123456789abcdef"}, Path("model"), ["http://127.0.0.1/1"])
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "validation IoU 0.800, pixel accuracy 0.900, AP50 of cells 0.700"
    assert shown[1] == "weights of epoch 2 of 3, 61 s, cpu; it began from the shipped start (SHA-256 0123456789ab...)"
    assert "report: model/docs/report.html" in shown[2]
    assert shown[3] == "to hand the model over, send this folder: model, 0 MB"
    assert shown[4] == "run model in MLflow: http://127.0.0.1/1"
    assert shown[5].startswith("next: livecell predict model IMAGES")


def test_a_training_says_if_its_start_has_seen_what_is_validated(capsys):
    print_trained({**TRAINED, "seen_by_start": ["a"]}, Path("model"), [])
    assert capsys.readouterr().out.splitlines()[0].endswith("(of images that the start was trained on: too good)")


def test_a_training_that_is_not_usable_names_no_prediction(capsys):
    print_trained({**TRAINED, "validation": {"iou": 0.05, "accuracy": 0.5}}, Path("model"), [])
    shown = capsys.readouterr().out
    assert "from random weights" in shown
    assert "WARNING" in shown
    assert "next:" not in shown


def make_predictions(**changes):
    return Predictions(**{"rows": [], "failures": {}, "tables": [], **changes})


def test_missing_masks_end_with_3(capsys):
    with pytest.raises(typer.Exit) as ended:
        report_missing(make_predictions(rows=[{"image": "a"}], failures={Path("b.tif"): "b.tif: broken"}))
    assert ended.value.exit_code == 3
    assert capsys.readouterr().err.splitlines() == ["error: b.tif: broken", "1 of 2 images have no mask"]


def test_a_movie_without_times_is_noted(capsys):
    report_missing(make_predictions(rows=[{"image": "a", "frames": 3, "interval_min": None}]))
    assert "note: a: no time between frames is known" in capsys.readouterr().err
