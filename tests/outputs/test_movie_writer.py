"""What a movie's frames leave on disk, frame by frame."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.data.readers import close_last, open_stack
from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.movie_writer import Frame, MovieWriter, count_components
from tests.support.stack_files import write_ome_tiff
from tests.support.worlds import picture_of, some_cells

COUNT = 5
MASKS = [some_cells(seed=seed) > 0 for seed in range(COUNT)]
PICTURES = np.stack([picture_of(mask, seed) for seed, mask in enumerate(MASKS)])


@pytest.fixture
def movie(tmp_path):
    """A movie of two channels, of which the second is looked at."""
    folder = tmp_path / "in"
    folder.mkdir()
    yield write_ome_tiff(folder / "cells.ome.tif", np.stack([PICTURES, PICTURES], axis=1), "TCYX")
    close_last()


def frames(movie, indices=range(COUNT), name="cells", total=None):
    total = len(indices) if total is None else total
    return [
        Frame(
            name,
            Path(f"{movie}::t={index},c=1,z=0"),
            index,
            position,
            total,
            (0.25, 0.5),
            MASKS[index],
            MASKS[index] * np.float32(0.75),
            0.5,
        )
        for position, index in enumerate(indices)
    ]


def write(folder, given, **options):
    folder.mkdir(exist_ok=True)
    writer = MovieWriter(folder, **options)
    return writer, [writer.add(frame) for frame in given]


def plot(path, name, rows):
    path.write_text(f"{name} {len(rows)}")


def read_table(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_masks_are_one_stack_that_tells_what_the_source_tells(movie, tmp_path):
    write(tmp_path / "out", frames(movie))
    with open_stack(tmp_path / "out" / "cells.ome.tif") as found, open_stack(movie) as source:
        assert (found.length("T"), found.length("C"), found.shape[-2:]) == (COUNT, 1, source.shape[-2:])
        assert found.pixel_size_um == source.pixel_size_um
        assert found.interval_min == pytest.approx(source.interval_min)
        assert found.channels == ("GFP",)
    stack = tifffile.imread(tmp_path / "out" / "cells.ome.tif")
    np.testing.assert_array_equal(stack, np.stack(MASKS) * np.uint8(255))


def test_the_table_by_frame_and_the_row_of_the_movie(movie, tmp_path):
    _, rows = write(tmp_path / "out", frames(movie, [1, 2, 4]))
    table = read_table(tmp_path / "out" / "cells_frames.csv")
    assert list(table[0]) == ["frame", "time_min", "foreground_fraction", "components", "seconds"]
    assert [int(row["frame"]) for row in table] == [1, 2, 4]
    assert [float(row["time_min"]) for row in table] == [1.5, 3.0, 6.0]
    assert [float(row["foreground_fraction"]) for row in table] == [round(MASKS[index].mean(), 6) for index in (1, 2, 4)]
    assert [int(row["components"]) for row in table] == [5, 5, 5]
    assert rows[:2] == [None, None]
    assert rows[2] == {
        "image": "cells",
        "foreground_fraction": pytest.approx(np.mean([MASKS[index].mean() for index in (1, 2, 4)]), abs=2e-6),
        "components": 5.0,
        "frames": 3,
        "seconds": 1.5,
    }


def test_a_given_interval_stands_over_the_files(movie, tmp_path):
    write(tmp_path / "out", frames(movie), interval_min=20)
    assert [float(row["time_min"]) for row in read_table(tmp_path / "out" / "cells_frames.csv")] == [0, 20, 40, 60, 80]
    with open_stack(tmp_path / "out" / "cells.ome.tif") as stack:
        assert stack.interval_min == pytest.approx(20)


def test_without_an_interval_the_time_is_left_open(tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", PICTURES, metadata={"axes": "TYX"})
    write(tmp_path / "out", frames(tmp_path / "cells.tif"))
    assert {row["time_min"] for row in read_table(tmp_path / "out" / "cells_frames.csv")} == {""}


@pytest.mark.parametrize("interval", [0, -1, np.inf, np.nan, "ten", True])
def test_an_interval_that_is_no_time(tmp_path, interval):
    with pytest.raises(SettingError, match="setting interval_min must be a number above 0 or null, got"):
        MovieWriter(tmp_path, interval_min=interval)


@pytest.mark.parametrize("everything", [False, True])
def test_writes_the_files_that_it_names_and_no_others(movie, tmp_path, everything):
    options = {"with_probability": True, "draw": lambda path, image, mask: path.touch(), "plot": plot} if everything else {}
    writer, _ = write(tmp_path / "out", frames(movie), **options)
    assert names(tmp_path / "out") == {name.format(name="cells") for name in writer.files()}
    assert len(writer.files()) == (7 if everything else 2)


def test_probabilities_are_a_stack_too(movie, tmp_path):
    write(tmp_path / "out", frames(movie), with_probability=True)
    found = tifffile.imread(tmp_path / "out" / "cells_probability.ome.tif")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.stack(MASKS) * np.float32(0.75))


@pytest.mark.parametrize(
    ("count", "shown"), [(2, {"first": 0, "last": 1}), (3, {"first": 0, "middle": 1, "last": 2}), (5, {"middle": 2})]
)
def test_overlays_are_drawn_of_three_frames_over_the_file(movie, tmp_path, count, shown):
    drawn = {}

    def draw(path, image, mask):
        drawn[path.name] = image, mask

    write(tmp_path / "out", frames(movie, range(count)), draw=draw)
    assert len(drawn) == min(count, 3)
    for place, index in shown.items():
        image, mask = drawn[f"cells_overlay_{place}.png"]
        np.testing.assert_array_equal(image, PICTURES[index])
        np.testing.assert_array_equal(mask, MASKS[index])


def test_nothing_has_its_name_before_the_last_frame(movie, tmp_path):
    writer, _ = write(tmp_path / "out", frames(movie)[:-1], with_probability=True, plot=plot)
    assert {name[:9] for name in names(tmp_path / "out")} == {".writing-"}
    writer.discard()
    assert names(tmp_path / "out") == set()


def test_a_movie_that_ends_early_is_dropped_when_the_next_one_comes(movie, tmp_path):
    other = frames(movie, [0, 1], name="other")
    writer, rows = write(tmp_path / "out", [*frames(movie)[:3], *other])
    assert [row and row["image"] for row in rows] == [None] * 4 + ["other"]
    assert names(tmp_path / "out") == {"other.ome.tif", "other_frames.csv"}
    assert writer.movie is None


@pytest.mark.parametrize("missing", [0, 2])
def test_a_movie_that_misses_a_frame_is_dropped(movie, tmp_path, missing):
    given = frames(movie)
    del given[missing]
    _, rows = write(tmp_path / "out", given)
    assert rows == [None] * 4
    assert names(tmp_path / "out") == set()


def test_a_plot_that_cannot_be_written_leaves_no_stack(movie, tmp_path):
    def fail(path, name, rows):
        raise DataError("no room")

    writer, _ = write(tmp_path / "out", frames(movie)[:-1], plot=fail)
    with pytest.raises(DataError, match="no room"):
        writer.add(frames(movie)[-1])
    writer.discard()
    assert names(tmp_path / "out") == set()


def test_cells_that_touch_by_a_corner_are_one_component():
    mask = np.zeros((8, 10), bool)
    mask[2, 3] = mask[3, 4] = mask[7, 9] = True
    assert count_components(mask) == 2
