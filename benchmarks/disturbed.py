"""A movie of label images, made worse as a segmentation would: objects missing, merged, or split for some frames."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from livecell_monai.sample import Pixels
from livecell_monai.tracks.objects import measure_frame
from livecell_monai.tracks.tracks import Frames

LONGEST = 3  # frames for which an object stays split; each length from 1 is as likely
_OFF_CENTRE = 0.15  # of the square root of the area, greatest distance of a cut from the centroid


class Disturbed:
    """A movie of labels with objects removed, split, and pairs merged at random, and ids that say nothing.

    Args:
        movie: of which an id is the same cell in all frames.
        removed: share of the objects in a frame.
        merged: share of the pairs of nearest objects.
        split: share of the objects that are in two pieces, cut across their long axis, for 1 to `LONGEST` frames.
        seed: the same seed gives the same movie.
    """

    def __init__(self, movie: Frames, removed: float = 0, merged: float = 0, split: float = 0, seed: int = 0) -> None:
        self.name = "disturbed"
        self.interval_min: float | None = None
        self.pixel_size_um: tuple[float, float] | None = None
        self.missing: tuple[int, ...] = ()
        self.shape = (movie[0].shape[0], movie[0].shape[1])
        self._movie, self._rng = movie, np.random.default_rng(seed)
        self._left: dict[int, tuple[int, float]] = {}  # split object -> frames that it stays split, place of the cut
        #: of each frame, the id of the object that each true one has become, the larger piece; 0 if it was removed
        self.became: list[dict[int, int]] = []
        self.pieces: list[dict[int, int]] = []  #: of each frame, the id of each smaller piece by its true object
        self._cuts: list[dict[int, float]] = []
        self._tables = [self._disturb(movie[index], removed, merged, split) for index in range(len(movie))]

    def __len__(self) -> int:
        return len(self._movie)

    def __getitem__(self, index: int) -> Pixels:
        frame = self._movie[index]
        found = self._tables[index][frame]
        for one, offset in self._cuts[index].items():
            found[cut(frame == one, offset)] = self.pieces[index][one]
        return found

    def _disturb(self, frame: Pixels, removed: float, merged: float, split: float) -> NDArray[np.int32]:
        ids, (y, x, area, _, _) = measure_frame(frame)
        table = np.zeros(int(ids.max()) + 1, np.int32)
        table[ids] = self._rng.permutation(len(ids)) + 1
        places = np.stack([y, x], axis=1)
        nearest = KDTree(places).query(places, k=2)[1][:, 1]
        for one in np.flatnonzero(self._rng.random(len(ids)) < merged / 2):  # a pair is that of either of its objects
            table[ids[one]] = table[ids[nearest[one]]]
        table[ids[self._rng.random(len(ids)) < removed]] = 0
        cuts = self._choose_cuts(frame, ids[table[ids] > 0], split) if split else {}
        self._cuts.append(cuts)
        self.pieces.append({one: len(ids) + place for place, one in enumerate(cuts, start=1)})
        order = ids[np.argsort(area)]  # of two true ones of an object, the larger comes last
        self.became.append(dict(zip(order.tolist(), table[order].tolist(), strict=True)))
        return table

    def _choose_cuts(self, frame: Pixels, ids: NDArray[np.int64], split: float) -> dict[int, float]:
        """Where each object that is split is cut, as in `cut`, so that the piece beyond is the smaller one."""
        starts = self._rng.random(len(ids)) < 2 * split / (LONGEST + 1)
        lengths, offsets = self._rng.integers(1, LONGEST + 1, len(ids)), self._rng.uniform(0, _OFF_CENTRE, len(ids))
        for one, is_new, length, offset in zip(ids.tolist(), starts, lengths.tolist(), offsets.tolist(), strict=True):
            if is_new and one not in self._left:
                self._left[one] = length, offset
        cuts = {one: self._left[one][1] for one in ids.tolist() if one in self._left}
        self._left = {one: (left - 1, offset) for one, (left, offset) in self._left.items() if left > 1}
        for one, offset in cuts.items():
            mask = frame == one
            cuts[one] = offset if 2 * cut(mask, offset).sum() <= mask.sum() else -offset
        return cuts


def cut(mask: NDArray[np.bool_], offset: float) -> NDArray[np.bool_]:
    """What lies beyond a cut across the long axis of a mask (Y, X), or for a negative offset before it.

    The cut is `offset` times the square root of the area from the centroid.
    """
    rows, columns = np.nonzero(mask)
    places = np.stack([rows, columns], axis=1) - np.array([[rows.mean(), columns.mean()]])
    axis = np.linalg.eigh(places.T @ places)[1][:, -1]
    along = places @ (axis if axis[np.abs(axis).argmax()] > 0 else -axis)
    far = abs(offset) * np.sqrt(len(rows))
    beyond = np.zeros_like(mask)
    chosen = along > far if offset >= 0 else along < -far
    beyond[rows[chosen], columns[chosen]] = True
    return beyond
