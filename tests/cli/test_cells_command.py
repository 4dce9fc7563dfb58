"""`livecell predict` with cells: the two options, bundles without the map, movies, channels and planes in depth."""

import csv
import logging

import numpy as np
import pytest
import tifffile

from livecell_monai import Segmenter
from livecell_monai.cells.measure import measure_cells
from livecell_monai.prediction.writers import FALLBACK
from tests.support.commands import livecell, refused
from tests.support.stack_files import NAMES, write_ome_tiff
from tests.support.worlds import picture_of, some_cells

QUIET = ("--set", "show_progress=false")


def rows(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def predicted(*arguments):
    outcome = livecell("predict", *arguments, *QUIET)
    assert outcome.code == 0, outcome
    return outcome


@pytest.mark.parametrize("megapixels", [64, 0.001], ids=["small", "large"])
def test_a_bundle_without_the_map_separates_at_necks_and_says_so_once(trained, tmp_path, caplog, megapixels):
    data, bundle = trained
    options = ("--set", f"tiling_min_megapixels={megapixels}")
    with caplog.at_level(logging.WARNING):
        predicted(bundle, data / "test" / "images", "-o", tmp_path / "plain", *options)
        assert caplog.messages == []
        predicted(bundle, data / "test" / "images", "-o", tmp_path / "out", "--cells", *options)
    assert caplog.messages == [FALLBACK]  # two images
    segment = Segmenter(bundle)
    for image in (data / "test" / "images").iterdir():
        (path,) = (tmp_path / "out").glob(f"{image.stem}_cells*.tif")
        np.testing.assert_array_equal(tifffile.imread(path), segment(image).cells)


def test_cells_are_left_out_of_files_and_columns(separating, tmp_path, caplog):
    data, bundle = separating
    with caplog.at_level(logging.WARNING):
        predicted(bundle, data / "test" / "images", "-o", tmp_path / "with")
        outcome = predicted(bundle, data / "test" / "images", "-o", tmp_path / "without", "--no-cells")
    assert outcome.out == f"{tmp_path / 'without'}: 2 masks and summary.csv\n"
    assert caplog.messages == []
    more, fewer = ({path.name for path in (tmp_path / name).iterdir()} for name in ("with", "without"))
    assert more - fewer == {"cells.csv", "cells.json", "test_00_cells.tif", "test_01_cells.tif"}
    columns, left = (list(rows(tmp_path / name / "summary.csv")[0]) for name in ("with", "without"))
    assert left == [name for name in columns if "cell" not in name and "median" not in name]
    assert len(left) < len(columns)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_last_line_names_the_cells_and_their_table(separating, tmp_path, form):
    data, bundle = separating
    options = ("--set", f"cell_table_format={form}")
    outcome = predicted(bundle, data / "test" / "images", "-o", tmp_path / "out", *options)
    count = sum(int(row["cells"]) for row in rows(tmp_path / "out" / "summary.csv"))
    assert count > 1
    assert outcome.out == f"{tmp_path / 'out'}: 2 masks, {count} cells (cells.{form}) and summary.csv\n"


def test_no_table_of_cells_of_an_earlier_run_stays(separating, tmp_path):
    """It is rejected by --resume and deleted by --overwrite, in either format and without cells."""
    data, bundle = separating
    out = tmp_path / "out"
    call = (bundle, data / "test" / "images" / "test_00.tif", "-o", out)
    forms = {form: ("--set", f"cell_table_format={form}") for form in ("csv", "parquet")}

    def tables():
        return {path.name for path in out.iterdir() if path.stem == "cells"}

    predicted(*call, *forms["csv"])
    refused(livecell("predict", *call, *forms["parquet"], *QUIET), "already exists", "--overwrite")
    refused(livecell("predict", *call, *forms["parquet"], "--resume", *QUIET), "cell_table_format must be csv as in this")
    refused(
        livecell("predict", *call, "--no-cells", "--resume", *QUIET), "cells.csv: a prediction with cells must be", "--cells"
    )
    assert tables() == {"cells.csv", "cells.json"}
    for form in ("parquet", "csv"):
        predicted(*call, *forms[form], "--overwrite")
        assert tables() == {f"cells.{form}", "cells.json"}
    predicted(*call, *forms["csv"], "--resume")
    assert (out / "test_00_cells.tif").exists()
    predicted(*call, "--no-cells", "--overwrite")
    assert tables() == set()
    assert not (out / "test_00_cells.tif").exists()
    (out / "cells.csv").write_text("of someone else\n")
    predicted(*call, "--no-cells", "--overwrite")
    assert tables() == {"cells.csv"}


def test_a_movie_of_channels_and_planes_beside_an_image(separating, tmp_path):
    """The cells of each frame are those of its plane; the table has a frame, and grey values of all channels."""
    data, bundle = separating
    counts = range(3), range(2), range(2)
    planes = np.array(
        [[[picture_of(some_cells(seed=t + 5 * z), 9 * c) for z in counts[2]] for c in counts[1]] for t in counts[0]]
    )
    path = write_ome_tiff(tmp_path / "movie.ome.tif", planes, "TCZYX")
    predicted(bundle, path, "-o", tmp_path / "out", "--channel", NAMES[1], "--z", 1, "--time", "1:3")
    stack = tifffile.imread(tmp_path / "out" / "movie_cells.ome.tif")
    assert stack.shape == (2, *planes.shape[-2:])
    segment, table = Segmenter(bundle), rows(tmp_path / "out" / "cells.csv")
    for position, frame in enumerate((1, 2)):
        np.testing.assert_array_equal(stack[position], segment(planes[frame, 1, 1]).cells)
        own = [row for row in table if row["frame"] == str(frame)]
        images = dict(zip(NAMES, planes[frame, :, 1], strict=True))
        expected = measure_cells(stack[position].astype(np.int32), images)
        assert len(own) == stack[position].max() > 1
        for column in (f"intensity_mean_{name}" for name in NAMES):
            np.testing.assert_allclose([float(row[column]) for row in own], expected[column], rtol=1e-5)
    assert len(table) == stack[0].max() + stack[1].max()

    single = write_ome_tiff(tmp_path / "single.ome.tif", planes[:, 0, 0], "TYX")
    predicted(bundle, data / "test" / "images" / "test_00.tif", single, "-o", tmp_path / "both")
    table = rows(tmp_path / "both" / "cells.csv")
    assert {row["frame"] for row in table if row["image"] == "test_00"} == {""}
    assert {row["frame"] for row in table if row["image"] == "single"} == {"0", "1", "2"}
