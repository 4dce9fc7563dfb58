"""`livecell sample --movie`: what it writes and prints, and one line for each option that makes no movie."""

import pytest

from livecell_monai.data.samples.synthetic import draw_field
from tests.support.commands import livecell, refused

TINY = ("--movie", "--frames", 3, "--size", 128, "--train", 1, "--test", 1)


def test_a_movie_is_written_and_described(tmp_path):
    outcome = livecell("sample", tmp_path / "cells", *TINY, "--interval", 15, "--doubling", 12, "--seed", 4)
    assert (outcome.code, outcome.err) == (0, "")
    (line,) = outcome.out.splitlines()
    assert "a movie of 3 frames of 128 x 128 pixels, 15 min apart" in line
    assert {path.name for path in (tmp_path / "cells").iterdir()} == {"movie.ome.tif", "test", "train", "truth"}
    checked = livecell("check", tmp_path / "cells")
    assert checked.code == 0, checked


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--frames", 0), "--frames: a sample movie needs at least 2, 1 to train and 1 to test, got 0"),
        (("--interval", -5), "--interval: a sample movie needs a number of minutes above 0, got -5"),
        (("--size", 100), "--size: a sample movie needs 128 to 4096 pixels, got 100"),
        (("--doubling", 3), "--doubling: a sample movie needs at least 8 hours"),
    ],
)
def test_what_makes_no_movie_is_one_line(tmp_path, given, words):
    refused(livecell("sample", tmp_path / "cells", *TINY, *given), words)
    assert not (tmp_path / "cells").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    refused(livecell("sample", tmp_path, *TINY), "a sample set is written to a new or empty folder only")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("given", [("--frames", 10), ("--interval", 5), ("--doubling", 20)])
def test_options_of_a_movie_need_one(tmp_path, given):
    refused(livecell("sample", tmp_path / "cells", *given), f"{given[0]} describes a movie, got {given[1]} without --movie")


def test_without_a_movie_fields_are_drawn_as_before(tmp_path, monkeypatch):
    shapes = []
    monkeypatch.setattr(
        "livecell_monai.data.samples.sample_set.draw_field",
        lambda shape, rng: (shapes.append(shape), draw_field((64, 64), rng=rng))[1],
    )
    outcome = livecell("sample", tmp_path / "cells")
    assert outcome.out.strip().endswith("3 training and 12 test images of 1024 x 1024 pixels")
    assert shapes == [(1024, 1024)] * 15
