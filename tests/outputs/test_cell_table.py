"""The table of cells of a run."""

import csv
import json
from dataclasses import replace

import numpy as np
import pandas
import pytest
import tifffile

from livecell_monai.cells.measure import measure_cells
from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.base import LargePrediction, OutputOptions
from livecell_monai.outputs.cell_table import CellTable, check_without_cells, find_table, remove_table
from tests.support.cell_worlds import TOUCHING
from tests.support.predicted import frames, image

GREY = np.random.default_rng(0).integers(0, 60_000, TOUCHING.shape).astype(np.uint16)
SCHEMES = {"livecell": ("livecell", "cellprofiler"), "cellprofiler": ("cellprofiler", "livecell")}


def read(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def table(tmp_path):
    (tmp_path / "parts").mkdir()
    return CellTable(OutputOptions(parts=tmp_path / "parts"))


def predict(table, tmp_path, name="a", cells=TOUCHING, **changes):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, GREY)
    maps = {"foreground": np.full(cells.shape, 0.75, np.float32)}
    plain = replace(image(), name=name, source=path, cells=cells.astype(np.int32), mask=cells > 0, maps=maps)
    table.write(replace(plain, **changes), tmp_path / "parts")


def test_one_row_a_cell_with_the_values_of_the_original_image(table, tmp_path):
    predict(table, tmp_path, pixel_size_um=(0.5, 0.5))
    predict(table, tmp_path, "none", TOUCHING * 0)
    assert table.result == ""
    table.finish(tmp_path, [{"image": "a"}, {"image": "none"}])
    assert table.result == "4 cells (cells.csv)"
    rows = read(tmp_path / "cells.csv")
    assert [(row["image"], row["cell"]) for row in rows] == [("a", str(number)) for number in range(1, 5)]
    expected = measure_cells(TOUCHING.astype(np.int32), {"": GREY})
    for name in ("area_px", "intensity_mean", "centroid_y_px", "feret_px"):
        np.testing.assert_allclose([float(row[name]) for row in rows], expected[name], rtol=1e-5)
    assert float(rows[0]["area_um2"]) == float(rows[0]["area_px"]) / 4
    assert {row["probability_mean"] for row in rows} == {f"{191 / 255:.6g}"}  # 0.75 in steps of 1 / 255


def test_without_a_pixel_size_columns_in_um_are_there_and_empty(table, tmp_path):
    predict(table, tmp_path, pixel_size_um=None)
    table.finish(tmp_path, [{"image": "a"}])
    rows = read(tmp_path / "cells.csv")
    in_um = [name for name in rows[0] if name.endswith(("_um", "_um2"))]
    assert len(in_um) == 10
    assert {row[name] for row in rows for name in in_um} == {""}
    assert all(row[name] for row in rows for name in rows[0] if name.endswith("_px"))


@pytest.mark.parametrize("names", ["livecell", "cellprofiler"])
def test_the_columns_are_described_beside_the_table(tmp_path, names):
    (tmp_path / "parts").mkdir()
    table = CellTable(OutputOptions(parts=tmp_path / "parts", cell_table_names=names))
    for name, size in (("a", (0.5, 0.25)), ("b", None), ("c", (0.5, 0.25))):
        predict(table, tmp_path, name, pixel_size_um=size)
    predict(table, tmp_path, "none", TOUCHING * 0)
    table.finish(tmp_path, [{"image": name} for name in ("a", "b", "c", "none")])
    facts = json.loads((tmp_path / "cells.json").read_text(encoding="utf-8"))
    assert (facts["table"], facts["column_names"]) == ("cells.csv", names)
    assert facts["pixel_sizes"] == [
        {"y_um": 0.5, "x_um": 0.25, "images": ["a", "c"]},
        {"y_um": None, "x_um": None, "images": ["b"]},
    ]
    assert list(facts["columns"]) == list(read(tmp_path / "cells.csv")[0])
    assert all(column["description"] for column in facts["columns"].values())
    area = facts["columns"]["area_um2"]
    assert area == {"type": "number", "unit": "µm²", "description": "Number of pixels. In µm², by the size of a pixel."}
    assert facts["columns"]["eccentricity" if names == "livecell" else "AreaShape_Eccentricity"]["unit"] is None


def test_frames_of_a_movie(table, tmp_path):
    for number, frame in enumerate(frames()):
        problem = "dark" if number == 1 else None
        predict(table, tmp_path, "movie", frame=frame.frame, problem=problem)
    table.finish(tmp_path, [{"image": "movie"}])
    rows = read(tmp_path / "cells.csv")
    assert [int(row["frame"]) for row in rows] == [number for number in (0, 2, 3, 4) for _ in range(4)]
    assert rows[4]["time_min"] == "3"


