"""Cells from training to files, by the command line: a bundle with the map `distance`."""

import csv
import json

import numpy as np
import pandas
import pytest
import tifffile
import zarr

from livecell_monai import Segmenter
from livecell_monai.cells.measure import measure_cells
from livecell_monai.data.large import LargeImageSource
from livecell_monai.data.readers import open_stack
from livecell_monai.prediction.large.cells import list_channels
from livecell_monai.sample import Region
from tests.support.commands import livecell, refused


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


def test_channels_of_one_file_are_read_in_turn(tmp_path):
    planes = np.random.default_rng(0).integers(0, 9, (2, 70, 80)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, metadata={"axes": "CYX"})
    with open_stack(tmp_path / "a.ome.tif") as stack:
        source = LargeImageSource(stack)
        channels = list(list_channels(source).values())
        assert [channel.plane["channel"] for channel in channels] == [0, 1]
        assert channels[0].lock is channels[1].lock is source.lock
        np.testing.assert_array_equal(channels[1].read(Region(0, 0, 70, 80)), planes[1])


@pytest.mark.parametrize(("form", "names"), [("tiff", "livecell"), ("zarr", "livecell"), ("tiff", "cellprofiler")])
def test_a_large_image_has_the_same_cells(bundle, tmp_path, form, names):
    model, data = bundle
    image = np.tile(tifffile.imread(next((data / "test" / "images").iterdir())), (3, 3))
    tifffile.imwrite(tmp_path / "wide.tif", image, tile=(64, 64))
    together = ["--set", "window=[64, 64]", "--set", f"cell_table_names={names}"]
    assert livecell("predict", model, tmp_path / "wide.tif", "-o", tmp_path / "small", *together).code == 0
    by_parts = [*together, "--set", "tiling_min_megapixels=0.01", "--set", f"large_image_format={form}"]
    outcome = livecell("predict", model, tmp_path / "wide.tif", "-o", tmp_path / "large", *by_parts)
    assert outcome.code == 0, outcome
    whole = tifffile.imread(tmp_path / "small" / "wide_cells.tif")
    if form == "tiff":
        cells = tifffile.imread(tmp_path / "large" / "wide_cells.ome.tif")
        assert cells.dtype == whole.dtype == np.uint16
    else:
        group = zarr.open_group(str(tmp_path / "large" / "wide.ome.zarr"), mode="r")
        assert group["labels"].attrs["ome"]["labels"] == ["cells"]
        assert "image-label" in group["labels/cells"].attrs["ome"]
        cells = np.asarray(group["labels/cells/0"])
    assert whole.max() > 0
    np.testing.assert_array_equal(cells, whole)
    one, other = rows(tmp_path / "small" / "cells.csv"), rows(tmp_path / "large" / "cells.csv")
    assert one == other
    assert all(0.5 <= float(row["probability_mean"]) <= 1 for row in one)
    for name in ("cells", "median_area_px"):
        assert rows(tmp_path / "small" / "summary.csv")[0][name] == rows(tmp_path / "large" / "summary.csv")[0][name]


def test_parquet_resumed_has_the_table_of_one_run_in_csv(bundle, tmp_path):
    """An image that is added to a finished run, and one that was large in it."""
    model, data = bundle
    images = sorted((data / "test" / "images").iterdir())
    wide = np.tile(tifffile.imread(images[0]), (2, 2))
    tifffile.imwrite(tmp_path / "wide.tif", wide, tile=(64, 64))
    by_size = ["--set", f"tiling_min_megapixels={(wide.size - 1) / 1e6}", "--set", "window=[64, 64]"]
    given = ("predict", model, *by_size, "-o")
    assert livecell(*given, tmp_path / "csv", *images, tmp_path / "wide.tif").code == 0
    typed = ["--set", "cell_table_format=parquet"]
    assert livecell(*given, tmp_path / "parquet", images[1], tmp_path / "wide.tif", *typed).code == 0
    outcome = livecell(*given, tmp_path / "parquet", *images, tmp_path / "wide.tif", *typed, "--resume")
    assert outcome.code == 0, outcome
    plain, other = (
        pandas.read_csv(tmp_path / "csv" / "cells.csv"),
        pandas.read_parquet(tmp_path / "parquet" / "cells.parquet"),
    )
    assert plain["image"].nunique() == 3
    pandas.testing.assert_frame_equal(plain, other, check_dtype=False)
    assert not (tmp_path / "parquet" / "cells.csv").exists()
    again = livecell(*given, tmp_path / "parquet", tmp_path / "wide.tif", *typed, "--resume")
    assert ": 1 mask, " in again.out


