"""What follows from linked tracks: speed and age of each cell; span, fate and motion of each track.

Speeds and displacements are of positions from which the drift of the stage is taken out. Lengths are in pixels and, if the
size of a pixel and the time between frames are known, also in µm and minutes; else those columns are NaN.
"""

import numpy as np
from numpy.typing import NDArray

from livecell_monai.cells.measure import Columns
from livecell_monai.tracks.columns import OF_CHANNEL
from livecell_monai.tracks.tracks import Floats, Ints, Tracks

DIVIDED = "divided"  #: has two children or more
CONTINUED = "continued"  #: has one child: the same cell after a gap, or a division of which one daughter was not found
MOVIE_ENDED = "end of movie"  #: is in the last frame that was given
LEFT = "left the field"  #: touched the border last, or its next step would have led across it
LOST = "lost"  #: anything else: it died, or was not found any more
FATES = (DIVIDED, CONTINUED, MOVIE_ENDED, LEFT, LOST)


def correct_drift(tracks: Tracks) -> Floats:
    """Positions (N, 2), (y, x) in px on the grid of the first frame, without the drift of the stage."""
    return np.stack([tracks.y, tracks.x], axis=1) - tracks.drift[tracks.frame]


def measure_steps(tracks: Tracks) -> tuple[Floats, Floats]:
    """The step of each cell from its previous frame, (N, 2) in px without drift, and the frames it took, (N,).

    Both are NaN for the first cell of a track.
    """
    steps, elapsed = np.full((len(tracks), 2), np.nan), np.full(len(tracks), np.nan)
    later = np.flatnonzero(tracks.track[1:] == tracks.track[:-1]) + 1
    places = correct_drift(tracks)
    steps[later] = places[later] - places[later - 1]
    elapsed[later] = tracks.frame[later] - tracks.frame[later - 1]
    return steps, elapsed


def describe_cells(tracks: Tracks) -> Columns:
    """The columns (N,) of `tracks.csv` by name, one entry a cell and frame; see `columns.list_cell_columns`."""
    steps, elapsed = measure_steps(tracks)
    minutes, (high, wide) = _units(tracks)
    ids, starts, index = np.unique(tracks.track, return_index=True, return_inverse=True)
    parents = np.array([tracks.parents.get(int(one), 0) for one in ids], np.int64)
    age = tracks.frame - tracks.frame[starts][index]
    return {
        "track": tracks.track,
        "parent": parents[index],
        "frame": tracks.frame,
        "time_min": tracks.frame * minutes,
        "label": tracks.label,
        "centroid_y_px": tracks.y,
        "centroid_x_px": tracks.x,
        "centroid_y_um": tracks.y * high,
        "centroid_x_um": tracks.x * wide,
        "area_px": np.rint(tracks.area).astype(np.int64),
        "area_um2": tracks.area * high * wide,
        "intensity_mean": tracks.intensity,
        **{f"{OF_CHANNEL}{name}": values for name, values in tracks.channels.items()},
        "speed_px_per_frame": _length(steps) / elapsed,
        "speed_um_per_min": _length(steps * (high, wide)) / (elapsed * minutes),
        "age_frames": age,
        "age_min": age * minutes,
        "touches_border": tracks.touches_border,
        "confidence": tracks.confidence,
    }


