"""Label images of cells, and their outlines."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import DataError
from livecell_monai.outputs.cells import CellLabels, outline_cells
from tests.support.cell_worlds import TOUCHING
from tests.support.predicted import frames, image, names, write


def with_cells(prediction, cells):
    return replace(prediction, cells=cells.astype(np.int32), mask=cells > 0)


def test_an_image(tmp_path):
    write(CellLabels(), [with_cells(image(), TOUCHING)], tmp_path)
    (name,) = names(tmp_path)
    assert name.endswith("_cells.tif")
    with tifffile.TiffFile(tmp_path / name) as file:
        assert file.asarray().dtype == np.uint16
        np.testing.assert_array_equal(file.asarray(), TOUCHING)
        assert file.imagej_metadata["unit"] == "um"  # what Fiji shows


def test_more_cells_than_16_bits_hold(tmp_path):
    many = np.arange(300 * 300).reshape(300, 300)
    write(CellLabels(), [with_cells(image(), many)], tmp_path)
    (name,) = names(tmp_path)
    stored = tifffile.imread(tmp_path / name)
    assert stored.dtype == np.uint32
    np.testing.assert_array_equal(stored, many)


def test_a_movie(tmp_path):
    given = [with_cells(frame, TOUCHING * (number >= TOUCHING)) for number, frame in enumerate(frames())]
    write(CellLabels(), given, tmp_path)
    (name,) = names(tmp_path)
    assert name.endswith("_cells.ome.tif")
    stack = tifffile.imread(tmp_path / name)
    assert stack.dtype == np.uint16
    np.testing.assert_array_equal(stack, [frame.cells for frame in given])


def test_a_frame_with_more_cells_than_its_stack_holds(tmp_path):
    first, second = frames()[:2]
    many = np.arange(300 * 300).reshape(300, 300)
    output = CellLabels()
    with pytest.raises(DataError, match="must have at most 65,535 cells if the first one has few, got 89,999"):
        write(output, [with_cells(first, many * 0), with_cells(second, many)], tmp_path)
    output.discard()
    assert not names(tmp_path)


def test_touching_cells_have_an_outline_each():
    outline = outline_cells(TOUCHING)
    rows, columns = np.nonzero((TOUCHING[:, :-1] != TOUCHING[:, 1:]) & (TOUCHING[:, :-1] > 0) & (TOUCHING[:, 1:] > 0))
    assert len(rows)
    assert outline[rows, columns].all()
    assert outline[rows, columns + 1].all()
    assert not outline[20, 20]
    assert not outline[TOUCHING == 0].any()
    assert (outline_cells(TOUCHING, 2) >= outline).all()


def test_a_cell_has_no_outline_at_the_border_of_the_image():
    assert not outline_cells(np.ones((6, 7), int)).any()
