"""Cells of a movie, linked over time: what linking returns and every output reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livecell_monai.sample import Pixels

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NO_LIMITS: "tuple[Limit, ...]" = ()


class Frames(Protocol):
    """A movie of label images or grey images, read one frame at a time."""

    def __len__(self) -> int:
        """How many frames, with those that are missing."""

    def __getitem__(self, index: int) -> Pixels:
        """The frame (Y, X) of an index from 0; all zero if the frame is missing."""


@dataclass(frozen=True)
class Limit:
    """A limit of linking, measured from the movie or set by the user."""

    name: str  #: as the command's option: `greatest_step`
    value: float
    unit: str  #: `px`, `frames`, `degrees`, or empty for a ratio
    reason: str  #: why this value, in words

    def __str__(self) -> str:
        return f"{self.name} = {self.value:g}{self.unit and ' ' + self.unit}: {self.reason}"


@dataclass(frozen=True)
class Tracks:
    """Cells of a movie, linked over time.

    Arrays have one entry a cell and frame, sorted by (track, frame).
    """

    track: Ints  #: ids from 1
    frame: Ints  #: index in the movie, from 0
    label: Ints  #: id in the label image of that frame
    y: Floats  #: px, centroid on the image grid, not corrected for drift
    x: Floats  #: px
    area: Floats  #: px
    intensity: Floats  #: mean grey value, NaN without images
    touches_border: NDArray[np.bool_]
    confidence: Floats  #: in [0, 1], of the link to the previous frame; NaN for the first cell of a track
    parents: dict[int, int]  #: child track -> parent track
    name: str
    frames: int
    shape: tuple[int, int]  #: (Y, X) of a frame
    interval_min: float | None  #: None if unknown
    pixel_size_um: tuple[float, float] | None  #: (Y, X), None if unknown
    drift: Floats  #: (frames, 2), px, how far each frame is shifted against the first (y, x)
    limits: tuple[Limit, ...] = NO_LIMITS
    missing: tuple[int, ...] = field(default=())  #: frames of the movie that were not given
    #: (N, 3): frame and label of a piece, and the label of the cell in that frame that it was joined to
    joined: Ints = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    #: mean grey value (N,) in each channel by its name, one entry a cell and frame; empty if the movie has one channel
    channels: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.track)

    @property
    def ids(self) -> Ints:
        """The ids of the tracks, ascending."""
        return np.unique(self.track)

    def spans(self) -> Iterator[tuple[int, slice]]:
        """Each track with the slice of its entries, in order of the ids."""
        ids, starts = np.unique(self.track, return_index=True)
        for track, start, stop in zip(ids, starts, np.append(starts, len(self.track))[1:], strict=True):
            yield int(track), slice(int(start), int(stop))

    def children(self) -> dict[int, list[int]]:
        """Parent track -> its children, ascending."""
        found: dict[int, list[int]] = {}
        for child, parent in sorted(self.parents.items()):
            found.setdefault(parent, []).append(child)
        return found


#: names of the arrays of `Tracks` with one entry a cell and frame
ENTRIES = tuple(one.name for one in fields(Tracks))[:9]
