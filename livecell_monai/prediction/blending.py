"""Overlapping windows blended as they come, row by row.

MONAI's `sliding_window_inference` holds sums and weights of the whole image; this holds a strip beside the last window and
a strip below the last row. The sums are the same, in the same order.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from monai.data.utils import compute_importance_map

from livecell_monai.data.large import allocate_pages
from livecell_monai.prediction.windows import AxisWindows

IN_HALO = 1e-6  # weight of the pixels of a halo, so that sums are nowhere 0
Block = tuple[int, int, torch.Tensor]  #: first row and column in the image; logits (C, Y, X)


class Blender:
    """The windows that rows [top, bottom) of an image (Y, X), the band, depend on; and their blended logits.

    So many pixels at each side of a window as the `halo` has do not count.
    """

    def __init__(
        self, rows: AxisWindows, columns: AxisWindows, shape: tuple[int, int], band: tuple[int, int], halo: int = 0
    ) -> None:
        self.rows, self.columns, self.shape = rows, columns, shape
        self.top, self.bottom = band[0] + rows.before, band[1] + rows.before
        self.is_single = len(rows.starts) == len(columns.starts) == 1
        self.importance = compute_importance_map((rows.size, columns.size), mode="gaussian")
        if halo:
            inside = self.importance[halo:-halo, halo:-halo].clone()
            self.importance.mul_(IN_HALO)[halo:-halo, halo:-halo] = inside
        self.width = columns.starts[-1] + columns.size
        # sums of weighted logits, one plane per channel, then the sum of weights
        self.above = self.left = self.below = torch.zeros(0, 0, 0)

    def windows(self) -> list[tuple[int, int]]:
        """(row, column) of each window, in the order in which `add` takes them."""
        starts = enumerate(self.rows.starts)
        rows = [row for row, start in starts if start + self.rows.size > self.top and start < self.bottom]
        return [(row, column) for row in rows for column in range(len(self.columns.starts))]

    def blend(self, places: Sequence[tuple[int, int]], logits: torch.Tensor) -> Iterator[Block]:
        """Add windows by (row, column) with their logits (B, C, Y, X); the blocks of the band that they complete."""
        for place, window in zip(places, logits, strict=True):
            block = self.add(*place, window)
            if block is not None:
                yield block

    def add(self, row: int, column: int, logits: torch.Tensor) -> Block | None:
        """The pixels of the band that no later window changes, once a window is added; None if there are none.

        The logits (C, Y, X) float32 of the window are overwritten, and the result is a view of them.
        """
        if self.is_single:
            return self._cut(logits, 0, self.rows.size, 0, self.columns.size)
        start, first = self.columns.starts[column], self.rows.starts[row]
        is_last = column + 1 == len(self.columns.starts)
        stop = start + self.columns.size if is_last else self.columns.starts[column + 1]
        end = first + self.rows.size if row + 1 == len(self.rows.starts) else self.rows.starts[row + 1]
        if column == 0:
            self._begin_row(logits, first + self.rows.size - end)
        sums = [*logits.mul_(self.importance), self.importance.clone()]
        self._add_earlier(sums, start)
        self.left = torch.stack([each[:, stop - start :] for each in sums])
        for kept, each in zip(self.below, sums, strict=True):
            kept[:, start:stop] = each[end - first :, : stop - start]
        final = logits[:, : end - first, : stop - start].div_(sums[-1][: end - first, : stop - start])
        return self._cut(final, first, end, start, stop)

    def _begin_row(self, logits: torch.Tensor, shared: int) -> None:
        """Allocate the strip that a row of windows leaves to the next row, `shared` pixels high."""
        planes, size = len(logits) + 1, self.rows.size
        is_first = len(self.below) == 0
        self.above = logits.new_zeros(planes, 0, self.width) if is_first else self.below
        self.left = logits.new_zeros(planes, size, 0)
        self.importance = self.importance.to(logits.device)
        if logits.device.type == "cpu":
            self.below = torch.from_numpy(allocate_pages((planes, shared, self.width), np.float32))
        else:
            self.below = logits.new_zeros(planes, shared, self.width)

    def _add_earlier(self, sums: Sequence[torch.Tensor], start: int) -> None:
        """Add the sums of earlier windows to those of a window, in place."""
        shared, over = self.left.shape[2], self.above.shape[1]
        for each, left, above in zip(sums, self.left, self.above, strict=True):
            each[:, :shared] += left
            each[:over, shared:] += above[:, start + shared : start + self.columns.size]

    def _cut(self, logits: torch.Tensor, first: int, end: int, start: int, stop: int) -> Block | None:
        """The part of rows [first, end) and columns [start, stop) that is in the band and in the image."""
        top, bottom = max(first, self.top), min(end, self.bottom)
        left, right = max(start, self.columns.before), min(stop, self.columns.before + self.shape[1])
        if top >= bottom or left >= right:
            return None
        kept = logits[:, top - first : bottom - first, left - start : right - start]
        return top - self.rows.before, left - self.columns.before, kept


def join_blocks(blocks: Iterable[Block], shape: tuple[int, int]) -> torch.Tensor:
    """The image (C, Y, X) of a shape (Y, X) from blocks that contain each pixel once."""
    joined: torch.Tensor | None = None
    for top, left, block in blocks:
        if tuple(block.shape[-2:]) == shape:
            return block
        joined = block.new_empty(len(block), *shape) if joined is None else joined
        joined[:, top : top + block.shape[1], left : left + block.shape[2]] = block
    assert joined is not None
    return joined


class Context:
    """Adds to each block of an image the row above it and the column before it, for interpolation."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.upper = self.lower = torch.zeros(0, 0, 0)  # last row of the blocks above, and of these blocks
        self.column = torch.zeros(0, 0, 0)

    def extend(self, top: int, left: int, block: torch.Tensor) -> Block:
        """The extended block, without a row or column outside of the image; blocks (C, Y, X) must come row by row."""
        width = block.shape[2]
        if left == 0:
            self.upper, self.lower = self.lower, block.new_zeros(len(block), 1, self.width)
            self.column = block[..., :0]
        has_upper = len(self.upper) > 0
        before = self.column.shape[2]
        whole = torch.cat([self.column, block], dim=2)
        if has_upper:
            whole = torch.cat([self.upper[..., left - before : left + width], whole], dim=1)
        self.column = block[..., -1:].clone()
        self.lower[..., left : left + width] = block[:, -1:]
        return top - has_upper, left - before, whole
