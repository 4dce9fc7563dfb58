"""Tracks read from a folder of the Cell Tracking Challenge."""

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import DataError
from livecell_monai.tracks.read_ctc import read_ctc
from tests.support.track_worlds import PARENTS, draw_images, draw_labels, some_tracks

LINES = "1 0 2 0\n2 3 5 1\n3 3 5 1\n4 0 2 0\n5 0 5 0\n6 0 1 0\n7 0 5 0\n"


def written(folder, stem="mask", text="res_track.txt", lines=LINES):
    tracks = some_tracks()
    labels = draw_labels(some_tracks(label=tracks.track))
    folder.mkdir(exist_ok=True)
    for frame, plane in enumerate(labels):
        tifffile.imwrite(folder / f"{stem}{frame:03d}.tif", plane)
    (folder / text).write_text(lines, encoding="utf-8")
    return labels


@pytest.mark.parametrize(("stem", "text"), [("mask", "res_track.txt"), ("man_track", "man_track.txt")])
def test_a_result_and_a_truth_are_read(tmp_path, stem, text):
    labels = written(tmp_path / "movie", stem, text)
    images = draw_images(labels)
    tracks, frames = read_ctc(tmp_path / "movie", images)
    np.testing.assert_array_equal(frames[3], labels[3])
    expected = some_tracks()
    for name in ("track", "frame", "confidence"):
        np.testing.assert_array_equal(np.isnan(getattr(tracks, name)), np.isnan(getattr(expected, name)))
    np.testing.assert_array_equal(tracks.track, expected.track)
    np.testing.assert_array_equal(tracks.label, expected.track)
    np.testing.assert_array_equal(tracks.touches_border, expected.touches_border)
    inside = ~tracks.touches_border
    np.testing.assert_allclose(tracks.x[inside], expected.x[inside])
    assert tracks.intensity[0] == pytest.approx(images[0][labels[0] == 1].mean())
    assert (tracks.parents, tracks.name, tracks.frames) == (PARENTS, "movie", 6)


def test_a_missing_frame_is_empty_and_noted(tmp_path):
    labels = written(tmp_path)
    (tmp_path / "mask002.tif").unlink()
    tracks, _ = read_ctc(tmp_path)
    assert labels[2].any()
    assert (tracks.missing, tracks.frames) == ((2,), 6)
    assert 2 not in tracks.frame
    assert np.isnan(tracks.intensity).all()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (LINES.replace("7 0 5 0\n", ""), "must list every track of the label images, got none for 7"),
        (LINES.replace("7 0 5 0", "7 0 five 0"), "line 7 must be four whole numbers L B E P, got '7 0 five 0'"),
        (LINES + "8 0 1\n", "line 8 must be four whole numbers"),
    ],
)
def test_a_text_that_does_not_fit_is_rejected(tmp_path, lines, message):
    written(tmp_path, lines=lines)
    with pytest.raises(DataError, match=message):
        read_ctc(tmp_path)


def test_a_folder_without_a_text_is_rejected(tmp_path):
    written(tmp_path)
    (tmp_path / "res_track.txt").unlink()
    with pytest.raises(DataError, match=r"res_track.txt: the text of the tracks cannot be read"):
        read_ctc(tmp_path)


def test_a_text_of_a_windows_editor_is_read(tmp_path):
    written(tmp_path, lines=f"\ufeff{LINES}")
    assert read_ctc(tmp_path)[0].parents == PARENTS
