from concurrent.futures import CancelledError
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from livecell_monai.distributed.dask import cluster
from livecell_monai.errors import DataError, SettingError
from livecell_monai.report import tracking
from livecell_monai.report.movie_cells import segment_movies
from livecell_monai.report.movie_tracks import TrackOptions
from livecell_monai.report.tracking import (
    MoviePaths,
    TrackRequest,
    apply_edits,
    find_movie,
    list_label_movies,
    track_movie,
    track_movies,
)
from tests.support.moving_cells import draw
from tests.support.stack_files import write_ome_tiff

OPTIONS = TrackOptions(geff=False)
MOVING = [{7: (20, 20 + 2 * frame), 9: (40, 60 - 2 * frame)} for frame in range(5)]


def write_labels(folder: Path, name: str = "dish", skipped: int | None = None) -> Path:
    (folder / name).mkdir()
    for frame, cells in enumerate(MOVING):
        if frame != skipped:
            tifffile.imwrite(folder / name / f"mask{frame:03d}.tif", draw(cells))
    return folder / name


def read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_a_movie_of_labels_becomes_a_folder_of_tracks(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    (done,) = track_movies([MoviePaths(labels)], tmp_path / "out", TrackRequest(options=OPTIONS, interval_min=5))
    assert done.folder == tmp_path / "out" / "dish"
    assert [len(set(done.tracks.frame[span])) for _, span in done.tracks.spans()] == [5, 5]
    assert done.tracks.interval_min == 5
    assert any(line.startswith("greatest_step = ") for line in done.lines)
    stack = tifffile.imread(done.folder / "tracks.ome.tif")
    assert [sorted(set(np.unique(plane)) - {0}) for plane in stack] == [[1, 2]] * 5
    assert len(read_lines(done.folder / "tracks.csv")) == 11


def test_missing_frames_are_reported(tmp_path: Path) -> None:
    labels = write_labels(tmp_path, skipped=2)
    done = track_movie(MoviePaths(labels), tmp_path / "out", TrackRequest(options=OPTIONS))
    assert "1 of 5 frames are missing (2): cells are linked across them" in done.lines
    assert len(done.tracks.ids) == 2


def test_images_give_the_intensity(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    (tmp_path / "grey").mkdir()
    for frame, cells in enumerate(MOVING):
        tifffile.imwrite(tmp_path / "grey" / f"t{frame}.tif", draw(cells) * np.uint16(10))
    done = track_movie(MoviePaths(labels, tmp_path / "grey"), tmp_path / "out", TrackRequest(options=OPTIONS))
    assert sorted(set(done.tracks.intensity)) == [70, 90]


def test_every_channel_has_its_intensity_also_after_an_edit(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    planes = np.stack([[draw(cells) * np.uint16(10), draw(cells) * np.uint16(3)] for cells in MOVING])
    movie = write_ome_tiff(tmp_path / "movie.ome.tif", planes, "TCYX")
    paths, request = list_label_movies([labels], [movie], "GFP"), TrackRequest(options=OPTIONS)
    done = track_movie(paths[0], tmp_path / "out", request)
    assert sorted(set(done.tracks.intensity)) == [21, 27]
    header, first, *_ = read_lines(done.folder / "tracks.csv")
    row = dict(zip(header.split(","), first.split(","), strict=True))
    names = "intensity_mean", "intensity_mean_DAPI", "intensity_mean_GFP"
    assert [float(row[name]) for name in names] == [21, 70, 21]
    found = find_movie(done.folder / "tracks.csv")
    assert found == MoviePaths(labels, movie, 1, 0)
    apply_edits(done.folder / "tracks.csv", found, tmp_path / "again", request)
    assert read_lines(tmp_path / "again" / "dish" / "tracks.csv") == read_lines(done.folder / "tracks.csv")
    with pytest.raises(SettingError, match="--channel is for grey movies, got 'GFP' without one"):
        list_label_movies([labels], [], "GFP")


def test_edited_tracks_are_written_anew(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    done = track_movie(MoviePaths(labels), tmp_path / "out", TrackRequest(options=OPTIONS))
    header, *rows = read_lines(done.folder / "tracks.csv")
    names = header.split(",")
    track, parent, frame = (names.index(name) for name in ("track", "parent", "frame"))
    edited = []
    for row in rows:
        cells = row.split(",")
        if cells[track] == "1" and int(cells[frame]) >= 3:  # split
            cells[track], cells[parent] = "8", "1"
        if cells[track] != "2":  # delete
            edited.append(",".join(cells))
    (done.folder / "edits.csv").write_text("\n".join([header, *edited]) + "\n", encoding="utf-8")
    again = apply_edits(done.folder / "edits.csv", MoviePaths(labels), tmp_path / "edited", TrackRequest(options=OPTIONS))
    assert again.tracks.parents == {8: 1}
    stack = tifffile.imread(again.folder / "tracks.ome.tif")
    assert [sorted(set(np.unique(plane)) - {0}) for plane in stack] == [[1]] * 3 + [[8]] * 2
    assert read_lines(again.folder / "ctc" / "res_track.txt") == ["1 0 2 0", "8 3 4 1"]


def test_a_cell_that_was_cut_is_whole_again_also_after_an_edit(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    cut = draw(MOVING[2])
    cut[:40][cut[:40] == 9] = 18  # the upper rows of a cell
    assert sorted(np.unique(cut)) == [0, 7, 9, 18]
    tifffile.imwrite(labels / "mask002.tif", cut)
    request = TrackRequest(options=OPTIONS)
    done = track_movie(MoviePaths(labels), tmp_path / "out", request)
    assert "joined pieces of cells that the segmentation cut in two: 1" in done.lines
    again = apply_edits(done.folder / "tracks.csv", MoviePaths(labels), tmp_path / "edited", request)
    for folder in (done.folder, again.folder):
        stack = tifffile.imread(folder / "tracks.ome.tif")
        assert [np.unique(plane, return_counts=True)[1].tolist()[1:] for plane in stack] == [[49, 49]] * 5
        assert len(read_lines(folder / "tracks.csv")) == 11


def test_two_movies_of_one_name_are_rejected_before_any_is_linked(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    movies = [MoviePaths(write_labels(tmp_path)), MoviePaths(write_labels(tmp_path / "other"))]
    with pytest.raises(DataError, match="names of their own"):
        track_movies(movies, tmp_path / "out", TrackRequest(options=OPTIONS))
    assert not (tmp_path / "out").exists()


def test_images_must_be_given_for_each_movie() -> None:
    with pytest.raises(SettingError, match="2 times, got 1"):
        list_label_movies([Path("a"), Path("b")], [Path("c")])
    assert list_label_movies([Path("a")]) == [MoviePaths(Path("a"))]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TrackRequest(interval_min=0), "above 0 minutes, got 0"),
        (TrackRequest(limits={"division_angle": 200}), "--division-angle must be from 0 to 180, got 200"),
    ],
)
def test_wrong_options_are_rejected(request_: TrackRequest, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        request_.check()


def test_a_folder_with_tracks_and_a_file_are_rejected_before_the_first_movie(tmp_path: Path, monkeypatch: Any) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("linked or segmented")

    monkeypatch.setattr(tracking, "measure_objects", fail)
    monkeypatch.setattr("livecell_monai.tasks.predict", fail)
    labels = write_labels(tmp_path)
    (tmp_path / "out" / "dish").mkdir(parents=True)
    (tmp_path / "out" / "dish" / "tracks.csv").touch()
    (tmp_path / "file").touch()
    for output, message in (
        ("out", "already has tracks"),
        ("file", "file: the output must be a folder, this is a file; name"),
    ):
        with pytest.raises(SettingError, match=message):
            track_movies([MoviePaths(labels)], tmp_path / output, TrackRequest(options=OPTIONS))
        with pytest.raises(SettingError, match=message):
            segment_movies(tmp_path, [labels], tmp_path / output, {})


def test_a_mask_is_tracked_by_its_parts_and_edits_find_them_again(tmp_path: Path) -> None:
    path = tmp_path / "dish.tif"
    frames = [draw({3: (20, 20 + frame), 9: (40, 60 - frame)}) for frame in range(4)]
    tifffile.imwrite(path, ((np.stack(frames) > 0) * 255).astype(np.uint8), photometric="minisblack")
    request = TrackRequest(options=OPTIONS)
    (done,) = track_movies([MoviePaths(path)], tmp_path / "out", request)
    assert sorted(done.tracks.label.tolist()) == [1] * 4 + [2] * 4
    assert len(done.tracks.ids) == 2
    assert ["names no axes" in note or "mask of one value (255)" in note for note in done.notes] == [True, True]
    stack, ctc = tifffile.imread(done.folder / "tracks.ome.tif"), tifffile.imread(done.folder / "ctc" / "mask002.tif")
    assert np.array_equal(stack[2], ctc)
    assert np.array_equal(ctc > 0, frames[2] > 0)
    assert set(np.unique(ctc)) == {0, 1, 2}
    edits = done.folder / "edits.csv"
    edits.write_text((done.folder / "tracks.csv").read_text())
    again = apply_edits(edits, MoviePaths(path), tmp_path / "again", request)
    assert np.array_equal(tifffile.imread(again.folder / "tracks.ome.tif"), stack)
    rows = read_lines(edits)
    at = rows[0].split(",").index("label")
    cells = rows[3].split(",")
    edits.write_text("\n".join([*rows[:3], ",".join([*cells[:at], "77", *cells[at + 1 :]]), *rows[4:]]) + "\n")
    with pytest.raises(
        DataError, match=r"edits.csv, line 4: label must be an id of frame 2 of .*dish.tif, got 77; correct it"
    ):
        apply_edits(edits, MoviePaths(path), tmp_path / "third", request)
    assert not (tmp_path / "third" / "dish").exists()


def test_a_movie_without_cells_prints_no_limits(tmp_path: Path) -> None:
    path = tmp_path / "dish.tif"
    tifffile.imwrite(path, np.zeros((3, 40, 40), np.uint16), photometric="minisblack")
    (done,) = track_movies([MoviePaths(path)], tmp_path / "out", TrackRequest(options=OPTIONS))
    assert done.lines[0] == "no cells in any frame: the tables are empty"


@pytest.mark.slow
def test_workers_share_movies(tmp_path: Path) -> None:
    movies = [MoviePaths(write_labels(tmp_path, name)) for name in ("one", "two")]
    done = track_movies(movies, tmp_path / "out", TrackRequest(options=OPTIONS), workers=2)
    assert [one.folder.name for one in done] == ["one", "two"]
    assert all((one.folder / "tracks.csv").is_file() for one in done)


def test_a_scheduler_that_stops_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        def run(self, *_: object, **__: object) -> dict[str, str]:
            return {"worker": ""}

        def map(self, *_: object, **__: object) -> list[object]:
            return []

        def gather(self, _: object) -> list[object]:
            raise CancelledError("lost")

    found = cluster.Workers(Client(), "tcp://127.0.0.1:1")
    monkeypatch.setattr(cluster, "connect", lambda *_: nullcontext(found))
    movies = [MoviePaths(write_labels(tmp_path, name)) for name in ("a", "b")]
    rule = "^tcp://127.0.0.1:1: the scheduler must run until the end, it has stopped; start it again, and use --overwrite$"
    with pytest.raises(SettingError, match=rule):
        track_movies(movies, tmp_path / "out", TrackRequest(options=OPTIONS), scheduler="tcp://127.0.0.1:1")
    assert not (tmp_path / "out").exists()
