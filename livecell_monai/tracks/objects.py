"""The objects of a movie of labels: measured one frame at a time, so that only their table grows with the movie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels
from livecell_monai.tracks.drift import DriftEstimator
from livecell_monai.tracks.tracks import Floats, Frames, Ints

#: names of the columns of a table of objects
NAMES = ("frame", "label", "y", "x", "area", "intensity", "touches_border")
MOST_OBJECTS = 200_000  #: in a frame; more are grey values, not ids
_DENSE = 2**22  # greatest id that is counted without sorting the pixels


class Labels(Frames, Protocol):
    """A movie of labels with what its file states, such as `movie.LabelMovie`."""

    name: str
    shape: tuple[int, int]
    interval_min: float | None
    pixel_size_um: tuple[float, float] | None
    missing: tuple[int, ...]


@dataclass(frozen=True)
class Objects:
    """The objects of a movie, in order of (frame, label); arrays have one entry an object, see `Tracks`."""

    frame: Ints
    label: Ints
    y: Floats
    x: Floats
    area: Floats
    intensity: Floats
    touches_border: NDArray[np.bool_]
    pairs: Ints  #: (2, N), indices of two objects of neighbouring given frames that share pixels, without drift
    shared: Floats  #: (N,), px that they share
    drift: Floats  #: (frames, 2), see `Tracks`
    frames: int
    missing: tuple[int, ...]
    joined: Ints = field(default_factory=lambda: np.zeros((0, 3), np.int64))  #: (N, 3), see `Tracks`
    channels: Mapping[str, Floats] = field(default_factory=dict)  #: see `Tracks`

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def places(self) -> Floats:
        """(N, 2) centroids (y, x), corrected for drift."""
        return np.stack([self.y, self.x], axis=1) - self.drift[self.frame]

    def given(self) -> list[int]:
        """The frames that are not missing."""
        return sorted(set(range(self.frames)) - set(self.missing))


def measure_objects(
    labels: Labels,
    images: Frames | None = None,
    correct_drift: bool = True,
    channels: Mapping[str, Frames] | None = None,
) -> Objects:
    """Measure every object of a movie; two frames are in memory at a time.

    Args:
        labels: the movie of label images.
        images: the grey movie of the same frames, for the mean intensity and the drift; None: intensity is NaN, and the
            drift is estimated from the foreground. Pixels that are not finite and frames that it lacks are left out.
        correct_drift: estimate drift; otherwise it is 0.
        channels: all channels of the movie by name, for the mean intensity in each.
    """
    others: dict[str, list[Floats]] = {name: [] for name in channels or {}}
    tables: list[tuple[NDArray[Any], ...]] = []
    pairs: list[Ints] = []
    shared: list[Ints] = []
    drift, position = np.zeros((len(labels), 2)), np.zeros(2)
    estimator, before, first, total = DriftEstimator(), None, 0, 0
    for index in range(len(labels)):
        if index in labels.missing:
            drift[index] = position
            continue
        frame = labels[index]
        is_missing = index in getattr(images, "missing", ())
        image = None if images is None or is_missing else images[index]
        # without its grey image a frame is not compared: the next one is, with the one before
        step = np.array(estimator.follow(frame > 0, image) if correct_drift and not is_missing else (0.0, 0.0))
        position = position + step
        drift[index] = position
        ids, table = measure_frame(frame, image)
        if len(ids) > MOST_OBJECTS:
            raise DataError(
                f"{labels.name}: a frame must have at most {MOST_OBJECTS:,} objects, got {len(ids):,} in frame {index}; "
                "give label images, not grey images"
            )
        for name, means in others.items():
            plane = None if is_missing else (channels or {})[name][index]
            means.append(measure_frame(frame, plane)[1][3].astype(np.float64))
        order = _order(frame, ids)
        if before is not None:
            both, pixels = count_shared(before, order, np.rint(step).astype(int))
            pairs.append(both + np.array([[first], [total]]))
            shared.append(pixels)
        tables.append((np.full(len(ids), index), ids, *table))
        before, first, total = order, total, total + len(ids)
    none = (np.zeros(0),) * 7
    columns = [np.concatenate(column) for column in zip(none, *tables, strict=True)]
    kinds = (np.int64, np.int64, np.float64, np.float64, np.float64, np.float64, np.bool_)
    found: dict[str, Any] = dict(zip(NAMES, map(np.ndarray.astype, columns, kinds), strict=True))
    found["pairs"] = np.concatenate([np.zeros((2, 0), np.int64), *pairs], axis=1)
    found["shared"] = np.concatenate([np.zeros(0), *shared])
    found["channels"] = {name: np.concatenate([np.zeros(0), *means]) for name, means in others.items()}
    return Objects(**found, drift=drift, frames=len(labels), missing=labels.missing)


def measure_frame(frame: Pixels, image: Pixels | None = None) -> tuple[Ints, tuple[NDArray[np.generic], ...]]:
    """The ids of a label image (Y, X), ascending, and y, x, area, mean intensity and whether each touches the border."""
    ids = _list_ids(frame)
    rows, columns = np.nonzero(frame)
    place = _order(frame, ids)[rows, columns] - 1
    count = len(ids)
    area = np.bincount(place, minlength=count).astype(np.float64)
    y, x = (np.bincount(place, axis, count) / area for axis in (rows, columns))
    grey = np.full(count, np.nan)
    if image is not None:
        values = image[rows, columns].astype(np.float64)
        known = np.isfinite(values)  # not the margins of a registered movie
        sums, pixels = np.bincount(place[known], values[known], count), np.bincount(place[known], minlength=count)
        grey = np.divide(sums, pixels, out=grey, where=pixels > 0)
    sides = np.concatenate([frame[0], frame[-1], frame[:, 0], frame[:, -1]])
    return ids, (y, x, area, grey, np.isin(ids, sides))


def count_shared(before: Pixels, after: Pixels, step: NDArray[np.int64]) -> tuple[Ints, Ints]:
    """Pairs (2, N) of indices from 0, and the pixels that both share if `after` is moved back by a step (y, x).

    Both are label images with ids 1..N without gaps.
    """
    y, x = int(step[0]), int(step[1])
    rows, columns = before.shape
    if abs(y) >= rows or abs(x) >= columns:
        return np.zeros((2, 0), np.int64), np.zeros(0, np.int64)
    old = before[max(0, -y) : rows - max(0, y), max(0, -x) : columns - max(0, x)]
    new = after[max(0, y) : rows + min(0, y), max(0, x) : columns + min(0, x)]
    both = (old > 0) & (new > 0)
    width = int(after.max(initial=0)) + 1
    keys, counts = np.unique(old[both].astype(np.int64) * width + new[both], return_counts=True)
    return np.stack(np.divmod(keys, width)) - 1, counts


def _list_ids(frame: Pixels) -> Ints:
    highest = int(frame.max(initial=0))
    if highest < _DENSE:
        return np.flatnonzero(np.bincount(frame.ravel(), minlength=1)[1:]) + 1
    return np.unique(frame[frame > 0]).astype(np.int64)


def _order(frame: Pixels, ids: Ints) -> NDArray[np.int32]:
    """The label image with ids 1..N in order of its own."""
    highest = int(ids[-1]) if len(ids) else 0
    if highest < _DENSE:
        table = np.zeros(highest + 1, np.int32)
        table[ids] = np.arange(1, len(ids) + 1)
        return table[frame]
    found = np.searchsorted(ids, frame) + 1
    return np.where(frame > 0, found, 0).astype(np.int32)
