"""An image of any size through the network: window by window, with blended overlaps."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from monai.inferers import Inferer

from livecell_monai.data.checks.limits import MEMORY_ADVICE
from livecell_monai.errors import TooLargeError
from livecell_monai.network.accelerator import Accelerator, release_memory
from livecell_monai.prediction.blending import Blender, Block, join_blocks
from livecell_monai.prediction.forward_pass import Forward, ForwardPass, SmallestWindowError, batched
from livecell_monai.prediction.prepared import ImageInMemory, PreparedImage, read_windows
from livecell_monai.prediction.streams import count_streams, run_streams
from livecell_monai.prediction.windows import WindowPlan, auto_window
from livecell_monai.settings import check_values

RELEASE_AFTER = 128  # windows after which freed memory goes back to the system: each one fragments the heap a little


class WindowInferer(Inferer):  # type: ignore[misc]
    """A window slid over each image (B, 1, Y, X), the overlaps blended by a Gaussian; images may have any size.

    All windows of an image are equally large, so that time grows with the number of pixels and not in steps. When memory
    runs out, `ForwardPass` splits the windows; their positions do not change.

    Args:
        window: [Y, X] of the largest window at the working scale, multiples of `multiple`; `auto` for what fits into memory.
        multiple: Y and X of the network's input are multiples of this.
        batch: number of windows in one pass of the network.
        overlap: overlap of neighbouring windows in pixels, at most half a window.
        tta_views: 1; 2 with the mirrored image; 4 with its quarter turns; 8 with both; their logits are averaged.
        memory_mb: memory of a forward pass besides the weights, for `auto`.
        bytes_per_pixel: memory of a forward pass in float32 per pixel, for `auto`.

    Raises a SettingError if the number of views or the overlap is invalid.
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
        self.accelerator, self.tta_views = accelerator, tta_views
        bytes_here = bytes_per_pixel / (2 if accelerator.bf16 else 1)
        by_area = isinstance(window, str)
        largest = auto_window(memory_mb * 2**20 / batch / bytes_here, multiple) if isinstance(window, str) else window
        self.windows = WindowPlan((int(largest[0]), int(largest[1])), overlap, multiple, by_area)
        self.forward = ForwardPass(accelerator, self.windows, batch, tta_views)
        self.windows_done = 0

    @torch.no_grad()
    def __call__(self, inputs: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, C, Y, X) float32 of the same Y and X; a TooLargeError if the smallest windows exceed the memory."""

        def forward(windows: torch.Tensor) -> torch.Tensor:
            return network(windows, *args, **kwargs)

        logits = [self.whole(ImageInMemory(image), forward, inputs.device) for image in inputs]
        return torch.stack(logits) if len(logits) > 1 else logits[0][None]

    def whole(self, image: PreparedImage, network: Forward, device: torch.device) -> torch.Tensor:
        """Logits (C, Y, X) float32 of a whole image at the working scale, on the network's device; else as `blocks`."""
        return join_blocks(self.blocks(image, network, device, (0, image.shape[0])), image.shape)

    def blender(self, shape: tuple[int, int], band: tuple[int, int]) -> Blender:
        """The windows that rows [top, bottom) of an image (Y, X) depend on."""
        return Blender(*self.windows.cover(shape), shape, band, self.windows.halo)

    def blocks(
        self,
        image: PreparedImage,
        network: Forward,
        device: torch.device,
        band: tuple[int, int],
        advance: Callable[[int], None] = lambda _: None,
    ) -> Generator[Block, None, None]:
        """Blended logits of rows [top, bottom) of an image at the working scale, each pixel once, row by row.

        Windows of a large image are read and used while the network, in evaluation mode, runs on others. `band` holds the
        rows; `advance` is called with the number of windows that are done. A DataError if a part cannot be
        read, a TooLargeError if the smallest windows do not fit into memory.
        """
        blender = self.blender(image.shape, band)
        batches = list(batched(blender.windows(), self.forward.batch))
        read = partial(read_windows, image, blender.rows, blender.columns)
        work = partial(self._infer, image, network, device)
        if image.is_lazy:
            done = run_streams(batches, read, work, count_streams(device))
        else:
            done = ((batch, work(read(batch))) for batch in batches)
        for batch, logits in done:
            yield from blender.blend(batch, logits)
            advance(len(batch))
            before, self.windows_done = self.windows_done, self.windows_done + len(batch)
            if self.windows_done // RELEASE_AFTER > before // RELEASE_AFTER:
                release_memory(device)

    def _infer(self, image: PreparedImage, network: Forward, device: torch.device, windows: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, Y, X) of windows (B, 1, Y, X) of an image; those of a large image in CPU memory."""
        try:
            logits = self.forward(windows.to(device), network)
        except SmallestWindowError as error:
            height, width = error.args
            advice = "close other programs, then continue by --resume" if image.is_lazy else MEMORY_ADVICE
            raise TooLargeError(
                f"{image.path}: {image.shape[0]} x {image.shape[1]} pixels must fit into memory with windows of {height} x "
                f"{width}, they do not; {advice}"
            ) from error
        return logits.cpu() if image.is_lazy else logits


class HaloInferer(WindowInferer):
    """A `WindowInferer` for a network whose logits near the border of a window must not be used.

    Args:
        halo: pixels at each side of a window; neighbouring windows overlap by twice as many.
        options: those of `WindowInferer`, by name.
    """

    def __init__(self, halo: int, **options: Any) -> None:
        super().__init__(**options)
        self.windows = replace(self.windows, overlap=max(self.windows.overlap, 2 * halo), halo=halo)
        self.forward.plan = self.windows
