"""`ctc/`: the tracks in the form of the Cell Tracking Challenge, which needs every track in each of its frames.

A track with a gap therefore becomes several, each the parent of the next: the format has no other way to say so.

Source: Maška et al., "The Cell Tracking Challenge: 10 years of objective benchmarking", Nature Methods 20, 2023.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np

from livecell_monai.data.plane_files import write_plane
from livecell_monai.errors import DataError
from livecell_monai.runs.atomic import make_folder, write_file
from livecell_monai.sample import Pixels
from livecell_monai.tracks.tracks import Ints, Tracks

MOST_TRACKS = np.iinfo(np.uint16).max  #: the label images have 16 bits
FOLDER, TEXT = "ctc", "res_track.txt"


class TooManyTracksError(DataError):
    """A movie has more tracks than the format can hold."""


def split_at_gaps(tracks: Tracks) -> tuple[Ints, dict[int, int]]:
    """The new id (N,) of each entry, and the parent of each new id.

    A track keeps its id up to its first gap; what follows a gap gets the next free id. A child descends from the last part.

    Raises a TooManyTracksError if there are more ids than 16 bits hold.
    """
    new_part = (np.diff(tracks.track, prepend=-1) == 0) & (np.diff(tracks.frame, prepend=-1) > 1)
    extra = int(tracks.track.max(initial=0)) + np.cumsum(new_part)
    ids = tracks.track.copy()
    parents: dict[int, int] = {}
    last: dict[int, int] = {}
    for track, span in tracks.spans():
        starts = [*np.flatnonzero(new_part[span]) + span.start, span.stop]
        last[track] = track
        for start, stop in pairwise(starts):
            ids[start:stop] = extra[start]
            parents[int(extra[start])], last[track] = last[track], int(extra[start])
    parents |= {child: last[parent] for child, parent in tracks.parents.items()}
    if ids.max(initial=0) > MOST_TRACKS:
        raise TooManyTracksError(
            f"{tracks.name}: a CTC folder must have at most {MOST_TRACKS:,} ids of tracks, got {ids.max():,}; leave it out"
        )
    return ids, parents


class CtcFolder:
    """Writes `mask000.tif` and so on, (Y, X) uint16, and `res_track.txt` with one line `L B E P` a track."""

    name = FOLDER

    def __init__(self, tracks: Tracks, folder: Path) -> None:
        self.ids, self.parents = split_at_gaps(tracks)  # first: it may fail
        self._tracks, self._folder = tracks, make_folder(folder / FOLDER)
        self._is_later = self.ids != tracks.track  # behind a gap
        self._digits = max(3, len(str(tracks.frames - 1)))

    def append(self, frame: int, plane: Pixels) -> None:
        """Write a frame, given the ids (Y, X) of its tracks; after the last one the text. A DataError if that fails."""
        here = self._is_later & (self._tracks.frame == frame)
        table = np.arange(int(self._tracks.track.max(initial=0)) + 1, dtype=np.uint16)
        table[self._tracks.track[here]] = self.ids[here]
        path = self._folder / f"mask{frame:0{self._digits}d}.tif"
        write_plane(path, table[plane], self._tracks.pixel_size_um)
        if frame == self._tracks.frames - 1:
            write_file(self._folder / TEXT, self._list_tracks())

    def _list_tracks(self) -> str:
        order = np.lexsort((self._tracks.frame, self.ids))
        ids, first, count = np.unique(self.ids[order], return_index=True, return_counts=True)
        frames = self._tracks.frame[order]
        rows = zip(ids.tolist(), frames[first].tolist(), frames[first + count - 1].tolist(), strict=True)
        return "".join(f"{track} {born} {ended} {self.parents.get(track, 0)}\n" for track, born, ended in rows)
