"""Small movies of label images, whose cells are squares, and the objects measured in them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from livecell_monai.sample import Pixels
from livecell_monai.tracks.objects import Objects, measure_objects

Cells = Mapping[int, tuple[int, int]]  # id -> row and column of the middle


def draw(cells: Cells, shape: tuple[int, int] = (60, 80), half: int = 3) -> Pixels:
    """A label image with a square of 2 x half + 1 pixels for each cell."""
    plane = np.zeros(shape, np.uint16)
    for label, (y, x) in cells.items():
        plane[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] = label
    return plane


class Drawn:
    """A movie of drawn label images, as `movie.LabelMovie` reads one."""

    name = "drawn"
    interval_min = None
    pixel_size_um = None

    def __init__(self, frames: Sequence[Pixels], missing: Iterable[int] = ()) -> None:
        self.planes, self.missing = list(frames), tuple(missing)
        self.shape = (self.planes[0].shape[0], self.planes[0].shape[1])

    def __len__(self) -> int:
        return len(self.planes)

    def __getitem__(self, index: int) -> Pixels:
        return self.planes[index]


def movie(*frames: Cells, missing: Iterable[int] = ()) -> Drawn:
    return Drawn([draw(cells) for cells in frames], missing)


def objects(*frames: Cells, missing: Iterable[int] = ()) -> Objects:
    return measure_objects(movie(*frames, missing=missing), correct_drift=False)
