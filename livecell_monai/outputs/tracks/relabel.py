"""Label images whose ids are those of tracks, made frame by frame from label images whose ids are of one frame."""

from collections.abc import Iterator

import numpy as np

from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels
from livecell_monai.tracks.tracks import Frames, Ints, Tracks

_DENSE = 2**22  # greatest id that is looked up without sorting the pixels


class MissingLabelError(DataError):
    """A label image lacks a cell of the tracks."""

    def __init__(self, name: str, frame: int, label: int) -> None:
        super().__init__(
            f"{name}: frame {frame} of the label images must have every cell of the tracks, got none of id {label}; give "
            "those that were linked"
        )
        self.frame, self.label = frame, label


def relabel_frames(tracks: Tracks, labels: Frames, ids: Ints | None = None) -> Iterator[Pixels]:
    """Each frame (Y, X) int64 with the id of the track in each cell, 0 elsewhere; one frame is in memory.

    Args:
        tracks: the movie.
        labels: its label images, those that were linked.
        ids: (N,), the new id of each entry; None for its track.

    Raises a DataError if the label images are not those of the tracks: other frames, another size, or a cell is missing.
    """
    if len(labels) != tracks.frames:
        raise DataError(
            f"{tracks.name}: expected {tracks.frames} label images, got {len(labels)}; give those that were linked"
        )
    ids = tracks.track if ids is None else ids
    order = np.argsort(tracks.frame, kind="stable")
    ends = np.searchsorted(tracks.frame[order], np.arange(tracks.frames + 1))
    for frame in range(tracks.frames):
        chosen = order[ends[frame] : ends[frame + 1]]
        old, new = tracks.label[chosen], ids[chosen]
        pieces = tracks.joined[(tracks.joined[:, 0] == frame) & np.isin(tracks.joined[:, 2], old)]
        place = np.argsort(old)[np.searchsorted(np.sort(old), pieces[:, 2])]
        old, new = np.concatenate([pieces[:, 1], old]), np.concatenate([new[place], new])
        yield _relabel(tracks, frame, labels[frame], old, new)


def _relabel(tracks: Tracks, frame: int, plane: Pixels, old: Ints, new: Ints) -> Pixels:
    """One frame with new ids in place of old ones, other labels become background."""
    if plane.shape != tracks.shape:
        raise DataError(
            f"{tracks.name}: frame {frame} of the label images must have {tracks.shape[0]} x {tracks.shape[1]} pixels, got "
            f"{' x '.join(map(str, plane.shape))}; give those that were linked"
        )
    labels = old
    if plane.max(initial=0) >= _DENSE:
        found, places = np.unique(plane, return_inverse=True)
        at = np.searchsorted(found, old).clip(max=len(found) - 1)
        plane, old = places.reshape(plane.shape), np.where(found[at] == old, at, len(found))
    highest = int(plane.max(initial=0))
    is_there = np.bincount(plane.ravel(), minlength=1)[old.clip(max=highest)] > 0
    if len(missing := labels[~is_there | (old > highest)]):
        raise MissingLabelError(tracks.name, frame, int(missing[0]))
    table = np.zeros(highest + 1, np.int64)
    table[old] = new
    return np.asarray(table[plane])
