"""Outputs by name, and all outputs of a run: each gets every prediction, and incomplete images leave no files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livecell_monai import plugins
from livecell_monai.data.readers import close_last
from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.base import Files, LargePrediction, Output, OutputOptions
from livecell_monai.outputs.mask import Mask
from livecell_monai.outputs.registry import BUILT_IN, DEFAULT, OutputSet, make_outputs
from livecell_monai.settings import SETTINGS
from tests.support.predicted import MASKS, PICTURES, frames, image, names, with_cells, write, write_movie

OPTIONS = OutputOptions()


@pytest.mark.parametrize("name", BUILT_IN)
def test_file_names_contain_the_image_name(name):
    """Without `{name}`, the next image would overwrite the file."""
    files = make_outputs([name], OPTIONS)[name].files
    assert all("{name}" in pattern for pattern in (*files.image, *files.movie, *(files.large or ())))
    assert files.image or files.movie or files.run
    assert not any("{" in pattern for pattern in files.run)


def test_outputs_write_different_files():
    made = make_outputs(list(BUILT_IN), OPTIONS).values()
    for kind in ("image", "movie", "run"):
        patterns = [pattern for output in made for pattern in getattr(output.files, kind)]
        assert len(patterns) == len(set(patterns))


def test_order_follows_the_names_without_duplicates():
    assert list(make_outputs(["summary", "mask", "summary"], OPTIONS)) == ["summary", "mask"]


@pytest.mark.parametrize(("given", "got"), [(["mask", "outline"], "'outline'"), ([], "none")])
def test_unknown_name_is_rejected_with_the_known_ones(given, got):
    known = ", ".join(BUILT_IN)
    with pytest.raises(SettingError, match=f"outputs must list some of {known}, got {got}; correct it"):
        make_outputs(given, OPTIONS)


def test_the_default_is_that_of_the_bundle():
    assert SETTINGS["outputs"].default == list(DEFAULT)


def test_plugins_add_outputs_but_do_not_replace_built_in_ones(monkeypatch):
    points = [Point("theirs"), Point("mask")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == "livecell_monai.outputs" else [])
    plugins.load_plugins.cache_clear()
    try:
        made = make_outputs(["theirs", "mask"], OPTIONS)
    finally:
        plugins.load_plugins.cache_clear()
    assert made["theirs"] == "made with foreground"
    assert isinstance(made["mask"], Mask)


class Point:
    """An entry point of another package."""

    value, dist = "theirs:Output", None

    def __init__(self, name):
        self.name = name

    def load(self):
        return lambda options: f"made with {options.channels[0]}"


ALL = tuple(BUILT_IN)


@pytest.fixture
def movie(tmp_path):
    yield write_movie(tmp_path / "in")
    close_last()


class Outline(Output):
    """An output of another package: a text file and a column of the table."""

    files = Files(image=("{name}_edge.txt",))

    def write(self, prediction, folder):
        (folder / f"{prediction.name}_edge.txt").write_text(str(prediction.mask.sum()))
        return {"edge_px": int(prediction.mask.sum())}


@pytest.mark.parametrize("chosen", [DEFAULT, ALL, ("summary",), ("overlay", "mask")])
def test_writes_exactly_the_files_that_it_lists(movie, tmp_path, chosen):
    outputs = OutputSet(chosen)
    parts = outputs.list_files("parts")
    write(outputs, with_cells(frames(movie)), tmp_path / "movie")
    assert names(tmp_path / "movie") == {name.format(name="cells") for name in (*outputs.list_files("movie"), *parts)}
    (row,) = write(outputs, with_cells([image(f"{movie}::t=0,c=1,z=0")]), tmp_path / "image")
    assert names(tmp_path / "image") == {name.format(name="a") for name in (*outputs.list_files("image"), *parts)}
    outputs.finish(tmp_path / "image", [row])
    assert names(tmp_path / "image") == {
        name.format(name="a") for name in (*outputs.list_files("image"), *outputs.list_files("run"), *parts)
    }


def test_added_output_adds_a_file_and_a_column(tmp_path, monkeypatch):
    monkeypatch.setitem(BUILT_IN, "edge", lambda options: Outline())
    (row,) = write(OutputSet(["mask", "summary", "edge"]), [image()], tmp_path)
    assert list(row) == ["image", "foreground_fraction", "seconds", "edge_px"]
    assert names(tmp_path) == {"a.tif", "a_edge.txt"}


def test_only_the_last_frame_of_a_movie_returns_a_row(tmp_path):
    rows = write(OutputSet(["mask", "summary"]), frames(), tmp_path)
    assert rows[:-1] == [None] * 4
    assert (rows[-1]["image"], rows[-1]["frames"]) == ("cells", 5)


@pytest.mark.parametrize("missing", [0, 2])
def test_movie_with_a_missing_frame_leaves_no_files(movie, tmp_path, missing):
    given = with_cells(frames(movie))
    del given[missing]
    rows = write(OutputSet(ALL), given, tmp_path / "out")
    assert rows == [None] * 4
    assert names(tmp_path / "out") == set()


def test_incomplete_movie_is_discarded_when_the_next_one_starts(movie, tmp_path):
    outputs = OutputSet(["mask", "summary", "overlay"])
    rows = write(outputs, [*frames(movie)[:3], *frames(movie, [0, 1], name="other")], tmp_path / "out")
    assert [row and row["image"] for row in rows] == [None] * 4 + ["other"]
    assert all(name.startswith("other") for name in names(tmp_path / "out"))


@pytest.mark.parametrize("failing", ["image", "movie"])
def test_failing_output_leaves_no_files_of_the_others(movie, tmp_path, monkeypatch, failing):
    class Failing(Outline):
        def write(self, prediction, folder):
            if prediction.frame is None or prediction.frame.is_last:
                raise DataError("disk full")
            return {}

    monkeypatch.setitem(BUILT_IN, "edge", lambda options: Failing())
    outputs = OutputSet([*ALL, "edge"])
    given = with_cells(frames(movie) if failing == "movie" else [image(f"{movie}::t=0,c=1,z=0")])
    with pytest.raises(DataError, match="disk full"):
        write(outputs, given, tmp_path / "out")
    assert len(names(tmp_path / "out")) >= 3
    outputs.discard()
    assert names(tmp_path / "out") == set()


def test_complete_image_is_not_discarded(tmp_path):
    outputs = OutputSet(["mask"])
    write(outputs, [image()], tmp_path)
    outputs.discard()
    assert names(tmp_path) == {"a.tif"}


class TestLargeImage:
    def test_writes_a_picture_and_returns_a_row(self, tmp_path):
        outputs = OutputSet(["mask", "overlay", "summary"])
        outputs.check_large(tmp_path / "a.tif")
        assert outputs.list_files("large") == ["{name}.ome.tif", "{name}_overlay.png"]
        row = outputs.write_large(LargePrediction("a", "a.tif", 0.25, 1.5, (PICTURES[0], MASKS[0])), tmp_path)
        assert row == {"image": "a", "foreground_fraction": 0.25, "seconds": 1.5}
        with Image.open(tmp_path / "a_overlay.png") as picture:
            assert picture.size == MASKS[0].shape[::-1]

    def test_picture_of_an_earlier_run_is_not_drawn_again(self, tmp_path):
        OutputSet(["mask", "overlay"]).write_large(LargePrediction("a", "a.tif", 0.25, 1.5), tmp_path)
        assert names(tmp_path) == set()

    @pytest.mark.parametrize(
        ("chosen", "words"),
        [
            (["mask", "probability"], "the output probability does not support large images; remove it"),
            (["summary", "overlay"], "must include mask, got summary, overlay; add it"),
        ],
    )
    def test_rejects_unsupported_outputs(self, chosen, words):
        with pytest.raises(SettingError, match=f"^large.tif: .*{words}"):
            OutputSet(chosen).check_large("large.tif")

    def test_movie_plots_are_allowed(self):
        OutputSet(DEFAULT).check_large("large.tif")


def test_results_of_a_run_are_in_words_the_table_of_images_last(movie, tmp_path):
    outputs = OutputSet(ALL)
    (row,) = write(outputs, with_cells([image(f"{movie}::t=0,c=1,z=0")]), tmp_path / "image")
    assert outputs.list_results() == []
    outputs.finish(tmp_path / "image", [])
    assert outputs.list_results() == []
    outputs.finish(tmp_path / "image", [row])
    cells, table = outputs.list_results()
    assert cells.endswith(" (cells.csv)")
    assert table == "summary.csv"


def test_maps_are_kept_only_if_they_are_written():
    assert not OutputSet(DEFAULT).needs_maps
    assert OutputSet(["mask", "probability"]).needs_maps
    assert np.all(MASKS[0] == (image().maps["foreground"] > 0))


@pytest.mark.parametrize("given", ["image", "movie"])
def test_cells_of_an_earlier_run_are_deleted_by_one_without_cells(given, tmp_path, monkeypatch):
    """Those of its own images, and only if the earlier run has left its table: other files may be of someone else."""
    monkeypatch.chdir(tmp_path)
    write_movie(tmp_path)
    Image.fromarray(PICTURES[0]).save("a.tif")
    predictions, name = ([image(Path("a.tif"))], "a") if given == "image" else (frames(), "cells")
    out = tmp_path / "out"
    out.mkdir()
    earlier = OutputSet(["cells", "cell_table", "summary"], OutputOptions(parts=out))
    assert write(earlier, with_cells(predictions), out)[-1] is not None
    without = OutputSet(["mask", "summary"])
    labels = f"{name}_cells.tif" if given == "image" else f"{name}_cells.ome.tif"
    others = {"b_cells.tif", "other.txt"}
    for other in others:
        (out / other).touch()
    without.remove_earlier(out, {name})
    assert names(out) >= {labels, *others}  # no table yet
    earlier.finish(out, [{"image": name}])
    without.remove_earlier(out, {name, f"{name}_cells"})  # an image of this run has the name
    assert labels in names(out)
    earlier.finish(out, [{"image": name}])
    OutputSet(["cells", "cell_table"]).remove_earlier(out, {name})
    assert names(out) >= {labels, "cells.csv", "cells.json"}
    without.remove_earlier(out, {name})
    assert not names(out) & {labels, "cells.csv", "cells.json"}
    assert names(out) >= others
    close_last()
