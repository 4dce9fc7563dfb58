"""The picture of a learning curve."""

import numpy as np
import pytest
from PIL import Image

from livecell_monai.report.learning import draw_learning_curve, write_learning_curve


def point(amount, iou, kind="share_of_area", width=0.05):
    ends = (None, None) if width is None else (iou - width, iou + width)
    return {kind: amount, "scored_images": 3, "iou": iou, "low_95": ends[0], "high_95": ends[1]}


POINTS = [point(0.25, 0.5), point(0.5, 0.6), point(1.0, 0.65)]


@pytest.mark.parametrize(("kind", "word"), [("share_of_area", "area"), ("training_images", "images")])
def test_what_is_drawn(kind, word):
    points = [point(amount, iou, kind) for amount, iou in ((1, 0.5), (2, 0.6), (4, 0.65))]
    (axes,) = draw_learning_curve(points).axes
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xydata(), [(1, 0.5), (2, 0.6), (4, 0.65)])
    assert word in axes.get_xlabel()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "4"]
    assert [text.get_text() for text in axes.texts] == ["0.500", "0.600", "0.650"]
    assert len(axes.collections) == 1


def test_no_band_without_intervals():
    (axes,) = draw_learning_curve([point(0.5, 0.5, width=None), point(1.0, 0.6, width=None)]).axes
    assert len(axes.collections) == 0


def test_a_png_on_disk(tmp_path):
    write_learning_curve(tmp_path / "curve.png", POINTS)
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (770, 495)


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="at least one point; got none"):
        draw_learning_curve([])
