"""All files of a movie, written as a whole or not at all."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.tracks import ctc
from livecell_monai.outputs.tracks.read_tables import read_tracks
from livecell_monai.report.movie_tracks import NAMES, TrackOptions, write_tracks
from tests.support.track_worlds import draw_images, draw_labels, some_tracks

QUICK = TrackOptions(ctc=False, geff=False)


class Located:
    """Label images that say where they are."""

    path = Path("cells.ome.tif")

    def __init__(self, frames):
        self.frames = frames

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, index):
        return self.frames[index]


def listed(folder):
    return {path.name for path in folder.iterdir()}


def test_every_file_is_written_and_the_folder_holds_nothing_else(tmp_path):
    pytest.importorskip("geff")
    tracks = some_tracks()
    labels = Located(draw_labels(tracks))
    lines = write_tracks(tracks, labels, draw_images(labels.frames), tmp_path / "out" / "movie")
    facts = json.loads((tmp_path / "out" / "movie" / "tracks.json").read_text(encoding="utf-8"))
    assert facts["source"] == {"labels": str(Path("cells.ome.tif").absolute()), "images": None, "channel": 0, "z": 0}
    assert listed(tmp_path / "out") == {"movie"}
    assert listed(tmp_path / "out" / "movie") == set(NAMES) - {"tracks.ome.zarr"}
    assert lines[0] == "25 cells in 6 frames, 7 tracks, 1 division"
    assert "doubling time" in lines[1]
    assert set(lines[-1].removeprefix("files: ").split(", ")) == set(NAMES) - {"tracks.ome.zarr"}
    np.testing.assert_array_equal(read_tracks(tmp_path / "out" / "movie" / "tracks.csv").track, tracks.track)
    stack = tifffile.imread(tmp_path / "out" / "movie" / "tracks.ome.tif")
    np.testing.assert_array_equal(stack, draw_labels(some_tracks(label=tracks.track)))


def test_an_earlier_run_is_kept_or_replaced_and_other_files_stay(tmp_path):
    tracks = some_tracks()
    labels = draw_labels(tracks)
    write_tracks(tracks, labels, None, tmp_path, QUICK)
    (tmp_path / "edits.csv").write_text("mine")
    with pytest.raises(SettingError, match=r"already has tracks \(.*\); choose another folder or add --overwrite"):
        write_tracks(tracks, labels, None, tmp_path, QUICK)
    fewer = some_tracks({7: dict.fromkeys(range(6), (42, 40))}, {})
    options = TrackOptions(label_format="zarr", ctc=False, geff=False, overwrite=True)
    write_tracks(fewer, labels, None, tmp_path, options)
    assert (tmp_path / "edits.csv").read_text() == "mine"
    assert "tracks.ome.zarr" in listed(tmp_path)
    assert "tracks.ome.tif" not in listed(tmp_path)  # of the earlier run
    assert not [name for name in listed(tmp_path) if name.startswith(".")]
    assert set(read_tracks(tmp_path / "tracks.csv").track) == {7}


def test_a_failure_leaves_nothing_behind_and_the_earlier_run_as_it_was(tmp_path):
    tracks = some_tracks()
    labels = draw_labels(tracks)
    wrong = labels.copy()
    wrong[4] = 0
    with pytest.raises(DataError, match="frame 4 of the label images must have every cell"):
        write_tracks(tracks, wrong, None, tmp_path / "movie", QUICK)
    assert listed(tmp_path) == set()
    write_tracks(tracks, labels, None, tmp_path / "movie", QUICK)
    before = (tmp_path / "movie" / "tracks.csv").read_bytes()
    with pytest.raises(DataError, match="frame 4"):
        write_tracks(tracks, wrong, None, tmp_path / "movie", TrackOptions(ctc=False, geff=False, overwrite=True))
    assert listed(tmp_path) == {"movie"}
    assert (tmp_path / "movie" / "tracks.csv").read_bytes() == before


def test_images_of_another_movie_are_rejected(tmp_path):
    tracks = some_tracks()
    labels = draw_labels(tracks)
    images = draw_images(labels)
    with pytest.raises(DataError, match="movie: expected 6 grey images, got 5"):
        write_tracks(tracks, labels, images[:5], tmp_path / "out", QUICK)
    with pytest.raises(DataError, match="grey image 0 must have 48 x 64 pixels as its labels, got 47 x 64"):
        write_tracks(tracks, labels, images[:, :-1], tmp_path / "out", QUICK)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="the output must be a folder, this is a file; name another folder"):
        write_tracks(tracks, labels, None, tmp_path / "file", QUICK)
    with pytest.raises(SettingError, match="the span of growth"):
        write_tracks(tracks, labels, None, tmp_path / "out", TrackOptions(geff=False, growth_span=(0, 9)))
    assert listed(tmp_path) == {"file"}


@pytest.mark.parametrize("places", [{}, {1: {0: (20, 20)}, 2: {0: (30, 40)}}])
def test_a_movie_of_one_frame_or_without_cells_is_written(tmp_path, places):
    tracks = some_tracks(places, {}, frames=1, drift=np.zeros((1, 2)), interval_min=None, pixel_size_um=None)
    labels = draw_labels(tracks)
    lines = write_tracks(tracks, labels, None, tmp_path / "out", TrackOptions(geff=False))
    assert "cannot tell, fewer than 3 frames with cells" in lines[1]
    assert {"frame_first.png", "movie.gif", "report.html", "ctc"} < listed(tmp_path / "out")
    assert "frame_last.png" not in listed(tmp_path / "out")  # it is the first one
    with open(tmp_path / "out" / "lineages.csv", encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == len(places)


def test_too_many_tracks_for_the_challenge_are_no_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(ctc, "MOST_TRACKS", 7)
    tracks = some_tracks()  # the gap of track 5 needs an eighth id
    lines = write_tracks(tracks, draw_labels(tracks), None, tmp_path / "out", TrackOptions(geff=False))
    assert any(line.startswith("ctc: not written, movie: a CTC folder must have at most 7 ids") for line in lines)
    assert "ctc" not in listed(tmp_path / "out")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("failing", [1, 5, 12])
def test_a_file_that_cannot_be_replaced_leaves_the_earlier_run(tmp_path, monkeypatch, failing):
    tracks = some_tracks()
    labels = draw_labels(tracks)
    folder = tmp_path / "movie"
    write_tracks(tracks, labels, None, folder, QUICK)
    (folder / "mine.txt").write_text("mine")
    before, rename, calls = contents(folder), Path.rename, []

    def fail_once(source, target):
        calls.append(source)
        if len(calls) == failing:
            raise PermissionError(13, "open in another program", str(source))
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(DataError, match="movie: cannot be written"):
        write_tracks(tracks, labels, None, folder, TrackOptions("zarr", ctc=False, geff=False, overwrite=True))
    assert contents(folder) == before
    assert listed(tmp_path) == {"movie"}


def test_a_folder_in_place_of_a_file_is_replaced(tmp_path):
    tracks = some_tracks()
    write_tracks(tracks, draw_labels(tracks), None, tmp_path / "movie", QUICK)
    page = tmp_path / "movie" / "report.html"
    page.unlink()
    page.mkdir()
    (page / "a").write_text("1")
    write_tracks(tracks, draw_labels(tracks), None, tmp_path / "movie", replace(QUICK, overwrite=True))
    assert page.is_file()


@pytest.mark.parametrize("exists", [False, True])
def test_the_folder_may_be_a_link(tmp_path, exists):
    real, link = tmp_path / "disk" / "movie", tmp_path / "out" / "movie"
    for folder in (real, link.parent):
        folder.mkdir(parents=True)
    link.symlink_to(real, target_is_directory=True)
    tracks = some_tracks()
    for _ in range(1 + exists):
        write_tracks(tracks, draw_labels(tracks), None, link, replace(QUICK, overwrite=True))
    assert link.is_symlink()
    assert "tracks.csv" in listed(real)
    assert listed(link.parent) == listed(real.parent) == {"movie"}


def test_files_for_other_programs(tmp_path):
    """They are named after the movie's folder, and those that an earlier run is recorded to have written are removed."""
    tracks = some_tracks()
    folder = tmp_path / "movie"
    write_tracks(tracks, draw_labels(tracks), None, folder, replace(QUICK, export=("roi", "geojson", "ctc")))
    assert {"movie.zip", "movie.geojson"} <= listed(folder)
    assert not listed(folder) & {"ctc", "movie_RES"}  # `ctc` is that of the tracks, which was not wanted here
    (folder / "movie_coco.json").write_text("mine")
    with pytest.raises(SettingError, match="already has tracks"):
        write_tracks(tracks, draw_labels(tracks), None, folder, QUICK)
    write_tracks(tracks, draw_labels(tracks), None, folder, replace(QUICK, export=("geojson",), overwrite=True))
    assert "movie.geojson" in listed(folder)
    assert "movie.zip" not in listed(folder)
    assert (folder / "movie_coco.json").read_text() == "mine"


def test_a_failure_closes_the_files_for_other_programs(tmp_path):
    tracks = some_tracks()
    wrong = draw_labels(tracks)
    wrong[4] = 0
    with pytest.raises(DataError, match="frame 4 of the label images must have every cell"):
        write_tracks(tracks, wrong, None, tmp_path / "movie", replace(QUICK, export=("roi", "geojson")))
    assert listed(tmp_path) == set()
