import csv

import pytest
from PIL import Image

from livecell_monai.metrics import score_mask
from livecell_monai.report.training import write_figures
from tests.support.page_facts import page_facts, predicted


def facts(**changes):
    whole = vars(page_facts(**changes))
    return {name: value for name, value in whole.items() if name != "predictions"}


def test_a_training_leaves_curves_validation_images_scores_and_a_page(tmp_path):
    images = [predicted("b <i>", "validation", 3), predicted("a", "validation", 9, seed=1), predicted("new", labelled=False)]
    write_figures(tmp_path, predictions=iter(images), **facts())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "report.html", "scores.csv", "validation.png"]
    with Image.open(tmp_path / "validation.png") as picture:
        assert picture.width > 2 * 112  # image and overlay side by side
        assert picture.height > 2 * 96  # of both images that have a truth
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "b &lt;i&gt;" in page
    assert "<b>new</b>" in page

    with open(tmp_path / "scores.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    columns = ["image", "iou", "dice", "accuracy", "precision", "recall", "surface_dice", "tp", "fp", "fn", "tn"]
    assert [list(row) for row in rows] == [columns, columns]
    assert [row["image"] for row in rows] == ["a", "b <i>"]
    scores = score_mask(images[1].mask, images[1].truth)
    assert float(rows[0]["iou"]) == pytest.approx(scores.iou)
    assert [int(rows[0][count]) for count in ("tp", "fp", "fn", "tn")] == [scores.tp, scores.fp, scores.fn, scores.tn]
