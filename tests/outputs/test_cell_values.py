"""Measurements looked up in the table of cells."""

import numpy as np
import pytest
from PIL import Image

from livecell_monai.data.readers import close_last
from livecell_monai.exchange.measurements import to_measurements
from livecell_monai.outputs.base import OutputOptions
from livecell_monai.outputs.cell_values import CellValues
from livecell_monai.outputs.measured import measure_prediction
from livecell_monai.outputs.registry import OutputSet
from tests.support.predicted import MASKS, PICTURES, frames, image, with_cells, write, write_movie


@pytest.fixture
def predicted(tmp_path, monkeypatch):
    """Writes the results of two images and a part of a movie; returns their folder and the predictions by image."""

    def make(**options):
        monkeypatch.chdir(tmp_path)
        write_movie(tmp_path)
        given = {"b": with_cells([image(tmp_path / "b.tif", MASKS[1], "b")]), "cells": with_cells(frames(indices=[2, 3]))}
        given["a"] = with_cells([image(tmp_path / "a.tif")])
        for name in "ab":
            Image.fromarray(PICTURES["ab".index(name)]).save(f"{name}.tif")
        out = tmp_path / "out"
        outputs = OutputSet(["cells", "cell_table", "summary"], OutputOptions(parts=out, **options))
        for predictions in given.values():
            write(outputs, predictions, out)
        outputs.finish(out, [{"image": name} for name in given])
        close_last()
        return out, given

    return make


@pytest.mark.parametrize("options", [{}, {"cell_table_names": "cellprofiler"}, {"cell_table_format": "parquet"}])
def test_they_are_those_that_were_measured(predicted, options):
    """In another order than that of the table, which is read on the way."""
    out, given = predicted(**options)
    values = CellValues(out)
    for name in ("a", "b", "cells"):
        for position, prediction in enumerate(given[name]):
            expected = to_measurements(measure_prediction(prediction, "cell_table_names" in options))
            found = values.find(name, None if name != "cells" else position, prediction.cells)
            assert found.keys() == expected.keys() != set()
            for number, measured in expected.items():
                assert found[number] == pytest.approx(measured, rel=1e-5)
    assert values.find("c", None, given["a"][0].cells) == {}


def test_edited_cells_have_none(predicted):
    out, given = predicted()
    labels = given["a"][0].cells.copy()
    highest = int(labels.max())
    labels[np.unravel_index(np.flatnonzero(labels == 1)[0], labels.shape)] = 0
    labels[0, 0] = highest + 1
    found = CellValues(out).find("a", None, labels)
    assert found.keys() == set(range(2, highest + 1))


def test_a_folder_without_a_table(tmp_path):
    assert CellValues(tmp_path).find("a", None, np.eye(3, dtype=int)) == {}
    (tmp_path / "cells.csv").write_text("image,cell,area_px\na,1,3\n")  # of someone else
    assert CellValues(tmp_path).find("a", None, np.eye(3, dtype=int)) == {}
    assert CellValues(tmp_path / "a.tif").find("a", None, np.eye(3, dtype=int)) == {}