def test_rows_of_an_earlier_run_are_kept_and_those_of_other_images_dropped(table, tmp_path):
    predict(table, tmp_path, "old")
    predict(table, tmp_path, "gone")
    table.finish(tmp_path, [{"image": "old"}, {"image": "gone"}])
    later = CellTable(OutputOptions(parts=tmp_path / "later"))
    (tmp_path / "later").mkdir()
    later.finish(tmp_path, [{"image": "old"}])
    assert {row["image"] for row in read(tmp_path / "cells.csv")} == {"old"}


def test_frames_of_a_discarded_movie_are_dropped(table, tmp_path):
    predict(table, tmp_path, "movie", frame=frames()[0].frame)
    table.discard()
    predict(table, tmp_path, "b")
    table.finish(tmp_path, [{"image": "b"}])
    assert {row["image"] for row in read(tmp_path / "cells.csv")} == {"b"}


def test_a_large_image_without_cells_has_no_rows_of_an_earlier_run(table, tmp_path):
    columns = measure_cells(TOUCHING.astype(np.int32), {"": GREY})
    wide = LargePrediction("wide", tmp_path / "wide.tif", 0.5, 1.0, cells=columns)
    table.write_large(wide, tmp_path)
    table.finish(tmp_path, [{"image": "wide"}])
    assert len(read(tmp_path / "cells.csv")) == 4
    later = CellTable(OutputOptions(parts=tmp_path / "parts"))
    later.write_large(replace(wide, cells={name: column[:0] for name, column in columns.items()}), tmp_path)
    later.finish(tmp_path, [{"image": "wide"}])
    assert read(tmp_path / "cells.csv") == []


def test_a_finished_large_image_needs_the_table_of_the_earlier_run(table, tmp_path):
    done = LargePrediction("wide", tmp_path / "wide.tif", 0.5, 1.0, cells={"area_px": np.array([3])})
    with pytest.raises(DataError, match=r"cells\.csv: must have the cells of wide, no such file; predict the image again"):
        table.write_large(done, tmp_path)


def test_parquet_has_the_table_of_csv(tmp_path):
    """Of an image, a movie, a large image and an image of an earlier run, whatever came first."""
    (tmp_path / "parts").mkdir()
    names = [{"image": name} for name in ("a", "earlier", "later", "movie", "wide")]
    found = {}
    for form, read_table in (("csv", pandas.read_csv), ("parquet", pandas.read_parquet)):
        options = OutputOptions(parts=tmp_path / "parts", cell_table_format=form)
        first = CellTable(options)
        predict(first, tmp_path, "later")
        predict(first, tmp_path, "earlier", pixel_size_um=(0.5, 0.25))
        first.finish(tmp_path, [{"image": "later"}, {"image": "earlier"}])
        for name in ("later", "earlier"):
            (tmp_path / "parts" / f"{name}_cells_part.csv").unlink()
        second = CellTable(options)
        predict(second, tmp_path)
        for frame in frames():
            predict(second, tmp_path, "movie", frame=frame.frame)
        columns = measure_cells(TOUCHING.astype(np.int32), {"": GREY})
        second.write_large(LargePrediction("wide", tmp_path / "wide.tif", 0.5, 1.0, cells=columns), tmp_path)
        second.finish(tmp_path, names)
        found[form] = read_table(tmp_path / f"cells.{form}")
    plain, typed = found["csv"], found["parquet"]
    assert plain["image"].unique().tolist() == [name["image"] for name in names]
    assert len(plain) == 4 * (4 + 5)
    assert list(plain)[:4] == ["image", "frame", "time_min", "cell"]
    pandas.testing.assert_frame_equal(plain, typed, check_dtype=False)
    assert typed["touches_border"].dtype == bool
    assert typed["area_px"].dtype == int
    assert typed["area_um2"].dtype == float