def test_a_finished_run_is_not_resumed_with_other_names_of_columns(bundle, tmp_path):
    model, data = bundle
    images = sorted((data / "test" / "images").iterdir())
    assert livecell("predict", model, images[0], "-o", tmp_path / "out").code == 0
    before = (tmp_path / "out" / "cells.csv").read_bytes()
    given = ("predict", model, *images, "-o", tmp_path / "out", "--set", "cell_table_names=cellprofiler")
    refused(livecell(*given, "--resume"), "cells.csv: setting cell_table_names must be livecell as in this table")
    assert (tmp_path / "out" / "cells.csv").read_bytes() == before
    assert livecell(*given, "--overwrite").code == 0
    assert rows(tmp_path / "out" / "cells.csv")[0]["ImageNumber"] == "1"


@pytest.mark.parametrize(("most", "file"), [(64.0, "field_cells.tif"), (0.0001, "field_cells.ome.tif")])
def test_an_image_with_the_name_of_the_cells_of_another(bundle, tmp_path, most, file):
    """Both small, or both large: nothing is written; without cells their files differ."""
    model, data = bundle
    image = tifffile.imread(next((data / "test" / "images").iterdir()))
    for name in ("field", "field_cells"):
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    images = sorted(tmp_path.glob("field*.tif"))
    given = ("predict", model, *images, "-o", tmp_path / "out", "--set", f"tiling_min_megapixels={most}")
    refused(livecell(*given), f"{file}: field_cells and field have the same result file; rename one of them")
    assert not (tmp_path / "out").exists()
    assert livecell(*given, "--no-cells").code == 0


def test_a_movie_with_the_name_of_the_cells_of_a_large_image(bundle, tmp_path):
    model, data = bundle
    image = tifffile.imread(next((data / "test" / "images").iterdir()))
    tifffile.imwrite(tmp_path / "field.tif", image)
    tifffile.imwrite(tmp_path / "field_cells.tif", np.stack([image] * 2), metadata={"axes": "TYX"}, imagej=True)
    given = ("predict", model, *sorted(tmp_path.glob("field*.tif")), "-o", tmp_path / "out")
    refused(
        livecell(*given, "--set", "tiling_min_megapixels=0.0001"),
        "field_cells.ome.tif: field and field_cells have the same result file",
    )
    assert not (tmp_path / "out").exists()
    assert livecell(*given).code == 0


@pytest.mark.parametrize("kind", ["image", "movie", "large"])
def test_an_image_without_cells(bundle, tmp_path, kind):
    model, data = bundle
    image = tifffile.imread(next((data / "test" / "images").iterdir()))
    if kind == "movie":
        tifffile.imwrite(tmp_path / "field.tif", np.stack([image] * 3), metadata={"axes": "TYX"}, imagej=True)
    else:
        tifffile.imwrite(tmp_path / "field.tif", image)
    settings = {"threshold": 0.999999, "tiling_min_megapixels": 0.0001 if kind == "large" else 64.0}
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    outcome = livecell("predict", model, tmp_path / "field.tif", "-o", tmp_path / "out", *given)
    assert outcome.code == 0, outcome
    out = tmp_path / "out"
    cells = tifffile.imread(out / ("field_cells.tif" if kind == "image" else "field_cells.ome.tif"))
    assert cells.shape == ((3, *image.shape) if kind == "movie" else image.shape)
    assert not cells.any()
    (header,) = (out / "cells.csv").read_text().splitlines()
    assert header.startswith("image,frame,time_min,cell," if kind == "movie" else "image,cell,centroid_y_px,")
    assert "probability_mean" in header
    (row,) = rows(out / "summary.csv")
    assert (float(row["cells"]), float(row["cells_per_mm2"] or 0), row["median_area_px"]) == (0, 0, "")
    if kind == "movie":
        assert {row["cells"] for row in rows(out / "field_frames.csv")} == {"0"}
    assert json.loads((out / "cells.json").read_text())["pixel_sizes"] == []


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
