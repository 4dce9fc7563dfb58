from math import exp, inf, nan

import numpy as np
import pytest
from PIL import Image

from livecell_monai.outputs.figures import write_png
from livecell_monai.report.curves import draw_curves, draw_learning_curve, find_best


def run(epochs, best):
    """A history whose validation IoU rises to 0.8 at one epoch and falls after it."""
    return [
        {
            "epoch": epoch,
            "train_loss": exp(-epoch / 9),
            "val_loss": exp(-epoch / 9) + 0.1,
            "train_iou": 0.9,
            "val_iou": 0.8 - 0.001 * abs(epoch - best),
            "train_accuracy": 0.95,
            "val_accuracy": 0.9 + 0.0001 * epoch,
            "lr": 1e-3,
        }
        for epoch in range(1, epochs + 1)
    ]


def line(axes, name):
    return next(line for line in axes.lines if line.get_label() == name)


def test_titles_give_the_values_of_the_kept_epoch():
    loss, iou, accuracy = draw_curves(run(60, best=40)).axes
    assert loss.get_title() == f"Loss: validation {exp(-40 / 9) + 0.1:.3f} at epoch 40"
    assert iou.get_title() == "Mean IoU: validation 0.800 at epoch 40"
    assert accuracy.get_title() == "Pixel accuracy: validation 0.904 at epoch 40"


def test_every_panel_marks_the_kept_epoch():
    for axes in draw_curves(run(60, best=40)).axes:
        assert list(line(axes, "best validation IoU (epoch 40)").get_xdata()) == [40, 40]


def test_training_is_dashed_and_validation_solid():
    for axes in draw_curves(run(60, best=40)).axes:
        assert line(axes, "training").get_linestyle() == "--"
        assert line(axes, "validation").get_linestyle() == "-"


def test_values_that_are_missing_or_not_finite_are_left_out():
    history = run(6, best=6)
    del history[1]["val_loss"]
    history[2]["val_loss"] = nan
    history[3]["val_loss"] = inf
    assert list(line(draw_curves(history).axes[0], "validation").get_xdata()) == [1, 5, 6]


def test_missing_epochs_are_counted_from_one():
    history = [{"train_loss": 2.0}, {"train_loss": 1.0, "epoch": nan}]
    assert list(line(draw_curves(history).axes[0], "training").get_xdata()) == [1, 2]


def test_first_of_equally_good_epochs_is_the_best():
    assert find_best([{"epoch": 5, "val_iou": nan}, {"epoch": 6, "val_iou": 0.5}, {"epoch": 7, "val_iou": 0.5}]) == 6


def test_no_epoch_is_best_without_validation():
    history = [{"epoch": 1, "train_loss": 0.5}]
    assert find_best(history) is None
    assert [axes.get_title() for axes in draw_curves(history).axes] == ["Loss", "Mean IoU", "Pixel accuracy"]


@pytest.mark.parametrize(("epochs", "marker"), [(1, "o"), (200, "None")])
def test_few_points_have_markers(epochs, marker):
    axes = draw_curves(run(epochs, best=1)).axes[1]
    assert line(axes, "validation").get_marker() == marker


@pytest.mark.parametrize("epochs", [1, 2, 200])
def test_epoch_ticks_are_whole_numbers(epochs):
    for axes in draw_curves(run(epochs, best=1)).axes:
        assert all(float(tick).is_integer() for tick in axes.get_xticks())


@pytest.mark.parametrize("history", [run(1, best=1), run(200, best=150), [{}]])
def test_file_is_a_png_of_the_stated_size(tmp_path, history):
    write_png(tmp_path / "curves.png", draw_curves(history))
    with Image.open(tmp_path / "curves.png") as png:
        png.load()
        assert (png.format, png.size) == ("PNG", (1430, 440))
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


class TestCells:
    HISTORY = [{**row, **({"val_ap50": 0.5 + 0.01 * row["epoch"]} if row["epoch"] % 2 else {})} for row in run(9, best=5)]  # noqa: RUF012

    def test_ap50_has_a_panel_with_the_epochs_that_were_scored(self):
        *_, axes = draw_curves(self.HISTORY).axes
        assert axes.get_title() == "AP50 of cells: validation 0.550 at epoch 5"
        assert list(line(axes, "validation").get_xdata()) == [1, 3, 5, 7, 9]

    def test_picture_has_two_rows(self, tmp_path):
        write_png(tmp_path / "curves.png", draw_curves(self.HISTORY))
        with Image.open(tmp_path / "curves.png") as png:
            assert png.size == (1430, 880)


def point(amount, iou, kind="share_of_area", width=0.05):
    ends = (None, None) if width is None else (iou - width, iou + width)
    return {kind: amount, "scored_images": 3, "iou": iou, "low_95": ends[0], "high_95": ends[1]}


POINTS = [point(0.25, 0.5), point(0.5, 0.6), point(1.0, 0.65)]


@pytest.mark.parametrize(("kind", "word"), [("share_of_area", "area"), ("training_images", "images")])
def test_learning_curve_shows_each_amount(kind, word):
    points = [point(amount, iou, kind) for amount, iou in ((1, 0.5), (2, 0.6), (4, 0.65))]
    (axes,) = draw_learning_curve(points).axes
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xydata(), [(1, 0.5), (2, 0.6), (4, 0.65)])
    assert word in axes.get_xlabel()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "4"]
    assert [text.get_text() for text in axes.texts] == ["0.500", "0.600", "0.650"]
    assert len(axes.collections) == 1


def test_learning_curve_of_cells_is_a_second_line():
    cells = [{**one, "ap50": one["iou"] - 0.2, "ap50_low_95": 0.1, "ap50_high_95": 0.5} for one in POINTS]
    (axes,) = draw_learning_curve(cells).axes
    assert [line.get_label() for line in axes.lines] == [f"mean {name} of held-out images" for name in ("IoU", "AP50")]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [0.3, 0.4, 0.45])
    assert len(axes.collections) == 2


def test_no_band_without_intervals():
    (axes,) = draw_learning_curve([point(0.5, 0.5, width=None), point(1.0, 0.6, width=None)]).axes
    assert len(axes.collections) == 0


def test_learning_curve_as_png(tmp_path):
    write_png(tmp_path / "curve.png", draw_learning_curve(POINTS))
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (770, 495)
