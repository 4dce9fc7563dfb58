"""The truth of a drawn movie as the Cell Tracking Challenge states it: label images and a table of tracks.

A track has its label in every frame from its first to its last: a cell that leaves the field or is hidden ends its track,
and begins another one if it comes back.

Source: Maška et al., "The Cell Tracking Challenge: 10 years of objective benchmarking", Nature Methods 20, 2023.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecell_monai.data.samples.movie_life import Life

ENTRY = 80  #: px of a cell that are seen before it gets a label: a sliver that wavers at the edge is not many tracks
SLIVER = 40  #: px of a cell that has one; below, its track ends


@dataclass
class Track:
    """A cell while it is seen."""

    label: int  #: from 1
    life: Life
    first: int  #: frame
    last: int  #: frame, included
    parent: int  #: label of the mother's track, 0 if there is none
    is_cut: bool  #: by the border of the field, in its last frame


class TruthTracks:
    """Turns the cells of one frame after the other into labels."""

    def __init__(self, lives: Sequence[Life]) -> None:
        self._lives = lives
        self._open: dict[int, Track] = {}  # tracks of the last frame by number of the cell
        self.tracks: list[Track] = []  #: by label
        self.counts: list[int] = []  #: labels of each frame

    def add(self, cells: NDArray[np.int32]) -> NDArray[np.uint16]:
        """The labels (Y, X) of the next frame from the numbers (Y, X) of its cells."""
        frame, before = len(self.counts), self._open
        sizes = np.bincount(cells.ravel(), minlength=len(self._lives) + 1)
        rims = np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]])
        is_cut = np.bincount(rims, minlength=len(sizes)) > 0
        labels = np.zeros(len(sizes), dtype=np.uint16)
        self._open = {}
        for number in (np.flatnonzero(sizes[1:] >= SLIVER) + 1).tolist():
            track = before.get(number)
            if track is None and sizes[number] < ENTRY:
                continue
            if track is None:
                track = self._begin(self._lives[number - 1], frame, before)
            track.last, track.is_cut = frame, bool(is_cut[number])
            self._open[number] = track
            labels[number] = track.label
        self.counts.append(len(self._open))
        return labels[cells]

    def _begin(self, life: Life, frame: int, before: dict[int, Track]) -> Track:
        """A new track; a daughter in her first frame has a parent if the mother was seen in the frame before."""
        mother = before.get(life.parent) if life.born == frame else None
        track = Track(len(self.tracks) + 1, life, frame, frame, mother.label if mother else 0, False)
        self.tracks.append(track)
        return track

    def write_lines(self) -> str:
        """The text of `man_track.txt`: label, first frame, last frame, parent."""
        return "".join(f"{track.label} {track.first} {track.last} {track.parent}\n" for track in self.tracks)

    def list_rows(self) -> list[dict[str, int | str]]:
        """A row for each track: with how it ended, in words."""
        return [
            {
                "label": track.label,
                "first_frame": track.first,
                "last_frame": track.last,
                "parent": track.parent,
                "fate": self._describe_end(track),
            }
            for track in self.tracks
        ]

    def count_divisions(self) -> int:
        """The divisions of which mother and both daughters are seen."""
        parents = [track.parent for track in self.tracks if track.parent]
        return len(parents) - len(set(parents))

    def _describe_end(self, track: Track) -> str:
        if track.last == len(self.counts) - 1:
            return "end of movie"
        if track.life.gone is not None and track.life.gone <= track.last + 1:
            return "died" if track.life.dies else "divided"
        return "left the field" if track.is_cut else "hidden"
