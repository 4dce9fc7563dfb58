"""The tables: one row per image and movie, one row per frame."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from livecell_monai.outputs.base import LargePrediction, OutputOptions
from livecell_monai.outputs.summary import Summary
from tests.support.predicted import MASKS, frames, image, names, write


def read_table(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_row_of_an_image(tmp_path):
    (row,) = write(Summary(), [image(seconds=0.12345)], tmp_path)
    assert row == {"foreground_fraction": round(MASKS[0].mean(), 6), "seconds": 0.123}
    assert names(tmp_path) == set()


def test_frame_table_and_row_of_a_movie(tmp_path):
    rows = write(Summary(), frames(indices=[1, 2, 4]), tmp_path)
    table = read_table(tmp_path / "cells_frames.csv")
    assert list(table[0]) == ["frame", "time_min", "foreground_fraction", "seconds"]
    assert [int(row["frame"]) for row in table] == [1, 2, 4]
    assert [float(row["time_min"]) for row in table] == [1.5, 3.0, 6.0]
    assert [float(row["foreground_fraction"]) for row in table] == [round(MASKS[index].mean(), 6) for index in (1, 2, 4)]
    assert rows[:2] == [{}, {}]
    assert rows[2] == {
        "foreground_fraction": pytest.approx(np.mean([MASKS[index].mean() for index in (1, 2, 4)]), abs=2e-6),
        "frames": 3,
        "interval_min": 1.5,
        "seconds": 1.5,
    }


def test_frames_without_a_prediction_have_a_row_that_says_why(tmp_path):
    given = frames()
    given[1], given[3] = replace(given[1], problem="dark"), replace(given[3], problem="missing")
    row = write(Summary(), given, tmp_path)[-1]
    assert (row["frames"], row["empty_frames"]) == (3, 1)  # a missing one is allowed
    assert row["foreground_fraction"] == pytest.approx(np.mean([MASKS[index].mean() for index in (0, 2, 4)]), abs=2e-6)
    table = read_table(tmp_path / "cells_frames.csv")
    assert [row["problem"] for row in table] == ["", "dark", "", "missing", ""]
    values = ("foreground_fraction", "seconds")
    assert table[3] == {"frame": "3", "time_min": "4.5", **dict.fromkeys(values, ""), "problem": "missing"}


def test_rows_name_a_model_of_another_tool(tmp_path):
    (row,) = write(Summary(OutputOptions(model="Tiny 1.0")), [image()], tmp_path)
    assert row["model"] == "Tiny 1.0"
    assert "model" not in write(Summary(OutputOptions()), [image()], tmp_path)[0]


def test_rows_say_that_nothing_was_learned(tmp_path):
    """The rows of images, movies and large images; the rows of frames are as they were."""
    output = Summary(OutputOptions(assumed_px=40.0))
    row, own = write(output, [image(), replace(image(), own={"scale": 1.0, "cell_diameter": 30.5})], tmp_path)
    movie = write(output, frames(), tmp_path)[-1]
    other = write(output, [replace(frame, own={"cell_diameter": 12.0}) for frame in frames()], tmp_path)[-1]
    large = output.write_large(LargePrediction("a", tmp_path, 0.5, 1.0), tmp_path)
    large_own = output.write_large(LargePrediction("a", tmp_path, 0.5, 1.0, own={"cell_diameter": 7.0}), tmp_path)
    text = "nothing was learned from these images; cells taken as {} px across"
    assert [each["zero_shot"] for each in (row, movie, large)] == [text.format(40)] * 3
    assert own["zero_shot"] == text.format(30.5)
    assert large_own["zero_shot"] == text.format(7)
    assert other["zero_shot"] == text.format(12)
    assert "zero_shot" not in read_table(tmp_path / "cells_frames.csv")[0]


def test_time_is_empty_without_an_interval(tmp_path):
    assert write(Summary(), frames(interval_min=None), tmp_path)[-1]["interval_min"] is None
    assert {row["time_min"] for row in read_table(tmp_path / "cells_frames.csv")} == {""}


def test_frames_of_a_discarded_movie_are_dropped(tmp_path):
    output = Summary()
    write(output, frames()[:3], tmp_path)
    output.discard()
    write(output, frames(indices=[0, 1], name="other"), tmp_path)
    assert names(tmp_path) == {"other_frames.csv"}
    assert len(read_table(tmp_path / "other_frames.csv")) == 2


def test_row_of_a_large_image(tmp_path):
    row = Summary().write_large(LargePrediction("a", "a.tif", 0.25, 1.5), tmp_path)
    assert row == {"foreground_fraction": 0.25, "seconds": 1.5}


def test_table_of_the_run(tmp_path):
    Summary().finish(tmp_path, [])
    assert names(tmp_path) == set()
    Summary().finish(tmp_path, [{"image": "a", "cells": 1}, {"image": "b", "cells": 2, "frames": 3}])
    assert read_table(tmp_path / "summary.csv")[0] == {"image": "a", "cells": "1", "frames": ""}
