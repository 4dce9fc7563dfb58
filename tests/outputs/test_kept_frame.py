"""Frames that another process writes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livecell_monai.outputs.base import Frame, Prediction
from livecell_monai.outputs.kept_frame import keep_frame, read_frame

PLANE = np.arange(12).reshape(3, 4)
FULL = Prediction(
    name="movie",
    source=Path("a/movie.tif"),
    mask=PLANE > 5,
    maps={"foreground": (PLANE / 12).astype(np.float32), "distance": np.zeros((3, 4), np.float32)},
    pixel_size_um=(0.65, 0.7),
    seconds=0.25,
    frame=Frame(3, 1, 4, 15.0, "phase µ"),
    cells=(PLANE // 6).astype(np.int32),
    problem=None,
    own={"cell_diameter": 21.5},
)
BARE = replace(FULL, own={}, maps={}, pixel_size_um=None, cells=None, problem="it cannot be read", frame=Frame(0, 0, 1))


@pytest.mark.parametrize("prediction", [FULL, BARE, replace(FULL, frame=None)])
def test_comes_back_as_it_was(tmp_path, prediction):
    path = tmp_path / "movie.1"
    keep_frame(path, prediction)
    found = read_frame(path)
    for name in ("name", "source", "pixel_size_um", "seconds", "frame", "problem", "own"):
        assert getattr(found, name) == getattr(prediction, name)
    assert list(found.maps) == list(prediction.maps)
    for one, other in zip([found.mask, *found.maps.values()], [prediction.mask, *prediction.maps.values()], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert (found.cells is None) == (prediction.cells is None)
    if prediction.cells is not None:
        np.testing.assert_array_equal(found.cells, prediction.cells)
        assert found.cells.dtype == np.int32


def test_a_pickle_is_not_read(tmp_path):
    np.save(tmp_path / "bad.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        read_frame(tmp_path / "bad.npy")
