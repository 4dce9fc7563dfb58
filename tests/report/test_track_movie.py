"""The movie with outlines and tails."""

import numpy as np
import pytest
from PIL import Image

from livecell_monai.report import track_movie
from livecell_monai.report.track_movie import TrackMovie, choose_stills, colour_of, list_tail
from tests.support.track_worlds import draw_images, draw_labels, some_tracks

BRIGHT = 200


def drawn(tracks, folder, images=None):
    labels = draw_labels(some_tracks(label=tracks.track)) if len(tracks) else draw_labels(tracks)
    movie = TrackMovie(tracks, folder)
    for frame, plane in enumerate(labels):
        movie.append(frame, plane, None if images is None else images[frame])
    return labels


def test_the_files_have_the_frames_and_the_colours_of_the_tracks(tmp_path):
    tracks = some_tracks()
    labels = drawn(tracks, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"movie.gif", *track_movie.STILLS}
    with Image.open(tmp_path / "movie.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (6, (256, 192), 0)  # enlarged 4 times
        gif.seek(5)
        last = np.asarray(gif.convert("RGB"))
    inside = labels[5].repeat(4, axis=0).repeat(4, axis=1) == 7
    assert (last[inside] == colour_of(7)).all(axis=-1).sum() >= 40  # its outline
    assert not (last[inside] == colour_of(5)).all(axis=-1).any()


def test_a_tail_reaches_back_to_the_parent_and_follows_the_drift():
    tracks = some_tracks()
    spans = dict(tracks.spans())
    entry = spans[2].stop - 1
    assert tracks.track[list_tail(tracks, spans, entry)].tolist() == [1, 1, 1, 2, 2, 2]
    assert list_tail(tracks, spans, spans[6].start) == [spans[6].start]


def test_a_tail_is_ten_frames_long():
    places = {1: dict.fromkeys(range(30), (10, 10))}
    tracks = some_tracks(places, {}, frames=30, drift=np.zeros((30, 2)))
    tail = list_tail(tracks, dict(tracks.spans()), 29)
    assert tracks.frame[tail].tolist() == list(range(19, 30))


def test_the_tail_of_a_cell_that_only_drifts_has_no_length(tmp_path):
    drift = np.arange(6)[:, None] * np.array([(0.0, 6.0)])
    places = {1: {frame: (20, 10 + 6 * frame) for frame in range(6)}}
    still, moving = some_tracks(places, {}, drift=drift), some_tracks(places, {})
    blank = np.zeros((48, 64), np.int64)
    pixels = [np.asarray(TrackMovie(one, tmp_path).draw(5, (blank, None), 64).convert("RGB")) for one in (still, moving)]
    lengths = [(one[19:23] > BRIGHT).any(axis=-1).any(axis=0).sum() for one in pixels]
    assert lengths[0] <= 1 < 25 < lengths[1]


def test_long_and_large_movies_are_thinned_and_shrunk(tmp_path, monkeypatch):
    monkeypatch.setattr(track_movie, "MOST_BYTES", 20_000)
    frames, shape = 100, (300, 600)
    tracks = some_tracks({1: {0: (20, 20)}}, {}, frames=frames, shape=shape, drift=np.zeros((frames, 2)))
    movie = TrackMovie(tracks, tmp_path)
    assert movie.wants(0)
    assert movie.wants(99)
    assert len(movie.chosen) == track_movie.MOST_FRAMES
    noise = np.random.default_rng(0).integers(0, 255, shape)
    for frame in range(frames):
        movie.append(frame, np.zeros(shape, np.int64), noise if movie.wants(frame) else None)
    with Image.open(tmp_path / "movie.gif") as gif:
        assert gif.size == (160, 80)


@pytest.mark.parametrize(
    ("frames", "missing", "expected"), [(6, (), [0, 3, 5]), (6, (0, 5), [1, 3, 4]), (2, (), [0, 1]), (1, (), [0])]
)
def test_stills_are_the_first_the_middle_and_the_last_given_frame(frames, missing, expected):
    tracks = some_tracks({}, {}, frames=frames, missing=missing, drift=np.zeros((frames, 2)))
    assert list(choose_stills(tracks).values()) == expected


def test_images_are_shown_behind_the_outlines(tmp_path):
    tracks = some_tracks()
    images = draw_images(draw_labels(tracks))
    drawn(tracks, tmp_path, images)
    with Image.open(tmp_path / "frame_first.png") as picture:
        grey = np.asarray(picture.convert("L"))
    assert grey[160:, :80].std() > 5  # the noise of the background