def describe_lineages(tracks: Tracks) -> Columns:
    """The columns (M,) of `lineages.csv` by name, one entry a track in order of the ids; see `columns.LINEAGE_COLUMNS`."""
    ids, first, count = np.unique(tracks.track, return_index=True, return_counts=True)
    last = first + count - 1
    minutes, scale = _units(tracks)
    born, ended = tracks.frame[first], tracks.frame[last]
    places, (steps, _) = correct_drift(tracks), measure_steps(tracks)
    net, moved = places[last] - places[first], np.where(count > 1, ended - born, np.nan)
    children, (founder, generation) = tracks.children(), trace_founders(tracks)
    path = _sum_by_track(_length(steps), first)
    return {
        "track": ids,
        "parent": np.array([tracks.parents.get(int(one), 0) for one in ids], np.int64),
        "children": np.array([" ".join(map(str, children.get(int(one), []))) for one in ids], np.str_),
        "founder": founder,
        "generation": generation,
        "born_frame": born,
        "ended_frame": ended,
        "born_min": born * minutes,
        "ended_min": ended * minutes,
        "cells": count,
        "fate": find_fates(tracks),
        "mean_speed_px_per_frame": path / moved,
        "mean_speed_um_per_min": _sum_by_track(_length(steps * scale), first) / (moved * minutes),
        "displacement_y_px": np.where(count > 1, net[:, 0], np.nan),
        "displacement_x_px": np.where(count > 1, net[:, 1], np.nan),
        "net_displacement_px": np.where(count > 1, _length(net), np.nan),
        "net_displacement_um": np.where(count > 1, _length(net * scale), np.nan),
        "persistence": np.divide(_length(net), path, out=np.full(len(ids), np.nan), where=path > 0).clip(max=1.0),
    }


def find_fates(tracks: Tracks) -> NDArray[np.str_]:
    """What became of each track (M,), one of `FATES`, in order of the ids."""
    children = tracks.children()
    given = set(range(tracks.frames)) - set(tracks.missing)
    final = max(given, default=tracks.frames - 1)
    fates = []
    for track, span in tracks.spans():
        daughters = len(children.get(track, []))
        if daughters:
            fates.append(DIVIDED if daughters > 1 else CONTINUED)
        elif tracks.frame[span.stop - 1] >= final:
            fates.append(MOVIE_ENDED)
        else:
            fates.append(LEFT if _leaves(tracks, span) else LOST)
    return np.array(fates, np.str_)


def trace_founders(tracks: Tracks) -> tuple[Ints, Ints]:
    """The first ancestor of each track, and how many divisions lie between, both (M,) in order of the ids."""
    founders: dict[int, int] = {}
    generations: dict[int, int] = {}
    for track in tracks.ids.tolist():
        line = [track]
        while line[-1] not in founders and line[-1] in tracks.parents:
            line.append(tracks.parents[line[-1]])
        for one in reversed(line):
            parent = tracks.parents.get(one)
            founders[one] = one if parent is None else founders[parent]
            generations[one] = 0 if parent is None else generations[parent] + 1
    order = tracks.ids.tolist()
    return np.array([founders[one] for one in order], np.int64), np.array([generations[one] for one in order], np.int64)


def _leaves(tracks: Tracks, span: slice) -> bool:
    """Whether the last cell of a track touches the border, or its last step would lead its centroid out of the frame."""
    last = span.stop - 1
    if tracks.touches_border[last]:
        return True
    if last == span.start:
        return False
    for values, length in ((tracks.y, tracks.shape[0]), (tracks.x, tracks.shape[1])):
        step = (values[last] - values[last - 1]) / (tracks.frame[last] - tracks.frame[last - 1])
        if not -0.5 <= values[last] + step <= length - 0.5:
            return True
    return False


def _units(tracks: Tracks) -> tuple[float, tuple[float, float]]:
    """Minutes a frame and µm a pixel (Y, X), NaN if unknown."""
    minutes = np.nan if tracks.interval_min is None else tracks.interval_min
    return minutes, tracks.pixel_size_um or (np.nan, np.nan)


def _length(vectors: Floats) -> Floats:
    """The length (N,) of vectors (N, 2)."""
    return np.asarray(np.hypot(vectors[:, 0], vectors[:, 1]))


def _sum_by_track(values: Floats, first: Ints) -> Floats:
    """The sum (M,) of each track's values, without those of first cells, which are NaN."""
    known = values.copy()
    known[first] = 0.0
    return np.add.reduceat(known, first) if len(first) else np.zeros(0)
