"""Scores of tracks against a truth: TRA, DET, SEG, LNK, CHOTA and the F1 of divisions, by py-ctcmetrics.

Sources: Maška et al., "The Cell Tracking Challenge: 10 years of objective benchmarking", Nature Methods 20, 2023 (TRA, DET,
SEG, LNK); Kaiser et al., "CHOTA: A Higher Order Accuracy Metric for Cell Tracking", 2024; Ulman et al., "An objective
comparison of cell-tracking algorithms", Nature Methods 14, 2017 (divisions).
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecell_monai.data.readers.kinds import read_label
from livecell_monai.errors import DataError, SettingError
from livecell_monai.metrics.summary import measure_mean
from livecell_monai.sample import Pixels
from livecell_monai.tracks.tracks import Frames, Ints

NAMES = ("TRA", "DET", "SEG", "LNK", "CHOTA", "division_F1")  #: each in [0, 1], higher is better
COUNTS = ("divisions", "divisions_found", "divisions_false")  #: in the truth; right ones and wrong ones of the result
DIVISION_FRAMES = 1  #: by which a division may be early or late
BLOCK = 10  #: frames of a block, of which a movie's intervals are made
_COVERED = 0.5  # of a true cell, above which a result's cell is its match
_LEAST_FRAMES = 2
Scores = dict[str, float | None]


@dataclass
class Matches:
    """The cells of truth and result, and which of them match, by frame: lists of ids, ascending."""

    true: list[list[int]] = field(default_factory=list)
    found: list[list[int]] = field(default_factory=list)
    matched_true: list[list[int]] = field(default_factory=list)  #: of each match
    matched_found: list[list[int]] = field(default_factory=list)
    iou: list[list[float]] = field(default_factory=list)
    #: with the truth's own label images for SEG, empty in frames without one; None if SEG is of the same label images
    segmented: "Matches | None" = None

    def __len__(self) -> int:
        return len(self.true)

    def add(self, truth: Pixels, result: Pixels) -> None:
        """Add the next frame: label images (Y, X) of one shape, whose ids are those of tracks."""
        inside = np.flatnonzero((truth > 0).ravel() | (result > 0).ravel())
        width = int(result.max(initial=0)) + 1
        keys = truth.ravel()[inside].astype(np.int64) * width + result.ravel()[inside]
        keys, shared = np.unique(keys, return_counts=True)
        pairs = np.stack(np.divmod(keys, width))
        sides = [np.unique(side[side > 0]) for side in pairs]
        areas = [{int(one): int(shared[side == one].sum()) for one in ids} for side, ids in zip(pairs, sides, strict=True)]
        keep = (pairs > 0).all(axis=0)
        rows = []
        for one, other, pixels in zip(*pairs[:, keep].tolist(), shared[keep].tolist(), strict=True):
            if pixels > _COVERED * areas[0][one]:
                rows.append((one, other, pixels / (areas[0][one] + areas[1][other] - pixels)))
        self.true.append(sides[0].tolist())
        self.found.append(sides[1].tolist())
        self.matched_true.append([row[0] for row in rows])
        self.matched_found.append([row[1] for row in rows])
        self.iou.append([row[2] for row in rows])

    def part(self, frames: slice) -> "Matches":
        """Some of the frames."""
        matched = self.matched_true[frames], self.matched_found[frames]
        segmented = None if self.segmented is None else self.segmented.part(frames)
        return Matches(self.true[frames], self.found[frames], *matched, self.iou[frames], segmented)


def check_ctc_metrics() -> None:
    """Check that the extra `track` is installed; else a SettingError."""
    try:
        importlib.import_module("ctc_metrics")
    except ImportError as error:
        raise SettingError(
            "scores of tracks need py-ctcmetrics, which is not installed; pip install 'livecell-monai[track]'"
        ) from error


def match_movies(truth: Frames, result: Frames, name: str, outlines: Mapping[int, Path] | None = None) -> Matches:
    """The matches of two movies of label images, read frame by frame; a DataError if they are not of the same frames.

    `outlines` are the truth's label images for SEG by frame, where those of its tracks are only markers.
    """
    got, expected = ((len(one), *one[0].shape) for one in (result, truth))
    if got != expected:
        shown = ["{} frames of {} x {}".format(*one) for one in (expected, got)]
        raise DataError(
            f"{name}: a result must have the frames of its truth, {shown[0]}, got {shown[1]}; give those of one movie"
        )
    if len(truth) < _LEAST_FRAMES:
        raise DataError(
            f"{name}: links are scored over two frames or more, got {len(truth)}; use livecell evaluate for one image"
        )
    matches = Matches(segmented=Matches() if outlines else None)
    for index in range(len(truth)):
        plane = result[index]
        matches.add(truth[index], plane)
        if outlines and matches.segmented is not None:
            matches.segmented.add(_read_outlines(outlines.get(index), plane.shape), plane)
    if not any(matches.true):
        raise DataError(f"{name}: a truth must have cells, got none in {len(matches)} frames; give another one")
    return matches


def _read_outlines(path: Path | None, shape: tuple[int, ...]) -> Pixels:
    """The label image of a frame (Y, X); all 0 without one."""
    if path is None:
        return np.zeros(shape, np.uint16)
    label = read_label(path)
    if label.shape != shape:
        raise DataError(
            f"{path}: must have {shape[0]} x {shape[1]} pixels as the frames, got {label.shape[0]} x {label.shape[1]}; give "
            "that of the same movie"
        )
    return np.maximum(label, 0)


def score_tracks(matches: Matches, true_parents: Mapping[int, int], found_parents: Mapping[int, int]) -> Scores:
    """The scores `NAMES` and the numbers `COUNTS` of a movie; a score is None where it is not defined.

    Args:
        matches: of the movie.
        true_parents: child -> parent of the truth.
        found_parents: of the result.
    """
    from ctc_metrics.scripts.evaluate import calculate_metrics

    outlined = matches if matches.segmented is None else matches.segmented
    check = _list_tracks(matches.true, true_parents), _list_tracks(matches.found, found_parents)
    if not len(check[1][0]):
        divisions = _count_divisions(check[0][0])
        empty: Scores = dict.fromkeys(NAMES, 0.0)
        if not any(outlined.true):
            empty["SEG"] = None
        empty["division_F1"] = 0.0 if divisions else None
        return {**empty, "divisions": divisions, "divisions_found": 0, "divisions_false": 0}
    (true, true_ids), (found, found_ids) = check
    traj = {
        "labels_ref": _renumber(matches.true, true_ids),
        "labels_comp": _renumber(matches.found, found_ids),
        "mapped_ref": _renumber(matches.matched_true, true_ids),
        "mapped_comp": _renumber(matches.matched_found, found_ids),
    }
    segm: dict[str, Any] = {"labels_ref": outlined.true, "ious": outlined.iou}
    wanted = ["DET", "TRA", "CHOTA", "BC"] + (["LNK"] if _has_links(matches.true) else [])
    wanted += ["SEG"] if any(outlined.true) else []
    done = calculate_metrics(found, true, traj, segm, wanted, True)
    kind = f"({DIVISION_FRAMES})"
    scores: Scores = {name: float(done[name]) if name in wanted else None for name in NAMES[:-1]}
    right, false, missed = (int(done[f"{name}_div{kind}"]) for name in ("tp", "fp", "fn"))
    scores["division_F1"] = None if right + missed == 0 else 2 * right / (2 * right + false + missed)
    return {**scores, "divisions": right + missed, "divisions_found": right, "divisions_false": false}


def measure_intervals(scores: Sequence[Scores]) -> dict[str, tuple[float, list[float] | None, int]]:
    """Of each score that is defined: the mean over movies or blocks, its 95 % interval (None below 3), and their number."""
    found = {}
    for name in NAMES:
        values = [value for one in scores if (value := one[name]) is not None]
        if values:
            found[name] = (*measure_mean(values), len(values))
    return found


def score_blocks(
    matches: Matches, true_parents: Mapping[int, int], found_parents: Mapping[int, int], frames: int = BLOCK
) -> list[Scores]:
    """The scores of each block of so many frames with cells; the last may have nearly twice as many."""
    starts = list(range(0, max(1, len(matches) - frames + 1), frames))
    parts = [matches.part(slice(start, stop)) for start, stop in zip(starts, [*starts[1:], None], strict=True)]
    return [score_tracks(part, true_parents, found_parents) for part in parts if any(part.true)]


def _list_tracks(ids: Iterable[Sequence[int]], parents: Mapping[int, int]) -> tuple[Ints, Ints]:
    """`L B E P` (N, 4) of each track that is there, its ids numbered from 1; and those ids (N,) in order."""
    spans: dict[int, list[int]] = {}
    for frame, here in enumerate(ids):
        for one in here:
            spans.setdefault(one, [frame, frame])[1] = frame
    order = sorted(spans)
    number = {one: place for place, one in enumerate(order, start=1)}
    rows = []
    for one in order:
        parent = parents.get(one, 0)
        before = parent in spans and spans[parent][1] < spans[one][0]
        rows.append((number[one], *spans[one], number[parent] if before else 0))
    return np.array(rows, np.int64).reshape(-1, 4), np.array(order, np.int64)


def _renumber(ids: Iterable[Sequence[int]], order: NDArray[np.int64]) -> list[list[int]]:
    return [(np.searchsorted(order, here) + 1).tolist() for here in ids]


def _has_links(ids: Sequence[Sequence[int]]) -> bool:
    return any(set(before) & set(after) for before, after in pairwise(ids))


def _count_divisions(tracks: Ints) -> int:
    parents = tracks[:, 3][tracks[:, 3] > 0]
    return int((np.unique(parents, return_counts=True)[1] > 1).sum())
