"""How a batch or an image goes through the network: under autocast, in channels_last, in windows."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer, SlidingWindowInferer
from torch.nn import functional

from livecell_monai.data.checks.limits import MORE_MEMORY
from livecell_monai.errors import TooLargeError, is_out_of_memory
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.out_of_memory import halve_window, name_of, release_memory
from livecell_monai.prediction.windows import AxisWindows, auto_window, plan_windows
from livecell_monai.settings import check_values

LOGGER = logging.getLogger(__name__)
Forward = Callable[..., torch.Tensor]
_TURNS = (0, 1, 2, 3)
VIEWS = {  #: (quarter turns, mirrored ahead of them) by number of views
    1: [(0, False)],
    2: [(0, False), (0, True)],
    4: [(turns, False) for turns in _TURNS],
    8: [(turns, is_mirrored) for is_mirrored in (False, True) for turns in _TURNS],
}


class PatchInferer(Inferer):  # type: ignore[misc]
    """A whole batch (B, 1, Y, X) at once, for training; logits come back as float32.

    Args:
        accelerator: what the network was placed on.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator

    def __call__(self, inputs: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, 1, Y, X) float32."""
        # a MetaTensor costs a detour through Python in every operation: the network sees the plain tensor
        plain = inputs.as_tensor() if hasattr(inputs, "as_tensor") else inputs
        with self.accelerator.autocast():
            logits = network(plain.contiguous(memory_format=torch.channels_last), *args, **kwargs)
        return logits.float()


class WindowInferer(SlidingWindowInferer):  # type: ignore[misc]
    """A window slid over each image (B, 1, Y, X), the overlaps blended by a Gaussian; any size of image will do.

    A U-Net is convolutional: few large windows share fewer borders than many small ones, and are faster. The windows of an
    image are made equally large, so that time grows with the number of pixels and not in steps.

    Where the memory does not suffice, fewer windows at once and then smaller ones are tried, and what has worked is kept for
    the images that follow.

    Args:
        accelerator: what the network was placed on.
        window: [Y, X] pixels of the largest window at the working size, multiples of the network's `multiple`; `auto` for
            what fits into the memory.
        multiple: what Y and X of the network's input must be multiples of.
        batch: number of windows that go through the network at once.
        overlap: pixels that neighbouring windows share, at most half a window.
        tta_views: 1; 2 with the mirrored image; 4 with its quarter turns; 8 with both; the mean of their logits is given.
        memory_mb: what a forward pass may take beside the weights, for `auto`.
        bytes_per_pixel: what the network takes for a pixel in float32, for `auto`.

    Attributes:
        window: (Y, X) of the largest window, as it was asked for.
        most: (Y, X) of the largest one that is tried, after what the memory has refused.
        by_area: whether windows may have other edges than these, of as many pixels: for `auto`.
        said: what the user was told last: (Y, X) of the window, and how many of them at once.
        alone: held by the one thread that slides windows over an image, or asks for less.

    Raises:
        SettingError: where the window, the number of views or the overlap cannot be.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        window: Sequence[int] | str,
        multiple: int,
        batch: int = 4,
        overlap: int = 32,
        tta_views: int = 1,
        memory_mb: float = 100,
        bytes_per_pixel: float = 128,
    ) -> None:
        check_values({"tta_views": tta_views, "overlap": overlap})
        bytes_here = bytes_per_pixel / (2 if accelerator.bf16 else 1)
        largest = auto_window(memory_mb * 2**20 / batch / bytes_here, multiple) if isinstance(window, str) else window
        self.window: tuple[int, int] = (int(largest[0]), int(largest[1]))
        # replicated edges: reflection, as in training, fails on images smaller than half a window
        self.most = self.window
        self.by_area = isinstance(window, str)
        self.said: tuple[tuple[int, int], int] | None = None
        self.alone = threading.Lock()
        self.sw_batch_size: int
        super().__init__(self.window, batch, 0.0, mode="gaussian", padding_mode="replicate")
        self.multiple = multiple
        self.shared = overlap
        self.views = VIEWS[tta_views]
        self.forward = PatchInferer(accelerator)

    def __call__(self, inputs: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, 1, Y, X) float32 of the same Y and X.

        Raises:
            TooLargeError: the smallest windows are too large for the memory.
        """
        plain = inputs.as_tensor() if hasattr(inputs, "as_tensor") else inputs
        begun = self.most, self.sw_batch_size
        while True:
            tried = self.most, self.sw_batch_size
            try:
                logits = self._slide(plain, tried[0], network, *args, **kwargs)
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            # out here the error is gone, and with it what its frames held: the maps of every layer
            release_memory(plain.device)
            with self.alone:
                # another thread may have asked for less by now
                if tried == (self.most, self.sw_batch_size) and not self._ask_for_less(plain.shape):
                    self.most, self.sw_batch_size = begun
                    height, width = self._edges(plain.shape, tried[0])
                    raise TooLargeError(
                        f"{name_of(inputs)}: {plain.shape[-2]} x {plain.shape[-1]} pixels must fit into memory by windows "
                        f"of {height} x {width}, they do not; {MORE_MEMORY}"
                    )
        if begun != tried:
            with self.alone:
                is_said, self.said = self.said == tried, tried
            if not is_said:
                LOGGER.warning(
                    "out of memory by windows of %d x %d, %d at once: going on by %d x %d, %d at once",
                    *(*self._edges(plain.shape, begun[0]), begun[1], *self._edges(plain.shape, tried[0]), tried[1]),
                )
        return logits

    def _edges(self, shape: Sequence[int], most: tuple[int, int]) -> tuple[int, int]:
        """(Y, X) of the largest window of an image (B, 1, Y, X)."""
        if not self.by_area:
            return most
        rows, columns = self._plan(shape[-2:], most)
        return rows.size, columns.size

    def _plan(self, shape: Sequence[int], most: tuple[int, int]) -> tuple[AxisWindows, AxisWindows]:
        return plan_windows(shape, most, self.shared, self.multiple, self.by_area)

    def _ask_for_less(self, shape: Sequence[int]) -> bool:
        """Half as many windows of an image (B, 1, Y, X) at once, or windows of half the area; False where there are none."""
        axes = self._plan(shape[-2:], self.most)
        at_once = min(self.sw_batch_size, shape[0] * len(axes[0].starts) * len(axes[1].starts))
        if at_once > 1:
            self.sw_batch_size = at_once // 2
            return True
        smaller = halve_window((axes[0].size, axes[1].size), self.multiple)  # the most may be more than the image has
        if smaller is not None:
            self.most = smaller
        return smaller is not None

    def _slide(
        self, plain: torch.Tensor, most: tuple[int, int], network: Forward, *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        height, width = plain.shape[-2:]
        axes = self._plan((height, width), most)

        def part(window: torch.Tensor) -> torch.Tensor:
            return self.look(window, network, *args, **kwargs)

        if all(len(axis.starts) == 1 for axis in axes):  # one window: nothing to blend
            padding = (0, axes[1].size - width, 0, axes[0].size - height)
            padded = functional.pad(plain, padding, mode="replicate") if any(padding) else plain
            parts = [part(some) for some in torch.split(padded, self.sw_batch_size)]
            return (parts[0] if len(parts) == 1 else torch.cat(parts))[..., :height, :width]
        with self.alone:  # what MONAI takes from the object is of this image
            self.roi_size = [axis.size for axis in axes]
            # a hair less, or rounding the distance between windows down would make one more of them
            self.overlap = tuple(max(0.0, axis.size - axis.interval - 0.01) / axis.size for axis in axes)
            logits: torch.Tensor = super().__call__(plain, part)
        return logits

    def plan(self, shape: tuple[int, int]) -> tuple[AxisWindows, AxisWindows]:
        """The windows by row and by column for an image (Y, X), as they were asked for."""
        return self._plan(shape, self.window)

    def look(self, windows: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, 1, Y, X) float32 of windows (B, 1, Y, X), the mean over the views; each window is turned by itself."""
        if len(self.views) == 1:
            return self.forward(windows, network, *args, **kwargs)
        total: torch.Tensor | float = 0.0
        for turns, is_mirrored in self.views:
            seen = torch.rot90(windows.flip(3) if is_mirrored else windows, turns, (2, 3))
            logits = torch.rot90(self.forward(seen, network, *args, **kwargs), -turns, (2, 3))
            total = total + (logits.flip(3) if is_mirrored else logits)
        assert isinstance(total, torch.Tensor)
        return total / len(self.views)
