"""Two cells that are one object for some frames are themselves afterwards."""

from itertools import pairwise

import numpy as np
import pytest
from skimage.draw import disk

from livecell_monai.sample import Pixels
from livecell_monai.tracks.linking import link
from livecell_monai.tracks.objects import measure_objects
from livecell_monai.tracks.tracks import Tracks
from tests.support.moving_cells import Drawn


def draw(*names: str) -> list[Pixels]:
    """Frames of two cells of 14 x 10 px side by side: `two`, as one object (`one`), the left one alone (`left`)."""
    frames = []
    for place, name in enumerate(names):
        frame = np.zeros((50, 60), np.int32)
        left, right = frame[18:32, 20:30], frame[18:32, 30:40]
        left[:] = 5 + place
        if name != "left":
            right[:] = 5 + place if name == "one" else 40 - place
        frames.append(frame)
    return frames


def linked(*names: str, **limits: float) -> Tracks:
    labels = Drawn(draw(*names))
    return link(measure_objects(labels, correct_drift=False), labels, {"greatest_gap": 0, **limits})


def spans(tracks: Tracks) -> list[tuple[list[int], int]]:
    """Of each track its frames and the column of its cell in the last one, by that column."""
    found = []
    for number in np.unique(tracks.track):
        at = tracks.track == number
        found.append((tracks.frame[at].tolist(), round(float(tracks.x[at][-1]))))
    return sorted(found, key=lambda each: each[1])


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_both_cells_keep_their_tracks(frames: int) -> None:
    names = ["two", "two", *["one"] * frames, "two", "two"]
    tracks, apart = linked(*names), linked(*names, greatest_cut=0)
    everywhere, beside = list(range(4 + frames)), [0, 1, frames + 2, frames + 3]
    found = spans(tracks)
    assert sorted(frames for frames, _ in found) == sorted([everywhere, beside])
    assert [x for _, x in found] == [24, 34]
    assert not tracks.parents
    assert not np.isnan(tracks.confidence[1:][tracks.track[1:] == tracks.track[:-1]]).any()
    assert len(np.unique(apart.track)) == 3 or apart.parents


def test_a_cell_moves_on_to_where_it_is_nearer() -> None:
    """The object's own links would exchange the two."""
    labels = draw("two", "two", "one", "two", "two")
    for frame in labels[3:]:
        frame[:] = np.roll(frame, 3, axis=0)
    tracks = link(measure_objects(Drawn(labels), correct_drift=False), Drawn(labels), {"greatest_gap": 0})
    for number in np.unique(tracks.track):
        columns = tracks.x[(tracks.track == number) & (tracks.frame != 2)]
        assert np.ptp(columns) < 1


@pytest.mark.parametrize(
    "names",
    [
        ("two", "two", "one", "one", "one", "one", "two", "two"),  # for too long
        ("left", "two", "one", "two", "two"),  # a cell that is seen once is none
        ("two", "two", "one", "two", "left"),
        ("two", "two", "one", "one", "left"),  # never two again
    ],
)
def test_otherwise_they_are_linked_as_they_were(names: tuple[str, ...]) -> None:
    assert spans(linked(*names)) == spans(linked(*names, greatest_cut=0))


def test_a_cell_of_another_size_is_another_cell() -> None:
    labels = draw("two", "two", "one", "two", "two")
    for frame in labels[3:]:
        frame[18:32, 30:36] = frame[20, 20]  # the left one grows, the right one is small
    tracks = link(measure_objects(Drawn(labels), correct_drift=False), Drawn(labels), {"greatest_gap": 0})
    assert len(np.unique(tracks.track)) == 3


def test_more_frames_if_they_are_allowed() -> None:
    tracks = linked("two", "two", *["one"] * 4, "two", "two", greatest_cut=4)
    assert len(np.unique(tracks.track)) == 2


def bars(*edges: tuple[int, ...]) -> Pixels:
    """A frame of bars side by side, from each of these columns to the next."""
    frame = np.zeros((60, 140), np.int32)
    for number, (left, right) in enumerate(pairwise(edges), start=1):
        frame[20:40, left:right] = number
    return frame


@pytest.mark.parametrize("width", [12, 16, 20])
@pytest.mark.parametrize("middle", [8, 12, 16])
def test_two_merges_do_not_share_a_cell(width: int, middle: int) -> None:
    """The cell in the middle is cut in two for two frames, and each half is part of a neighbour."""
    edges = np.cumsum([10, width, middle, width]).tolist()
    cut = edges[1] + middle // 2
    frames = [bars(*edges)] * 4 + [bars(edges[0], cut, edges[3])] * 2 + [bars(*edges[:2], cut, *edges[2:])] * 4
    tracks = link(measure_objects(Drawn(frames), correct_drift=False), Drawn(frames))
    assert_each_once(tracks)


@pytest.mark.parametrize("seed", [21, 25, 62, 77])
def test_a_frame_has_each_track_once(seed: int) -> None:
    """Crowds of discs that vanish, merge and split at random."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 120, (int(rng.integers(15, 45)), 2))
    frames = []
    for _ in range(14):
        frame, places = np.zeros((120, 120), np.int32), places + rng.normal(0, 1.0, places.shape)
        for number, place in enumerate(places, start=1):
            if rng.random() >= 0.05:
                frame[disk(place, rng.uniform(5, 8), shape=frame.shape)] = number
        for number, place in enumerate(places, start=1):
            if rng.random() < 0.05:
                nearest = np.argsort(np.hypot(*(places - place).T))[1] + 1
                frame[frame == number] = nearest
            elif rng.random() < 0.05:
                rows, columns = np.nonzero(frame == number)
                right = columns > columns.mean() if len(columns) else columns > 0
                frame[rows[right], columns[right]] = 500 + number
        frames.append(frame)
    assert_each_once(link(measure_objects(Drawn(frames)), Drawn(frames)))


def assert_each_once(tracks: Tracks) -> None:
    found = np.stack([tracks.track, tracks.frame], axis=1)
    assert len(np.unique(found, axis=0)) == len(found)
