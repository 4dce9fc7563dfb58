"""Overlapping windows blended as they come, row by row: no more is kept than what a later window still changes.

MONAI's `sliding_window_inference` keeps the whole image twice, sums and weights. Here a strip beside the last window and a
strip below the last row of them are kept; the sums are the same, added in the same order.
"""

from collections.abc import Iterator

import numpy as np
import torch
from monai.data.utils import compute_importance_map

from livecell_monai.data.large.pages import keep_apart
from livecell_monai.prediction.windows import AxisWindows

Block = tuple[int, int, torch.Tensor]  #: row and column that it begins at, in the image; logits (Y, X)


class Blender:
    """The windows that some rows of an image hang on, and their blended logits, each pixel once.

    Args:
        rows: the windows by row.
        columns: the windows by column.
        shape: (Y, X) of the image.
        band: rows [top, bottom) that are wanted.
    """

    def __init__(self, rows: AxisWindows, columns: AxisWindows, shape: tuple[int, int], band: tuple[int, int]) -> None:
        self.rows, self.columns, self.shape = rows, columns, shape
        self.top, self.bottom = band[0] + rows.before, band[1] + rows.before
        self.is_single = len(rows.starts) == len(columns.starts) == 1
        self.importance = compute_importance_map((rows.size, columns.size), mode="gaussian")
        width = columns.starts[-1] + columns.size
        self.above = torch.zeros(2, 0, width)  # sums of weighted logits, and of weights
        self.left = torch.zeros(2, rows.size, 0)
        self.below = self.above

    def windows(self) -> Iterator[tuple[int, int]]:
        """(row, column) of each window, in the order that `add` takes their logits."""
        for row, start in enumerate(self.rows.starts):
            if start + self.rows.size > self.top and start < self.bottom:
                yield from ((row, column) for column in range(len(self.columns.starts)))

    def add(self, row: int, column: int, logits: torch.Tensor) -> Block | None:
        """The pixels that no later window changes, once a window (Y, X) is added; None where none of them is wanted.

        Args:
            row: index of the window's row.
            column: index of the window's column.
            logits: (Y, X) float32 of the window; what is returned lies in them, and the rest is lost.
        """
        if self.is_single:
            return self._cut(logits, 0, self.rows.size, 0, self.columns.size)
        start, first = self.columns.starts[column], self.rows.starts[row]
        is_last = column + 1 == len(self.columns.starts)
        stop = start + self.columns.size if is_last else self.columns.starts[column + 1]
        end = first + self.rows.size if row + 1 == len(self.rows.starts) else self.rows.starts[row + 1]
        if column == 0:
            self.above = self.below
            self.below = torch.from_numpy(keep_apart((2, first + self.rows.size - end, self.above.shape[2]), np.float32))
            self.left = self.left[:, :, :0]
        sums = logits.mul_(self.importance), self.importance.clone()
        self._add_earlier(sums, start)
        self.left = torch.stack([each[:, stop - start :] for each in sums])
        for kept, each in zip(self.below, sums, strict=True):
            kept[:, start:stop] = each[end - first :, : stop - start]
        final, weights = (each[: end - first, : stop - start] for each in sums)
        return self._cut(final.div_(weights), first, end, start, stop)

    def _add_earlier(self, sums: tuple[torch.Tensor, torch.Tensor], start: int) -> None:
        """Add what earlier windows have left where one lies, to its sums (Y, X), in place."""
        shared, over = self.left.shape[2], self.above.shape[1]
        for each, left, above in zip(sums, self.left, self.above, strict=True):
            each[:, :shared] += left
            each[:over, shared:] += above[:, start + shared : start + self.columns.size]

    def _cut(self, logits: torch.Tensor, first: int, end: int, start: int, stop: int) -> Block | None:
        """The wanted part of logits of rows [first, end) and columns [start, stop), by place in the image."""
        top, bottom = max(first, self.top), min(end, self.bottom)
        left, right = max(start, self.columns.before), min(stop, self.columns.before + self.shape[1])
        if top >= bottom or left >= right:
            return None
        kept = logits[top - first : bottom - first, left - start : right - start]
        return top - self.rows.before, left - self.columns.before, kept


class Context:
    """Adds to each block the row above it and the column before it, which an interpolation reaches back to.

    Args:
        width: of the image that the blocks are parts of.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.upper = self.lower = torch.zeros(0)  # the last rows of the row of blocks above, and of this one
        self.column = torch.zeros(0, 0)

    def extend(self, top: int, left: int, block: torch.Tensor) -> Block:
        """The block (Y, X) with what is there of the row and the column ahead of it; blocks come row by row.

        Args:
            top: row that the block begins at.
            left: column that it begins at.
            block: (Y, X).
        """
        width = block.shape[1]
        if left == 0:
            self.upper, self.lower = self.lower, torch.zeros(self.width)
            self.column = block[:, :0]
        has_upper = len(self.upper) > 0
        before = self.column.shape[1]
        if has_upper:
            corner = self.upper[left - before : left + width]
            whole = torch.cat([corner[None], torch.cat([self.column, block], dim=1)])
        else:
            whole = torch.cat([self.column, block], dim=1)
        self.column = block[:, -1:].clone()
        self.lower[left : left + width] = block[-1]
        return top - has_upper, left - before, whole
