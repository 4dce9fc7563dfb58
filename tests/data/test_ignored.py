"""Which pixels are not annotated, and how much is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livecell_monai.data.ignored import find_extent, find_ignored, find_labelled, measure_foreground
from livecell_monai.errors import DataError
from livecell_monai.sample import IGNORED, Region

LABEL = Path("labels/a.tif")
PLANE = np.array([[0, 0, 255], [0, 0, 1]], np.uint8)


def test_minus_one_another_value_and_the_ignore_file():
    values = np.array([[-1, 0, 3], [0, 9, 0]], np.int16)
    assert find_ignored(values, LABEL, None, None).tolist() == [[True, False, False], [False, False, False]]
    assert find_ignored(values, LABEL, None, 9).tolist() == [[True, False, False], [False, True, False]]
    assert find_ignored(values, LABEL, (Path("a.tif"), PLANE), None).tolist() == [[True, False, True], [False, False, True]]


def test_unsigned_values_are_never_taken_for_minus_one():
    assert find_ignored(np.array([[65_535, 0]], np.uint16), LABEL, None, None) is None
    assert find_ignored(np.array([[255, 0]], np.uint8), LABEL, None, 300) is None
    assert find_ignored(np.array([[255, 0]], np.uint8), LABEL, None, 255).tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (
            PLANE[:, :2],
            r"ignore/a\.tif: an ignore file must have the size of its label, got 2 x 2 for 2 x 3; export",
        ),
        (PLANE * np.float32(np.nan), r"ignore/a\.tif: an ignore file must hold finite numbers"),
        (PLANE * 0 + 7, r"ignore/a\.tif: a label must have annotated pixels, got none in all 6; annotate a part"),
    ],
)
def test_a_bad_ignore_file_is_one_line(plane, message):
    with pytest.raises(DataError, match=message):
        find_ignored(np.zeros((2, 3), np.uint8), LABEL, (Path("ignore/a.tif"), plane), None)


def test_a_label_without_an_annotated_pixel_is_rejected():
    with pytest.raises(DataError, match=r"labels/a\.tif: a label must have annotated pixels, got none in all 4; annotate"):
        find_ignored(np.full((2, 2), IGNORED), LABEL, None, None)


def test_a_jpeg_is_rejected(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(PLANE).save(path)
    with pytest.raises(DataError, match=r"a\.jpg: an ignore file must not be a JPEG"):
        find_ignored(np.zeros((2, 3), np.uint8), LABEL, (path, PLANE), None)


def test_only_annotated_pixels_are_measured():
    label = np.array([[-1, -1, -1, -1], [-1, 0, 7, -1], [-1, 0, 0, -1]])
    assert measure_foreground(label) == 0.25
    assert find_extent(label) == Region(1, 1, 3, 3)
    assert find_labelled(label).sum() == 4
    assert measure_foreground(np.full((2, 2), -1)) == 0
    assert find_labelled(label[1:, 1:3]) is None
    assert find_extent(label[1:, 1:3]) == Region(0, 0, 2, 2)
