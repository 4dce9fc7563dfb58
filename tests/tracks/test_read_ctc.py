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
    (folder / text).write_text(lines)
    return labels


@pytest.mark.parametrize(("stem", "text"), [("mask", "res_track.txt"), ("man_track", "man_track.txt")])
def test_a_result_and_a_truth_are_read(tmp_path, stem, text):
    labels = written(tmp_path / "movie", stem, text)
    images = draw_images(labels)
    tracks, frames = read_ctc(tmp_path / "movie", images, 10.0, (0.5, 0.5))
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
    np.testing.assert_array_equal(frames[3], labels[3])


def test_a_missing_frame_is_empty_and_noted(tmp_path):
    labels = written(tmp_path)
    (tmp_path / "mask002.tif").unlink()
    tracks, frames = read_ctc(tmp_path)
    assert labels[2].any()
    assert not frames[2].any()
    assert (tracks.missing, len(frames)) == ((2,), 6)
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


def test_frames_of_another_size_fractions_and_no_frames_are_rejected(tmp_path):
    written(tmp_path / "movie")
    tifffile.imwrite(tmp_path / "movie" / "mask003.tif", np.zeros((5, 6), np.uint16))
    with pytest.raises(DataError, match=r"mask003.tif: a label image must hold integers of the size \(48, 64\)"):
        read_ctc(tmp_path / "movie")
    with pytest.raises(DataError, match=r"expected label images mask000.tif or man_track000.tif, got none"):
        read_ctc(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_ctc(tmp_path / "nowhere")
