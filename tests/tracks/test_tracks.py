import numpy as np

from livecell_monai.tracks.tracks import ENTRIES, Limit, Tracks


def two_tracks() -> Tracks:
    """Cell 1 in frames 0 and 1 divides into 2 and 3."""
    track, frame = np.array([1, 1, 2, 3]), np.array([0, 1, 2, 2])
    ones = np.ones(4)
    return Tracks(
        track=track,
        frame=frame,
        label=np.array([5, 5, 6, 7]),
        y=ones,
        x=ones,
        area=ones,
        intensity=np.full(4, np.nan),
        touches_border=np.zeros(4, bool),
        confidence=np.array([np.nan, 1, np.nan, np.nan]),
        parents={3: 1, 2: 1},
        name="movie",
        frames=3,
        shape=(8, 8),
        interval_min=None,
        pixel_size_um=None,
        drift=np.zeros((3, 2)),
    )


def test_spans_are_the_entries_of_each_track() -> None:
    tracks = two_tracks()
    assert [(one, list(tracks.frame[span])) for one, span in tracks.spans()] == [(1, [0, 1]), (2, [2]), (3, [2])]
    assert list(tracks.ids) == [1, 2, 3]
    assert len(tracks) == 4


def test_children_are_listed_by_parent() -> None:
    assert two_tracks().children() == {1: [2, 3]}


def test_the_arrays_are_those_with_one_entry_a_cell() -> None:
    assert all(getattr(two_tracks(), name).shape == (4,) for name in ENTRIES)
    assert len(ENTRIES) == 9


def test_a_limit_is_printed_with_its_reason() -> None:
    assert str(Limit("greatest_step", 12.5, "px", "measured")) == "greatest_step = 12.5 px: measured"
    assert str(Limit("division_ratio", 2, "", "set")) == "division_ratio = 2: set"
