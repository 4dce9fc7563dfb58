"""The folder of the Cell Tracking Challenge, checked by its own validation."""

import numpy as np
import pytest

from livecell_monai.outputs.tracks.ctc import CtcFolder, TooManyTracksError, split_at_gaps
from livecell_monai.outputs.tracks.relabel import relabel_frames
from livecell_monai.tracks.read_ctc import read_ctc
from tests.support.track_worlds import draw_labels, some_tracks


def write(tracks, folder):
    writer = CtcFolder(tracks, folder)
    for frame, plane in enumerate(relabel_frames(tracks, draw_labels(tracks))):
        writer.append(frame, plane)
    return folder / "ctc"


def test_a_track_with_a_gap_becomes_two_and_the_first_is_the_parent(tmp_path):
    folder = write(some_tracks(), tmp_path)
    lines = (folder / "res_track.txt").read_text().splitlines()
    assert lines == ["1 0 2 0", "2 3 5 1", "3 3 5 1", "4 0 2 0", "5 0 1 0", "6 0 1 0", "7 0 5 0", "8 3 5 5"]


def test_a_child_descends_from_the_last_part_of_a_parent_with_gaps():
    places = {1: {0: (5, 5), 2: (5, 5), 4: (5, 5)}, 2: {5: (5, 5)}, 3: {5: (20, 20)}}
    ids, parents = split_at_gaps(some_tracks(places, {2: 1, 3: 1}))
    assert ids.tolist() == [1, 4, 5, 2, 3]
    assert parents == {4: 1, 5: 4, 2: 5, 3: 5}


def test_the_folder_is_valid_and_read_back(tmp_path):
    validate = pytest.importorskip("ctc_metrics.scripts.validate").validate_sequence
    tracks = some_tracks()
    folder = write(tracks, tmp_path)
    assert validate(str(folder), threads=1) == {"Valid": 1}
    found, _ = read_ctc(folder)
    np.testing.assert_array_equal(np.unique(found.track), np.arange(1, 9))
    assert found.parents == {2: 1, 3: 1, 8: 5}
    assert len(found) == len(tracks)
    (folder / "res_track.txt").write_text((folder / "res_track.txt").read_text().replace("8 3 5 5", "8 2 5 5"))
    with pytest.warns(UserWarning, match="not in mask"):
        assert validate(str(folder), threads=1) == {"Valid": 0}  # it can fail


def test_more_than_a_thousand_frames_have_four_digits(tmp_path):
    tracks = some_tracks({1: {0: (5, 5)}}, {}, frames=1001, drift=np.zeros((1001, 2)))
    CtcFolder(tracks, tmp_path).append(7, np.zeros((48, 64), np.int64))
    assert (tmp_path / "ctc" / "mask0007.tif").is_file()


def test_more_tracks_than_16_bits_hold_are_rejected(tmp_path):
    places = {65535: {0: (5, 5), 2: (5, 5)}}
    with pytest.raises(TooManyTracksError, match="at most 65,535 ids of tracks, got 65,536"):
        split_at_gaps(some_tracks(places, {}))


def test_no_cells_give_empty_images_and_an_empty_text(tmp_path):
    folder = write(some_tracks({}, {}), tmp_path)
    assert (folder / "res_track.txt").read_text() == ""
    assert len(list(folder.glob("mask*.tif"))) == 6
