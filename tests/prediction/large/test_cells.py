"""Cells from training to files, by the command line: a bundle with the map `distance`."""

import csv
import json

import numpy as np
import pytest
import tifffile
import zarr

from livecell_monai import Segmenter
from livecell_monai.cells.measure import measure_cells
from tests.support.commands import livecell


@pytest.fixture
def bundle(separating):
    data, model = separating
    return model, data


def rows(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_label_images_and_their_table(bundle, tmp_path):
    model, data = bundle
    outcome = livecell("predict", model, data / "test" / "images", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome
    segment = Segmenter(model)
    table, summary = rows(tmp_path / "out" / "cells.csv"), rows(tmp_path / "out" / "summary.csv")
    for path, row in zip(sorted((data / "test" / "images").iterdir()), summary, strict=True):
        cells = tifffile.imread(tmp_path / "out" / f"{path.stem}_cells.tif")
        mask = segment(path)
        np.testing.assert_array_equal(cells, mask.cells)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / f"{path.stem}.tif") > 0, mask)
        own = [cell for cell in table if cell["image"] == path.stem]
        assert len(own) == cells.max() == int(row["cells"])
        expected = measure_cells(cells.astype(np.int32), {"": tifffile.imread(path)})
        np.testing.assert_allclose([float(cell["intensity_mean"]) for cell in own], expected["intensity_mean"], rtol=1e-5)


@pytest.mark.parametrize("form", ["tiff", "zarr"])
def test_a_large_image_has_the_same_cells(bundle, tmp_path, form):
    model, data = bundle
    image = np.tile(tifffile.imread(next((data / "test" / "images").iterdir())), (3, 3))
    tifffile.imwrite(tmp_path / "wide.tif", image, tile=(64, 64))
    together = ["--set", "window=[64, 64]"]
    assert livecell("predict", model, tmp_path / "wide.tif", "-o", tmp_path / "small", *together).code == 0
    by_parts = [*together, "--set", "tiling_min_megapixels=0.01", "--set", f"large_image_format={form}"]
    outcome = livecell("predict", model, tmp_path / "wide.tif", "-o", tmp_path / "large", *by_parts)
    assert outcome.code == 0, outcome
    whole = tifffile.imread(tmp_path / "small" / "wide_cells.tif")
    if form == "tiff":
        cells = tifffile.imread(tmp_path / "large" / "wide_cells.ome.tif")
    else:
        group = zarr.open_group(str(tmp_path / "large" / "wide.ome.zarr"), mode="r")
        assert group["labels"].attrs["ome"]["labels"] == ["cells"]
        assert "image-label" in group["labels/cells"].attrs["ome"]
        cells = np.asarray(group["labels/cells/0"])
    assert whole.max() > 0
    np.testing.assert_array_equal(cells, whole)
    one, other = rows(tmp_path / "small" / "cells.csv"), rows(tmp_path / "large" / "cells.csv")
    assert [{name: value for name, value in row.items() if name != "probability_mean"} for row in one] == other
    for name in ("cells", "median_area_px"):
        assert rows(tmp_path / "small" / "summary.csv")[0][name] == rows(tmp_path / "large" / "summary.csv")[0][name]


def test_scores_of_cells(bundle, tmp_path):
    model, data = bundle
    outcome = livecell("evaluate", model, data, "-o", tmp_path / "scores")
    assert outcome.code == 0, outcome
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert 0 <= scores["ap50"]["mean"] <= 1
    assert scores["pooled_count_error"] >= 0
    assert "AP50" in outcome.out
    assert int(rows(tmp_path / "scores" / "scores.csv")[0]["true_cells"]) > 0


def test_an_image_that_cannot_be_read_is_named_as_without_cells(bundle, tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.eye(3, dtype=np.uint8)[np.zeros((64, 64), int)], photometric="rgb")
    outcome = livecell("predict", bundle[0], tmp_path / "rgb.tif", "-o", tmp_path / "out", "--cells")
    assert (outcome.code, outcome.out) == (3, "")
    assert "rgb.tif: an image must be one grey plane, this is RGB" in outcome.err
    assert not (tmp_path / "out").exists()
