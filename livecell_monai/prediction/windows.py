"""Positions of windows over an image: as few as possible, equally large, with even overlaps."""

from dataclasses import dataclass, replace
from functools import lru_cache

Shape = tuple[int, int]

SMALLEST = 64  # pixels: a window with shorter edges would be little more than borders


@dataclass(frozen=True)
class AxisWindows:
    """The windows along one axis of an image."""

    size: int  #: pixels of each window
    starts: tuple[int, ...]  #: first pixel of each window, increasing; on the padded axis if a window exceeds the image
    before: int = 0  #: pixels of padding before the image


@dataclass(frozen=True)
class WindowPlan:
    """How windows are placed over images of any size.

    With `by_area` a window may have any edges within the area of `largest`: those are chosen with which all windows together
    have the fewest pixels.
    """

    largest: Shape  #: (Y, X) of the largest window, multiples of `multiple`
    overlap: int  #: least overlap of neighbours in pixels; at most half of the largest window is used, or twice the halo
    multiple: int  #: the edges of every window are multiples of this
    by_area: bool = False
    halo: int = 0  #: pixels at each side of a window whose logits do not count; windows reach so far beyond the image

    def cover(self, shape: Shape, largest: Shape | None = None) -> tuple[AxisWindows, AxisWindows]:
        """The windows by row and by column over an image (Y, X), with another largest window if one is given."""
        plan = self if largest is None else replace(self, largest=largest)
        axes = _cover(plan, (shape[0] + 2 * self.halo, shape[1] + 2 * self.halo))
        rows, columns = (replace(axis, before=axis.before + self.halo) for axis in axes) if self.halo else axes
        return rows, columns

    def share(self, size: int) -> int:
        """The least overlap of neighbouring windows of a size, in pixels."""
        return min(self.overlap, max(size // 2, min(2 * self.halo, size - 1)))


def auto_window(pixels: float, multiple: int) -> Shape:
    """(Y, X) of the largest square window of at most so many pixels whose edges are multiples of `multiple`."""
    edge = max(1, int(pixels**0.5) // multiple) * multiple
    return edge, edge


def halve_window(window: Shape, multiple: int) -> Shape | None:
    """A window (Y, X) with half the longer edge, a multiple of `multiple`; None if it is the smallest already."""
    edge, least = max(window), _round_up(SMALLEST, multiple)
    half = max(least, edge // 2 // multiple * multiple)
    if half >= edge:
        return None
    return (half, window[1]) if window[0] == edge else (window[0], half)


@lru_cache(maxsize=64)  # asked for again by every window of an image
def _cover(plan: WindowPlan, shape: Shape) -> tuple[AxisWindows, AxisWindows]:
    largest = _choose_edges(plan, shape) if plan.by_area else plan.largest
    rows, columns = (_cover_axis(plan, edge, most) for edge, most in zip(shape, largest, strict=True))
    if len(rows.starts) == len(columns.starts) == 1:  # one window: the image is in its first corner
        return AxisWindows(rows.size, (0,)), AxisWindows(columns.size, (0,))
    return rows, columns


def _choose_edges(plan: WindowPlan, shape: Shape) -> Shape:
    """(Y, X) of the window whose windows over an image have the fewest pixels in all: overlaps and padding cost time."""
    pixels = plan.largest[0] * plan.largest[1]
    least = auto_window(pixels / 4, plan.multiple)[0]  # narrower windows would overlap too much
    whole = [_round_up(edge, plan.multiple) for edge in shape]
    narrow = [min(least, edge) for edge in whole]
    heights, widths = (
        range(narrow[axis], min(whole[axis], pixels // narrow[1 - axis]) + 1, plan.multiple) for axis in (0, 1)
    )
    rows = [(_count(shape[0], height, plan), height) for height in heights]
    columns = [(_count(shape[1], width, plan), width) for width in widths]
    fitting = (
        (down * height * across * width, down * across, height, width)
        for down, height in rows
        for across, width in columns
        if height * width <= pixels
    )
    return min(fitting)[2:]  # on a tie fewer windows, then lower ones, of which less is kept between rows


def _count(edge: int, size: int, plan: WindowPlan) -> int:
    """How many windows of a size an axis needs."""
    shared = plan.share(size)
    return max(1, -(-(edge - shared) // (size - shared)))


def _cover_axis(plan: WindowPlan, edge: int, most: int) -> AxisWindows:
    """Equal windows of at most `most` pixels, no more of them than of the largest size, and as small as they can be."""
    if edge <= most:
        size = _round_up(edge, plan.multiple)
    else:
        count = _count(edge, most, plan)
        fitting = -(-(edge + (count - 1) * plan.share(most)) // count)
        size = min(most, _round_up(fitting, plan.multiple))
    if size >= edge:
        return AxisWindows(size, (0,), (size - edge) // 2)
    # evenly, or the last two would overlap almost completely if edges must be multiples of a large number
    interval = -(-(edge - size) // (_count(edge, size, plan) - 1))
    return AxisWindows(size, tuple(min(start, edge - size) for start in range(0, edge - size + interval, interval)))


def _round_up(edge: int, multiple: int) -> int:
    return -(-edge // multiple) * multiple
