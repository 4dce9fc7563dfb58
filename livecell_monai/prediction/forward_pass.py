"""Windows through the network: autocast, test-time augmentation, and smaller windows when memory runs out."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from monai.inferers import Inferer

from livecell_monai.errors import is_out_of_memory
from livecell_monai.network.accelerator import Accelerator, release_memory
from livecell_monai.prediction.blending import Blender, Block, join_blocks
from livecell_monai.prediction.prepared import ImageInMemory, read_windows, without_metadata
from livecell_monai.prediction.windows import Shape, WindowPlan, halve_window

Forward = Callable[..., torch.Tensor]

LOGGER = logging.getLogger(__name__)
TURNS = range(4)
VIEWS = {  # (quarter turns, whether mirrored before) by number of views
    1: [(0, False)],
    2: [(0, False), (0, True)],
    4: [(turns, False) for turns in TURNS],
    8: [(turns, is_mirrored) for is_mirrored in (False, True) for turns in TURNS],
}


class PatchInferer(Inferer):  # type: ignore[misc]
    """A whole batch (B, 1, Y, X) at once, as in training.

    Args:
        accelerator: where the network is, and in which arithmetic it runs.
        convert: whether the logits (B, C, Y, X) become float32. The loss converts the few that it needs, which takes less
            time, as their gradient does.
    """

    def __init__(self, accelerator: Accelerator, convert: bool = True) -> None:
        self.accelerator, self.convert = accelerator, convert

    def __call__(self, inputs: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, C, Y, X)."""
        plain = without_metadata(inputs)
        with self.accelerator.autocast():
            logits = network(plain.contiguous(memory_format=torch.channels_last), *args, **kwargs)
        return logits.to(torch.float32, memory_format=torch.contiguous_format) if self.convert else logits


def average_views(infer: Forward, windows: torch.Tensor, views: Sequence[tuple[int, bool]]) -> torch.Tensor:
    """Logits (B, C, Y, X) of windows (B, 1, Y, X), the mean over views, see `VIEWS`."""
    if len(views) == 1:
        return infer(windows)
    total: torch.Tensor | float = 0.0
    for turns, is_mirrored in views:
        logits = _turn(infer(_turn(windows.flip(3) if is_mirrored else windows, turns)), -turns)
        total = total + (logits.flip(3) if is_mirrored else logits)
    assert isinstance(total, torch.Tensor)
    return total / len(views)


def _turn(planes: torch.Tensor, turns: int) -> torch.Tensor:
    """`torch.rot90` of Y and X, in operations that ONNX has."""
    match turns % 4:
        case 1:
            return planes.flip(3).transpose(2, 3)
        case 2:
            return planes.flip((2, 3))
        case 3:
            return planes.transpose(2, 3).flip(3)
    return planes


def batched(places: Sequence[tuple[int, int]], size: int) -> Iterator[Sequence[tuple[int, int]]]:
    """Places of windows, so many at a time."""
    return (places[first : first + size] for first in range(0, len(places), size))


class SmallestWindowError(Exception):
    """The smallest window does not fit into memory; `args` is its (Y, X)."""


class ForwardPass:
    """Logits of windows. When memory runs out, it takes fewer windows at once, then smaller windows inside of each.

    What has worked is kept for later windows. Several threads may call it at once. The plan places the smaller windows; the
    other arguments are those of `WindowInferer`.
    """

    def __init__(self, accelerator: Accelerator, plan: WindowPlan, batch: int, tta_views: int = 1) -> None:
        self.plan, self.views = plan, VIEWS[tta_views]
        self.infer_patches = PatchInferer(accelerator)
        self.largest, self.batch = plan.largest, batch  # what is tried
        self.warned: tuple[Shape, int] | None = None
        self.lock = threading.Lock()

    @torch.no_grad()
    def __call__(self, windows: torch.Tensor, network: Forward) -> torch.Tensor:
        """Logits (B, C, Y, X) float32 of windows (B, 1, Y, X); a SmallestWindowError if none fits into memory."""
        before = self.largest, self.batch
        while True:
            tried = self.largest, self.batch
            try:
                logits = self._infer(windows, *tried, network)
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            # only here is the error gone, and with it the maps of every layer, which its frames held
            release_memory(windows.device)
            with self.lock:
                # another thread may have reduced the size by now
                if tried == (self.largest, self.batch) and not self._reduce(windows.shape):
                    self.largest, self.batch = before
                    raise SmallestWindowError(*self._window_shape(windows.shape, tried[0]))
        if before != tried:
            self._warn(windows.shape, before, tried)
        return logits

    def _infer(self, windows: torch.Tensor, largest: Shape, batch: int, network: Forward) -> torch.Tensor:
        if largest == self.plan.largest or self._window_shape(windows.shape, largest) == windows.shape[-2:]:
            parts = [self._average_views(some, network) for some in torch.split(windows, batch)]
            return parts[0] if len(parts) == 1 else torch.cat(parts)
        return torch.stack([self._infer_inside(ImageInMemory(window), largest, batch, network) for window in windows])

    def _infer_inside(self, window: ImageInMemory, largest: Shape, batch: int, network: Forward) -> torch.Tensor:
        """Logits (C, Y, X) of one window by smaller ones."""
        blender = Blender(*self.plan.cover(window.shape, largest), window.shape, (0, window.shape[0]), self.plan.halo)
        blocks: list[Block] = []
        for places in batched(blender.windows(), batch):
            logits = self._average_views(read_windows(window, blender.rows, blender.columns, places), network)
            blocks += blender.blend(places, logits)
        return join_blocks(blocks, window.shape)

    def _average_views(self, windows: torch.Tensor, network: Forward) -> torch.Tensor:
        return average_views(lambda view: self.infer_patches(view, network), windows, self.views)

    def _window_shape(self, shape: Sequence[int], largest: Shape) -> Shape:
        """(Y, X) of the windows inside of windows (B, 1, Y, X)."""
        rows, columns = self.plan.cover((shape[-2], shape[-1]), largest)
        return rows.size, columns.size

    def _reduce(self, shape: Sequence[int]) -> bool:
        """Half as many windows at once, or windows of half the area; False if both are the smallest already."""
        rows, columns = self.plan.cover((shape[-2], shape[-1]), self.largest)
        batch = min(self.batch, shape[0] * len(rows.starts) * len(columns.starts))
        if batch > 1:
            self.batch = batch // 2
            return True
        smaller = halve_window((rows.size, columns.size), self.plan.multiple)
        if smaller is not None:
            self.largest = smaller
        return smaller is not None

    def _warn(self, shape: Sequence[int], before: tuple[Shape, int], tried: tuple[Shape, int]) -> None:
        """Log the new size, once."""
        with self.lock:
            is_known, self.warned = self.warned == tried, tried
        if not is_known:
            LOGGER.warning(
                "out of memory with windows of %d x %d, %d at once: continuing with %d x %d, %d at once",
                *(*self._window_shape(shape, before[0]), before[1], *self._window_shape(shape, tried[0]), tried[1]),
            )
