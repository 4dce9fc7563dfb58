"""Tracks by the command line: label images in, a folder of tracks out; scored, corrected, refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.cli.tracks import is_bundle
from tests.support.commands import livecell, refused
from tests.support.moving_cells import draw

FRAMES = [{1: (20, 20 + frame), 2: (40, 60 - frame)} for frame in range(6)]


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    folder = tmp_path / "dish"
    folder.mkdir()
    for frame, cells in enumerate(FRAMES):
        tifffile.imwrite(folder / f"mask{frame:03d}.tif", draw(cells))
    (folder / "res_track.txt").write_text("1 0 5 0\n2 0 5 0\n", encoding="utf-8")
    return folder


def test_labels_are_linked_scored_and_corrected(truth: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = livecell("track", truth, "--output", out, "--no-mlflow", "--greatest-step", 9, "--export", "roi,geojson")
    assert done.code == 0, done.err
    assert "greatest_step = 9 px: set by the user" in done.out
    assert {"dish.zip", "dish.geojson"} <= {path.name for path in (out / "dish").iterdir()}
    scored = livecell("evaluate-tracks", out / "dish", truth, "--output", tmp_path / "scores.json", "--block", 2)
    assert scored.code == 0, scored.err
    assert json.loads((tmp_path / "scores.json").read_text())["movies"][str(out / "dish")]["LNK"] == 1
    edits = out / "dish" / "edits.csv"
    rows = (out / "dish" / "tracks.csv").read_text().splitlines()
    edits.write_text("\n".join(row for row in rows if not row.startswith("2,")) + "\n")
    again = livecell("track", "--apply", edits, "--output", tmp_path / "again", "--no-mlflow")
    assert again.code == 0, again.err
    assert set(np.unique(tifffile.imread(tmp_path / "again" / "dish" / "tracks.ome.tif"))) == {0, 1}
    timed = livecell("track", "--apply", edits, "--output", tmp_path / "timed", "--no-mlflow", "--interval", 5)
    assert timed.code == 0, timed.err
    assert json.loads((tmp_path / "timed" / "dish" / "tracks.json").read_text())["interval_min"] == 5
    for option, value in (("--set", "cells=true"), ("--diameter", 30), ("--workers", 2), ("--no-drift", None)):
        given = [option] if value is None else [option, value]
        refused(livecell("track", "--apply", edits, "--output", tmp_path / "no", *given), f"{option} must be left out with")


def test_wrong_calls_are_one_line_and_write_nothing(truth: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(livecell("track", "--output", out), "MOVIE must be given")
    refused(livecell("track", truth, "--output", out, "--division-angle", 200), "--division-angle", "got 200")
    refused(livecell("track", truth, "--output", out, "--set", "cells=true"), "--set is for the segmentation")
    refused(livecell("track", truth, "--output", out, "--diameter", 30), "--diameter is for the segmentation", "got 30")
    refused(livecell("track", truth, "--output", out, "--label-format", "png"), "tiff or zarr, got 'png'")
    refused(livecell("track", truth, "--output", out, "--export", "roi,shp"), "--export must list some of roi", "got 'shp'")
    refused(livecell("track", tmp_path / "none.tif", "--output", out), "does not exist")
    refused(livecell("track", truth, "--output", truth.parent), "must not be the folder of the frames")
    assert len(list(truth.iterdir())) == len(FRAMES) + 1
    refused(livecell("track", "--apply", tmp_path / "none.csv", "--output", out), "label images must be given")
    (tmp_path / "file.tif").touch()
    refused(
        livecell("track", truth, "--output", tmp_path / "file.tif"), "must be a folder, this is a file; name another folder"
    )
    (truth / "mask003.tif").unlink()
    tifffile.imwrite(truth / "mask003.tif", draw(FRAMES[0])[:40])
    refused(livecell("track", truth, "--output", out), "of one size")
    assert not out.exists()


def test_the_first_input_may_be_a_bundle(truth: Path, tmp_path: Path) -> None:
    (tmp_path / "model" / "configs").mkdir(parents=True)
    (tmp_path / "model" / "configs" / "metadata.json").touch()
    assert is_bundle([str(tmp_path / "model"), str(truth)])
    assert is_bundle(["start", str(truth)])
    assert not is_bundle([str(truth), str(truth)])
    assert not is_bundle([str(truth / "mask*.tif"), str(truth)])
    assert not is_bundle(["none.tif"])
    (tmp_path / "model.onnx").write_bytes(b"")
    assert is_bundle([str(tmp_path / "model.onnx"), str(truth)])
    refused(livecell("track", tmp_path / "model", "--output", tmp_path / "out"), "is a bundle: the movies")


def test_assumptions_are_printed_as_notes(tmp_path: Path) -> None:
    stack = np.stack([draw(cells) for cells in FRAMES[:2]])
    tifffile.imwrite(tmp_path / "dish.tif", ((stack > 0) * 255).astype(np.uint8), photometric="minisblack")
    done = livecell("track", tmp_path / "dish.tif", "--output", tmp_path / "out", "--no-mlflow")
    assert done.code == 0, done.err
    assert "dish.tif names no axes: they are taken as T 2, Y 60, X 80" in done.err
    assert "dish.tif is a mask of one value (255): its separate parts are taken as cells" in done.err
    assert "4 cells in 2 frames, 2 tracks, 0 divisions" in done.out