def test_names_of_cellprofiler(tmp_path):
    """Each image and each frame has a number, and each row one of its own in it, also beside those of an earlier run."""
    (tmp_path / "parts").mkdir()
    options = OutputOptions(parts=tmp_path / "parts", cell_table_names="cellprofiler")
    first = CellTable(options)
    predict(first, tmp_path, "a")
    first.finish(tmp_path, [{"image": "a"}])
    (tmp_path / "parts" / "a_cells_part.csv").unlink()
    second = CellTable(options)
    second.check_earlier(tmp_path)
    for frame in frames():
        predict(second, tmp_path, "movie", frame=frame.frame)
    columns = measure_cells(TOUCHING.astype(np.int32), {"": GREY}, as_cellprofiler=True)
    second.write_large(LargePrediction("wide", tmp_path / "wide.tif", 0.5, 1.0, cells=columns), tmp_path)
    second.finish(tmp_path, [{"image": "movie"}, {"image": "a"}, {"image": "wide"}])
    table = pandas.read_csv(tmp_path / "cells.csv")
    assert list(table)[:5] == ["ImageNumber", "image", "frame", "time_min", "ObjectNumber"]
    assert table["ImageNumber"].tolist() == [number for number in range(1, 8) for _ in range(4)]
    assert not table.duplicated(["ImageNumber", "ObjectNumber"]).any()
    assert table["image"].tolist()[-8:] == ["a"] * 4 + ["wide"] * 4
    assert {"AreaShape_Area", "Intensity_MeanIntensity_Image", "probability_mean", "area_um2"} < set(table)
    assert (table["Intensity_MaxIntensity_Image"] <= 1).all()
    assert not {"cell", "area_px", "form_factor"} & set(table)


@pytest.mark.parametrize("names", ["livecell", "cellprofiler"])
def test_an_earlier_table_with_other_names(tmp_path, names):
    (tmp_path / "parts").mkdir()
    one, other = (CellTable(OutputOptions(parts=tmp_path / "parts", cell_table_names=each)) for each in SCHEMES[names])
    other.check_earlier(tmp_path)
    predict(one, tmp_path)
    one.finish(tmp_path, [{"image": "a"}])
    one.check_earlier(tmp_path)
    with pytest.raises(SettingError, match=rf"cells\.csv: setting cell_table_names must be {names} as in this table, got"):
        other.check_earlier(tmp_path)


@pytest.mark.parametrize(("form", "other"), [("csv", "parquet"), ("parquet", "csv")])
def test_an_earlier_table_in_the_other_format(tmp_path, form, other):
    (tmp_path / "parts").mkdir()
    one, two = (CellTable(OutputOptions(parts=tmp_path / "parts", cell_table_format=each)) for each in (form, other))
    two.check_earlier(tmp_path)
    predict(one, tmp_path)
    one.finish(tmp_path, [{"image": "a"}])
    one.check_earlier(tmp_path)
    with pytest.raises(
        SettingError, match=rf"cells\.{form}: setting cell_table_format must be {form} .*, got {other}; corr"
    ):
        two.check_earlier(tmp_path)
    two.finish(tmp_path, [{"image": "a"}])
    assert find_table(tmp_path) == tmp_path / f"cells.{other}"
    assert not (tmp_path / f"cells.{form}").exists()


def test_an_earlier_table_without_a_table_now(table, tmp_path):
    check_without_cells(tmp_path)
    (tmp_path / "cells.csv").write_text("of someone else\n")
    check_without_cells(tmp_path)
    remove_table(tmp_path)
    assert (tmp_path / "cells.csv").exists()
    predict(table, tmp_path)
    table.finish(tmp_path, [{"image": "a"}])
    with pytest.raises(SettingError, match=r"cells\.csv: a prediction with cells must be continued with cells; use --cells"):
        check_without_cells(tmp_path)
    remove_table(tmp_path)
    assert not list(tmp_path.glob("cells.*"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"table": 3}', '{"table": "../a.csv"}', '{"table": "cells.parquet"}'])
def test_only_a_table_that_its_description_names_is_ours(tmp_path, text):
    for name in ("cells.csv", "a.csv"):
        (tmp_path / name).touch()
    (tmp_path / "cells.json").write_text(text)
    assert find_table(tmp_path) is None


def test_a_run_without_a_cell_has_the_header_of_one_with_cells(table, tmp_path):
    predict(table, tmp_path, "none", TOUCHING * 0)
    table.finish(tmp_path, [{"image": "none"}])
    without = (tmp_path / "cells.csv").read_text()
    predict(table, tmp_path)
    table.finish(tmp_path, [{"image": "a"}])
    assert without == (tmp_path / "cells.csv").read_text().splitlines()[0] + "\n"


@pytest.mark.parametrize(("cells", "result"), [(TOUCHING == 1, "1 cell (cells.csv)"), (TOUCHING < 0, "0 cells (cells.csv)")])
def test_counts_the_cells(table, tmp_path, cells, result):
    predict(table, tmp_path, cells=cells)
    table.finish(tmp_path, [{"image": "a"}])
    assert table.result == result


def test_a_run_without_an_image_writes_no_table(table, tmp_path):
    table.finish(tmp_path / "never made", [])
    assert not (tmp_path / "never made").exists()
