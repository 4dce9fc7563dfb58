"""Label images with the ids of tracks."""

import numpy as np
import pytest

from livecell_monai.errors import DataError
from livecell_monai.outputs.tracks.relabel import relabel_frames
from tests.support.track_worlds import draw_labels, some_tracks


class Counting:
    """Label images that count how often each frame is read."""

    def __init__(self, labels):
        self.labels, self.reads = labels, [0] * len(labels)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        self.reads[index] += 1
        return self.labels[index]


def test_a_cell_has_its_track_in_every_frame_and_each_frame_is_read_once():
    tracks = some_tracks()
    expected = draw_labels(some_tracks(label=tracks.track))
    labels = Counting(draw_labels(tracks))
    assert not np.array_equal(labels.labels, expected)
    np.testing.assert_array_equal(list(relabel_frames(tracks, labels)), expected)
    assert set(labels.reads) == {1}


def test_labels_without_a_track_become_background():
    tracks = some_tracks()
    labels = draw_labels(tracks)
    fewer = some_tracks({7: dict.fromkeys(range(6), (42, 40))}, {})
    assert set(np.unique(list(relabel_frames(fewer, labels)))) == {0, 7}


def test_a_joined_piece_has_the_track_of_its_cell():
    tracks = some_tracks()
    frame, label = int(tracks.frame[0]), int(tracks.label[0])
    labels = draw_labels(tracks).copy()
    whole = labels[frame] == label
    labels[frame][whole & (np.cumsum(whole, axis=1) == 1)] = 999  # the leftmost pixel of each row
    cut = list(relabel_frames(tracks, labels))[frame]
    assert (cut == tracks.track[0]).sum() < whole.sum()
    joined = some_tracks(joined=np.array([[frame, 999, label], [frame, 998, 997]]))
    np.testing.assert_array_equal(list(relabel_frames(joined, labels))[frame] == tracks.track[0], whole)


def test_other_ids_can_be_given_and_large_labels_work():
    tracks = some_tracks(label=some_tracks().label * 10**9)
    labels = np.zeros((6, *tracks.shape), np.int64)
    labels += draw_labels(some_tracks()).astype(np.int64) * 10**9
    found = np.unique(list(relabel_frames(tracks, labels, tracks.track + 100)))
    assert found.tolist() == [0, *range(101, 108)]
    with pytest.raises(DataError, match="got none of id 89000000000"):
        list(relabel_frames(tracks, np.where(labels == 89 * 10**9, 0, labels)))


def test_label_images_of_another_movie_are_rejected():
    tracks = some_tracks()
    labels = draw_labels(tracks)
    with pytest.raises(DataError, match="movie: expected 6 label images, got 5"):
        list(relabel_frames(tracks, labels[:5]))
    with pytest.raises(DataError, match="frame 0 of the label images must have 48 x 64 pixels, got 48 x 63"):
        list(relabel_frames(tracks, labels[:, :, :-1]))
    with pytest.raises(DataError, match="frame 0 of the label images must have every cell of the tracks, got none of id 89"):
        list(relabel_frames(tracks, np.where(labels == 89, 0, labels)))
    with pytest.raises(DataError, match="got none of id 89"):
        list(relabel_frames(tracks, labels * 0))
