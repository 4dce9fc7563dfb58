"""Where windows lie over an image: as few as possible, equally large, what they share spread evenly."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from monai.data.utils import dense_patch_slices

from livecell_monai.sample import Region


@dataclass(frozen=True)
class AxisWindows:
    """The windows along one axis of an image.

    Attributes:
        size: pixels of each window.
        starts: first pixel of each, rising; on the padded axis, where a window is larger than the image.
        before: pixels by which the image is padded ahead of its first one.
        interval: pixels from start to start; the last one may be less.
    """

    size: int
    starts: tuple[int, ...]
    before: int
    interval: int


@dataclass(frozen=True)
class WindowPlan:
    """Where windows lie over images of any size.

    Attributes:
        largest: (Y, X) of the largest window, multiples of `multiple`.
        overlap: pixels that neighbours share at least, but no more than half of the largest window.
        multiple: what a window's edges must be multiples of.
        by_area: as for `plan_windows`.
    """

    largest: tuple[int, int]
    overlap: int
    multiple: int
    by_area: bool = False

    def lay(self, shape: tuple[int, int], largest: tuple[int, int] | None = None) -> tuple[AxisWindows, AxisWindows]:
        """The windows by row and by column over an image (Y, X), by another largest window where one is given."""
        return _lay((int(shape[0]), int(shape[1])), largest or self.largest, self.overlap, self.multiple, self.by_area)


def cut_window(
    rows: AxisWindows, columns: AxisWindows, place: tuple[int, int], shape: tuple[int, int]
) -> tuple[Region, tuple[int, int, int, int]]:
    """The part of an image (Y, X) that a window sees, and by how many pixels it juts out: (left, right, top, bottom).

    Args:
        rows: the windows by row.
        columns: the windows by column.
        place: row and column of the window.
        shape: (Y, X) of the image.
    """
    corner = (rows.starts[place[0]] - rows.before, columns.starts[place[1]] - columns.before)
    first = [max(0, start) for start in corner]
    last = [min(edge, start + axis.size) for edge, start, axis in zip(shape, corner, (rows, columns), strict=True)]
    ahead = [have - start for have, start in zip(first, corner, strict=True)]
    behind = [start + axis.size - have for start, axis, have in zip(corner, (rows, columns), last, strict=True)]
    return Region(first[0], first[1], last[0], last[1]), (ahead[1], behind[1], ahead[0], behind[0])


def plan_windows(
    shape: Sequence[int], largest: Sequence[int], overlap: int, multiple: int, by_area: bool = False
) -> tuple[AxisWindows, AxisWindows]:
    """The windows over an image: every row of them has the same columns.

    Args:
        shape: (Y, X) of the image.
        largest: (Y, X) of the largest window, multiples of `multiple`.
        overlap: pixels that neighbours share at least, but no more than half of the largest window.
        multiple: what a window's edges must be multiples of.
        by_area: a window may have any edges, if only it has no more pixels than the largest one; those are chosen whose
            windows have the fewest pixels in all.
    """
    if by_area:
        largest = _choose_edges(shape, largest[0] * largest[1], overlap, multiple)
    rows, columns = (_plan_axis(*edges, overlap, multiple) for edges in zip(shape, largest, strict=True))
    if len(rows.starts) == len(columns.starts) == 1:  # one window: the image lies in its first corner
        return AxisWindows(rows.size, (0,), 0, rows.size), AxisWindows(columns.size, (0,), 0, columns.size)
    return rows, columns


_lay = lru_cache(maxsize=64)(plan_windows)  # an image's windows are asked for by each of its windows


def _choose_edges(shape: Sequence[int], pixels: int, overlap: int, multiple: int) -> tuple[int, int]:
    """(Y, X) of the window, of so many pixels at most, whose windows over an image have the fewest pixels in all.

    What neighbours share is looked at twice, and so is what an image's edge is short of a multiple: together up to a tenth.
    """
    least = auto_window(pixels / 4, multiple)[0]  # narrower ones would share too much
    whole = [-(-edge // multiple) * multiple for edge in shape]
    narrow = [min(least, edge) for edge in whole]
    candidates = [range(narrow[axis], min(whole[axis], pixels // narrow[1 - axis]) + 1, multiple) for axis in (0, 1)]
    costs = [[_cost(edge, size, overlap) for size in sizes] for edge, sizes in zip(shape, candidates, strict=True)]
    fitting = (
        (by_row[0] * by_column[0], by_row[1] * by_column[1], row, column)
        for row, by_row in zip(candidates[0], costs[0], strict=True)
        for column, by_column in zip(candidates[1], costs[1], strict=True)
        if row * column <= pixels
    )
    return min(fitting)[2:]  # of equals the fewest windows, then the lower ones: less is kept of a row of them


def _cost(edge: int, size: int, overlap: int) -> tuple[int, int]:
    """(pixels of all windows of a size along an axis, number of windows)."""
    count = _count(edge, size, overlap)
    return count * size, count


def _count(edge: int, size: int, overlap: int) -> int:
    """How many windows of a size an axis needs."""
    shared = min(overlap, size // 2)
    return max(1, -(-(edge - shared) // (size - shared)))


def _plan_axis(edge: int, most: int, overlap: int, multiple: int) -> AxisWindows:
    size = _window_edge(edge, most, overlap, multiple)
    if size >= edge:
        return AxisWindows(size, (0,), (size - edge) // 2, size)
    count = _count(edge, size, overlap)
    # evenly, or the last two would share nearly all of a window where edges must be multiples of much
    interval = -(-(edge - size) // (count - 1))
    starts = [part[0].start for part in dense_patch_slices((edge,), (size,), (interval,))]
    return AxisWindows(size, tuple(int(start) for start in starts), 0, interval)


def auto_window(pixels: float, multiple: int) -> tuple[int, int]:
    """(Y, X) of the largest square window of so many pixels whose edges are multiples of `multiple`."""
    edge = max(1, int(pixels**0.5) // multiple) * multiple
    return edge, edge


def _window_edge(edge: int, most: int, overlap: int, multiple: int) -> int:
    """The least edge of equal windows, at most `most`, of which no more are needed than of the largest ones."""
    if edge <= most:
        return -(-edge // multiple) * multiple
    count = _count(edge, most, overlap)
    fitting = -(-(edge + (count - 1) * min(overlap, most // 2)) // count)
    return min(most, -(-fitting // multiple) * multiple)
