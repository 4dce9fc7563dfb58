"""The best set of links, by the linear assignments of laptrack.

Source: Jaqaman et al., "Robust single-particle tracking in live-cell time-lapse sequences", Nature Methods 5, 2008.

The loop of laptrack over a movie asks a Python function for the cost of every pair of objects of two frames, and compares
every track with every other; here its matrices are filled with the pairs that are near each other only, see decision 27.
"""

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from livecell_monai.errors import SettingError
from livecell_monai.tracks.tracks import Floats, Ints

_NO_LINK = 1.0  # cost of an end, a start, or no division; a link is made if it costs less
_TOGETHER = 1000  # segments that are assigned at once, unless more of them depend on each other


def check_laptrack() -> None:
    """Check that the extra `track` is installed; else a SettingError."""
    try:
        importlib.import_module("laptrack")
    except ImportError as error:
        raise SettingError(
            "linking cells needs laptrack, which is not installed; pip install 'livecell-monai[track]'"
        ) from error


def assign_frames(rows: Ints, columns: Ints, costs: Floats, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which of the possible links between two frames are made, (N,) bool.

    Args:
        rows: (N,) indices from 0 of objects of the first frame.
        columns: (N,) of objects of the second frame.
        costs: (N,) in [0, 1).
        shape: number of objects of both frames.
    """
    if not len(costs):
        return np.zeros(0, bool)
    from laptrack._cost_matrix import build_frame_cost_matrix
    from laptrack._optimization import lap_optimization

    matrix = build_frame_cost_matrix(
        _matrix(rows, columns, costs, shape), track_start_cost=_NO_LINK, track_end_cost=_NO_LINK
    )
    assigned = lap_optimization(matrix)[0]
    chosen: NDArray[np.bool_] = assigned[rows] == columns
    return chosen


def assign_segments(
    gaps: tuple[Ints, Ints, Floats], divisions: tuple[Ints, Ints, Floats], segments: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the possible links between tracks, and which divisions, are made.

    Args:
        gaps: track that ends, track that starts, cost in [0, 1).
        divisions: track that starts, mother as any number from 0, cost in [0, 1).
        segments: number of tracks.
    """
    made = np.zeros(len(gaps[2]), bool), np.zeros(len(divisions[2]), bool)
    for gap, division in _list_groups(gaps, divisions, segments):
        tracks, places = np.unique(np.concatenate([gaps[0][gap], gaps[1][gap], divisions[0][division]]), return_inverse=True)
        mothers, mother = np.unique(divisions[1][division], return_inverse=True)
        count = int(gap.size)
        ends, starts, daughters = places[:count], places[count : 2 * count], places[2 * count :]
        links = _matrix(ends, starts, gaps[2][gap], (len(tracks), len(tracks)))
        splits = _matrix(daughters, mother, divisions[2][division], (len(tracks), len(mothers)))
        forward, backward = _solve_segments(links, splits)
        made[0][gap] = forward[ends] == starts
        made[1][division] = backward[daughters] == len(tracks) + mother
    return made


def _solve_segments(links: Any, splits: Any) -> tuple[Ints, Ints]:
    from laptrack._cost_matrix import build_segment_cost_matrix
    from laptrack._optimization import lap_optimization

    none = np.zeros(0, np.int64)
    merges = _matrix(none, none, np.zeros(0), (links.shape[0], 0))
    matrix = build_segment_cost_matrix(links, splits, merges, *[_NO_LINK] * 4)
    assigned: tuple[Ints, Ints] = lap_optimization(matrix)
    return assigned


def _list_groups(
    gaps: tuple[Ints, Ints, Floats], divisions: tuple[Ints, Ints, Floats], segments: int
) -> Iterator[tuple[Ints, Ints]]:
    """Indices of gaps and divisions that are assigned together: those of the same tracks or mothers, and some more.

    So time grows linearly with the number of tracks.
    """
    mothers, mother = np.unique(divisions[1], return_inverse=True)
    # a track has two places: its end, and its start
    rows = np.concatenate([gaps[0], 2 * segments + mother]).astype(np.int64)
    columns = np.concatenate([gaps[1], divisions[0]]).astype(np.int64) + segments
    size = 2 * segments + len(mothers)
    group = connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), (size, size)), directed=False)[1][columns]
    _, group, counts = np.unique(group, return_inverse=True, return_counts=True)
    batch = (np.cumsum(counts) // _TOGETHER)[group]
    for each in np.unique(batch):
        chosen = np.flatnonzero(batch == each)
        yield chosen[chosen < len(gaps[0])], chosen[chosen >= len(gaps[0])] - len(gaps[0])


def _matrix(rows: Ints, columns: Ints, costs: Floats, shape: tuple[int, int]) -> Any:
    from laptrack._coo_matrix_builder import coo_matrix_builder

    return coo_matrix_builder(shape, row=rows, col=columns, data=costs, dtype=np.float64)
