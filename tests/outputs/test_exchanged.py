"""Cells in the formats of other programs, written with a prediction."""

import numpy as np
import pytest

from livecell_monai.exchange.registry import FORMATS
from livecell_monai.outputs.exchanged import EXCHANGED
from livecell_monai.outputs.registry import OutputSet
from tests.support.annotated import read_all, to_labels
from tests.support.predicted import frames, image, names, with_cells, write


@pytest.mark.parametrize("name", EXCHANGED)
def test_an_image(name, tmp_path):
    (given,) = with_cells([image()])
    write(EXCHANGED[name](), [given], tmp_path)
    assert names(tmp_path) == {FORMATS[name].target.format(name="a")}
    (found,) = read_all(name, next(tmp_path.iterdir()))
    np.testing.assert_array_equal(to_labels(found, given.cells.shape)[0], given.cells)
    assert given.cells.max() > 1


@pytest.mark.parametrize("name", EXCHANGED)
def test_frames_of_a_movie(name, tmp_path):
    given = with_cells(frames(indices=[1, 2, 3]))
    output = EXCHANGED[name]()
    write(output, given[:2], tmp_path)
    assert all(each.startswith(".writing-") for each in names(tmp_path))
    write(output, given[2:], tmp_path)
    assert names(tmp_path) == {FORMATS[name].target.format(name="cells")}
    found = read_all(name, next(tmp_path.iterdir()), ["cells"])
    assert [each.frame for each in found] == ([0, 1, 2] if name.startswith("omezarr") else [1, 2, 3])
    for each, frame in zip(found, given, strict=True):
        np.testing.assert_array_equal(to_labels(each, frame.cells.shape)[0] > 0, frame.cells > 0)


@pytest.mark.parametrize("name", EXCHANGED)
def test_an_incomplete_movie_leaves_nothing(name, tmp_path):
    output = EXCHANGED[name]()
    write(output, with_cells(frames())[:2], tmp_path)
    assert names(tmp_path)
    output.discard()
    output.discard()
    assert not names(tmp_path)
    write(output, with_cells(frames()), tmp_path)
    write(output, with_cells(frames()), tmp_path)  # again, after another output has failed
    assert len(names(tmp_path)) == 1


def test_all_formats_of_one_prediction(tmp_path):
    outputs = OutputSet(["mask", *EXCHANGED])
    assert outputs.needs_cells
    outputs.write(with_cells([image()])[0], tmp_path)
    assert names(tmp_path) == {name.format(name="a") for name in outputs.list_files("image")}
    assert len(names(tmp_path)) == 1 + len(EXCHANGED)
