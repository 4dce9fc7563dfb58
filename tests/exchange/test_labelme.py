"""JSON of labelme."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from livecell_monai.errors import DataError
from tests.support.annotated import read_all, to_labels


def shape(kind, points, label="cell", **fields):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}, **fields}


def write_shapes(path, *shapes, **fields):
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": "a.png", "imageData": None, **fields}
    path.write_text(json.dumps({**content, "imageHeight": 6, "imageWidth": 8}))
    return path


def test_shapes(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(np.array([[255, 0], [255, 255]], np.uint8)).save(buffer, "PNG")
    mask = base64.b64encode(buffer.getvalue()).decode()
    shapes = (
        shape("polygon", [[0, 0], [2, 0], [2, 2], [0, 2]]),
        shape("rectangle", [[5, 1], [3, 0]]),
        shape("mask", [[0, 4], [1, 5]], mask=mask),
        shape("point", [[1, 1]]),
        shape("line", [[1, 1], [2, 2]]),
        shape("circle", [[6.5, 4.5], [7.1, 4.5]]),
    )
    (found,) = read_all("labelme", write_shapes(tmp_path / "a.json", *shapes))
    assert (found.name, found.size, found.without_area) == ("a", (6, 8), 2)
    labels, _, _ = to_labels(found, (6, 8))
    expected = np.zeros((6, 8), int)
    expected[:2, :2], expected[0, 3:5], expected[4, 6] = 1, 2, 4
    expected[4, 0] = expected[5, :2] = 3
    assert (labels == expected).all()


def test_a_group_is_one_object(tmp_path):
    parts = [shape("rectangle", [[x, 0], [x + 1, 1]], group_id=group) for x, group in ((0, 4), (2, 4), (4, None))]
    (found,) = read_all("labelme", write_shapes(tmp_path / "a.json", *parts))
    assert to_labels(found, (6, 8))[0][0, :5].tolist() == [1, 0, 1, 0, 2]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (shape("circle", [[0, 0], [1e12, 0]]), "a coordinate must be at most"),
        (shape("polygon", [[0, 0], [1, 0], [1]]), "a position must be two numbers"),
        (shape("mask", [[0, 0], [1, 1]], mask="AAAA"), "a mask is no PNG image"),
        (shape("mask", [[0, 0], [1, 1]], mask="ä"), "a value is not of the kind|base64"),
    ],
)
def test_shapes_without_a_meaning(wrong, reason, tmp_path):
    with pytest.raises(DataError, match=rf"cannot be read as labelme JSON \({reason}"):
        read_all("labelme", write_shapes(tmp_path / "a.json", wrong))
    (found,) = read_all("labelme", write_shapes(tmp_path / "a.json", shape("circle", [[0, 0], [1e8, 0]])))
    assert to_labels(found, (6, 8))[0].all()


@pytest.mark.parametrize("text", ["{", "[]", '{"shapes": [{"shape_type": "polygon"}]}', '{"shapes": [{"points": [[1]]}]}'])
def test_damaged_files(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match="cannot be read as labelme JSON"):
        read_all("labelme", tmp_path / "a.json")
