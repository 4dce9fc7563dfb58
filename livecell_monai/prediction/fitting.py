"""Windows through the network where the memory is short: fewer at once, then smaller ones inside of them."""

import logging
import threading
from collections.abc import Sequence

import torch

from livecell_monai.errors import is_out_of_memory
from livecell_monai.prediction.blending import Blender, Block, join_blocks
from livecell_monai.prediction.out_of_memory import halve_window, release_memory
from livecell_monai.prediction.passes import Forward, ViewInferer
from livecell_monai.prediction.prepared import ImageInMemory, read_windows
from livecell_monai.prediction.windows import WindowPlan

LOGGER = logging.getLogger(__name__)
Size = tuple[int, int]


class SmallestTooLargeError(Exception):
    """The memory does not hold one window of the least size.

    Args:
        size: (Y, X) of it.
    """

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        self.size = size


class FittingPass:
    """Logits of windows, whatever the memory; what has worked is kept for the windows that follow.

    Several threads may call it at once.

    Args:
        plan: where windows lie inside of an image.
        batch: number of windows that go through the network at once.
        forward: one pass of the network.

    Attributes:
        most: (Y, X) of the largest window that is tried.
        at_once: number of windows that are tried at once.
        said: what the last warning was about: (Y, X) of the window, and how many of them at once.
    """

    def __init__(self, plan: WindowPlan, batch: int, forward: ViewInferer) -> None:
        self.plan, self.forward = plan, forward
        self.most, self.at_once = plan.largest, batch
        self.said: tuple[Size, int] | None = None
        self.lock = threading.Lock()

    @torch.no_grad()
    def __call__(self, windows: torch.Tensor, network: Forward) -> torch.Tensor:
        """Logits (B, C, Y, X) float32 of windows (B, 1, Y, X).

        Raises:
            SmallestTooLargeError: the smallest window is too large for the memory.
        """
        begun = self.most, self.at_once
        while True:
            tried = self.most, self.at_once
            try:
                logits = self._look(windows, *tried, network)
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            # out here the error is gone, and with it what its frames held: the maps of every layer
            release_memory(windows.device)
            with self.lock:
                # another thread may have asked for less by now
                if tried == (self.most, self.at_once) and not self._ask_for_less(windows.shape):
                    self.most, self.at_once = begun
                    raise SmallestTooLargeError(self._size(windows.shape, tried[0]))
        if begun != tried:
            self._say(windows.shape, begun, tried)
        return logits

    def _look(self, windows: torch.Tensor, most: Size, at_once: int, network: Forward) -> torch.Tensor:
        if most == self.plan.largest or self._size(windows.shape, most) == windows.shape[-2:]:
            parts = [self.forward(some, network) for some in torch.split(windows, at_once)]
            return parts[0] if len(parts) == 1 else torch.cat(parts)
        return torch.stack([self._look_inside(ImageInMemory(window), most, at_once, network) for window in windows])

    def _look_inside(self, window: ImageInMemory, most: Size, at_once: int, network: Forward) -> torch.Tensor:
        """Logits (C, Y, X) of one window by smaller ones."""
        blender = Blender(*self.plan.lay(window.shape, most), window.shape, (0, window.shape[0]))
        places, blocks = list(blender.windows()), list[Block]()
        for first in range(0, len(places), at_once):
            batch = places[first : first + at_once]
            found = self.forward(read_windows(window, blender.rows, blender.columns, batch), network)
            added = (blender.add(*place, part) for place, part in zip(batch, found, strict=True))
            blocks += [block for block in added if block is not None]
        return join_blocks(blocks, window.shape)

    def _size(self, shape: Sequence[int], most: Size) -> Size:
        """(Y, X) of the windows inside of windows (B, 1, Y, X)."""
        rows, columns = self.plan.lay((shape[-2], shape[-1]), most)
        return rows.size, columns.size

    def _ask_for_less(self, shape: Sequence[int]) -> bool:
        """Half as many windows at once, or windows of half the area; False where there are none."""
        rows, columns = self.plan.lay((shape[-2], shape[-1]), self.most)
        at_once = min(self.at_once, shape[0] * len(rows.starts) * len(columns.starts))
        if at_once > 1:
            self.at_once = at_once // 2
            return True
        smaller = halve_window((rows.size, columns.size), self.plan.multiple)
        if smaller is not None:
            self.most = smaller
        return smaller is not None

    def _say(self, shape: Sequence[int], begun: tuple[Size, int], tried: tuple[Size, int]) -> None:
        with self.lock:
            is_said, self.said = self.said == tried, tried
        if not is_said:
            LOGGER.warning(
                "out of memory by windows of %d x %d, %d at once: continuing by %d x %d, %d at once",
                *(*self._size(shape, begun[0]), begun[1], *self._size(shape, tried[0]), tried[1]),
            )
