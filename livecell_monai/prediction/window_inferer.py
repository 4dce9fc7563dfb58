"""How an image of any size goes through the network: window by window, the overlaps blended."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import torch
from monai.inferers import Inferer

from livecell_monai.data.checks.limits import MEMORY_ADVICE
from livecell_monai.errors import TooLargeError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.blending import Blender, Block, join_blocks
from livecell_monai.prediction.fitting import FittingPass, SmallestTooLargeError
from livecell_monai.prediction.lanes import count_lanes, run_ahead
from livecell_monai.prediction.out_of_memory import release_memory
from livecell_monai.prediction.passes import Forward, ViewInferer
from livecell_monai.prediction.prepared import ImageInMemory, PreparedImage, read_windows
from livecell_monai.prediction.windows import AxisWindows, WindowPlan, auto_window
from livecell_monai.settings import check_values

TRIMMED = 128  # windows after which freed memory goes back: the heap breaks up a little with each


class WindowInferer(Inferer):  # type: ignore[misc]
    """A window slid over each image (B, 1, Y, X), the overlaps blended by a Gaussian; images may have any size.

    A U-Net is convolutional: few large windows share fewer borders than many small ones, and are faster. The windows of an
    image are made equally large, so that time grows with the number of pixels and not in steps.

    Where the memory does not suffice for some windows, fewer at once and then smaller ones inside of them are tried. What
    has worked is kept for the windows that follow; where windows lie does not change.

    Args:
        accelerator: what the network was placed on.
        window: [Y, X] pixels of the largest window at the working scale, multiples of the network's `multiple`; `auto` for
            what fits into the memory.
        multiple: what Y and X of the network's input must be multiples of.
        batch: number of windows that go through the network at once.
        overlap: pixels that neighbouring windows share, at most half a window.
        tta_views: 1; 2 with the mirrored image; 4 with its quarter turns; 8 with both; their logits are averaged.
        memory_mb: what a forward pass may take beside the weights, for `auto`.
        bytes_per_pixel: what the network takes for a pixel in float32, for `auto`.

    Attributes:
        windows: where windows lie.
        fitting: looks at windows, and knows what the memory has refused.

    Raises:
        SettingError: the number of views or the overlap cannot be.
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
        self.forward = ViewInferer(accelerator, tta_views)
        bytes_here = bytes_per_pixel / (2 if accelerator.bf16 else 1)
        by_area = isinstance(window, str)
        largest = auto_window(memory_mb * 2**20 / batch / bytes_here, multiple) if isinstance(window, str) else window
        self.windows = WindowPlan((int(largest[0]), int(largest[1])), overlap, multiple, by_area)
        self.fitting = FittingPass(self.windows, batch, self.forward)
        self.looked = 0

    @torch.no_grad()
    def __call__(self, inputs: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, C, Y, X) float32 of the same Y and X.

        Raises:
            TooLargeError: the smallest windows are too large for the memory.
        """

        def forward(windows: torch.Tensor) -> torch.Tensor:
            return network(windows, *args, **kwargs)

        found = [self.whole(ImageInMemory(image), forward, inputs.device) for image in inputs]
        return torch.stack(found) if len(found) > 1 else found[0][None]

    def whole(self, image: PreparedImage, network: Forward, device: torch.device) -> torch.Tensor:
        """Logits (C, Y, X) float32 of a whole image at the working scale, on the device.

        Args:
            image: what the network sees.
            network: in evaluation mode.
            device: where the network is.

        Raises:
            TooLargeError: the smallest windows are too large for the memory.
        """
        return join_blocks(self.blocks(image, network, device, (0, image.shape[0])), image.shape)

    def plan(self, shape: tuple[int, int]) -> tuple[AxisWindows, AxisWindows]:
        """The windows by row and by column for an image (Y, X)."""
        return self.windows.lay(shape)

    def blender(self, shape: tuple[int, int], band: tuple[int, int]) -> Blender:
        """The windows that rows [top, bottom) of an image (Y, X) depend on."""
        return Blender(*self.plan(shape), shape, band)

    def blocks(
        self,
        image: PreparedImage,
        network: Forward,
        device: torch.device,
        band: tuple[int, int],
        advance: Callable[[int], None] = lambda _: None,
    ) -> Generator[Block, None, None]:
        """Blended logits of rows [top, bottom) of an image, each pixel once, window by window, row by row.

        Of an image that is read part by part the next windows are read, and the last ones used, while the network works.

        Args:
            image: what the network sees.
            network: in evaluation mode.
            device: where the network is.
            band: rows that are wanted, at the working scale.
            advance: called with the number of windows that are done.

        Raises:
            DataError: a part cannot be read.
            TooLargeError: the smallest windows are too large for the memory.
        """
        blender, size = self.blender(image.shape, band), self.fitting.at_once
        places = list(blender.windows())
        batches = [places[first : first + size] for first in range(0, len(places), size)]
        read = partial(read_windows, image, blender.rows, blender.columns)
        work = partial(self._look, image, network, device)
        if image.is_lazy:
            done = run_ahead(batches, read, work, count_lanes(device))
        else:
            done = ((batch, work(read(batch))) for batch in batches)
        for batch, logits in done:
            for place, window in zip(batch, logits, strict=True):
                block = blender.add(*place, window)
                if block is not None:
                    yield block
            advance(len(batch))
            self._trim(len(batch), device)

    def _look(self, image: PreparedImage, network: Forward, device: torch.device, windows: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, Y, X) of windows (B, 1, Y, X) of an image; of a large one in the memory of the processor."""
        try:
            logits = self.fitting(windows.to(device), network)
        except SmallestTooLargeError as error:
            height, width = error.size
            advice = "close other programs, then continue by --resume" if image.is_lazy else MEMORY_ADVICE
            raise TooLargeError(
                f"{image.path}: {image.shape[0]} x {image.shape[1]} pixels must fit into memory by windows of {height} x "
                f"{width}, they do not; {advice}"
            ) from error
        return logits.cpu() if image.is_lazy else logits

    def _trim(self, windows: int, device: torch.device) -> None:
        before, self.looked = self.looked, self.looked + windows
        if self.looked // TRIMMED > before // TRIMMED:
            release_memory(device)
