"""Cells in the formats of other programs, written with a prediction."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livecell_monai.data.readers import close_last
from livecell_monai.exchange.registry import FORMATS
from livecell_monai.outputs.base import OutputOptions
from livecell_monai.outputs.exchanged import EXCHANGED
from livecell_monai.outputs.registry import OutputSet
from tests.support.annotated import read_all, to_labels
from tests.support.predicted import PICTURES, frames, image, names, with_cells, write, write_movie


@pytest.fixture(autouse=True)
def sources(tmp_path_factory, monkeypatch):
    """The files that the predictions are of."""
    folder = tmp_path_factory.mktemp("sources")
    write_movie(folder)
    Image.fromarray(PICTURES[0]).save(folder / "a.tif")
    monkeypatch.chdir(folder)
    yield
    close_last()


@pytest.mark.parametrize("name", EXCHANGED)
def test_an_image(name, tmp_path):
    (given,) = with_cells([image(Path("a.tif"))])
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
    outputs.write(with_cells([image(Path("a.tif"))])[0], tmp_path)
    assert names(tmp_path) == {name.format(name="a") for name in outputs.list_files("image")}
    assert len(names(tmp_path)) == 1 + len(EXCHANGED)


@pytest.mark.parametrize("scheme", ["livecell", "cellprofiler"])
def test_geojson_has_the_measurements_of_the_table(scheme, tmp_path):
    """Of a frame that could not be predicted, there are none."""
    output = EXCHANGED["geojson"](OutputOptions(cell_table_names=scheme))
    assert output.needs_maps
    assert not EXCHANGED["roi"]().needs_maps
    given = with_cells(frames(indices=[1, 2]))
    given[0] = replace(given[0], cells=given[0].cells * 0, problem="unreadable")
    write(output, given, tmp_path)
    features = json.loads((tmp_path / "cells.geojson").read_text())["features"]
    assert len(features) == given[1].cells.max() > 1
    area = "Area µm^2" if scheme == "livecell" else "AreaShape_Area"
    for feature in features:
        assert feature["properties"]["measurements"][area] > 0
        assert all(np.isfinite(list(feature["properties"]["measurements"].values())))
