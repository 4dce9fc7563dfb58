"""A small movie of cells with known tracks: one divides, one leaves, one is hidden for a frame, one is lost, one stays."""

import numpy as np

from livecell_monai.tracks.tracks import ENTRIES, Limit, Tracks

SHAPE = (48, 64)
FRAMES = 6
RADIUS = 3
# track: {frame: (y, x)}
PLACES = {
    1: {0: (12, 12), 1: (12, 15), 2: (12, 18)},
    2: {3: (8, 20), 4: (6, 22), 5: (6, 24)},
    3: {3: (16, 20), 4: (18, 22), 5: (18, 24)},
    4: {0: (30, 52), 1: (30, 56), 2: (30, 60)},
    5: {0: (36, 10), 1: (36, 12), 3: (36, 16), 4: (36, 18), 5: (36, 20)},
    6: {0: (24, 40), 1: (24, 40)},
    7: dict.fromkeys(range(FRAMES), (42, 40)),
}
PARENTS = {2: 1, 3: 1}


def some_tracks(places=None, parents=None, **changes):
    """The tracks of the movie; labels are the ids of the tracks, counted backwards from 90 and other in odd frames."""
    places = PLACES if places is None else places
    rows = [(track, frame, y, x) for track, cells in places.items() for frame, (y, x) in sorted(cells.items())]
    table = np.array(rows, np.float64).reshape(-1, 4)
    track, frame = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    is_first = np.diff(track, prepend=0) != 0
    values = {
        "track": track,
        "frame": frame,
        "label": 90 - track - frame % 2,
        "y": table[:, 2],
        "x": table[:, 3],
        "area": np.full(len(track), 29.0),
        "intensity": np.full(len(track), 100.0),
        "touches_border": table[:, 3] + RADIUS >= SHAPE[1] - 1,
        "confidence": np.where(is_first, np.nan, 0.75),
        "parents": dict(PARENTS if parents is None else parents),
        "name": "movie",
        "frames": FRAMES,
        "shape": SHAPE,
        "interval_min": 10.0,
        "pixel_size_um": (0.5, 0.5),
        "drift": np.zeros((FRAMES, 2)),
        "limits": (Limit("greatest_step", 12.5, "px", "measured"),),
    }
    values |= changes
    assert all(len(values[name]) == len(track) for name in ENTRIES)
    return Tracks(**values)


def draw_labels(tracks):
    """The label images of tracks: discs with the label of each cell."""
    rows, columns = np.indices(tracks.shape)
    frames = np.zeros((tracks.frames, *tracks.shape), np.uint16)
    for frame, label, y, x in zip(tracks.frame, tracks.label, tracks.y, tracks.x, strict=True):
        frames[frame][(rows - y) ** 2 + (columns - x) ** 2 <= RADIUS**2] = label
    return frames


def draw_images(labels):
    """Grey images of label images: noise, brighter in the cells."""
    noise = np.random.default_rng(0).integers(50, 80, labels.shape)
    return (noise + 100 * (labels > 0)).astype(np.uint16)
