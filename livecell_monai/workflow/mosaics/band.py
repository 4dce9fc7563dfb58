"""Rows of a mosaic's mask, predicted from the file by themselves: what one process, or one of many, does at a time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from livecell_monai.data.mosaics import ChunkWriter, MosaicSource
from livecell_monai.errors import TooLargeError
from livecell_monai.sample import Pixels, Region
from livecell_monai.transforms import GreyScale, PartialResize, PartialRestore
from livecell_monai.workflow.inferers import WindowInferer
from livecell_monai.workflow.mosaics.blending import Blender, Context

Forward = Callable[..., torch.Tensor]
AT_ONCE = 2**15  # pixels that grey values are changed of: they stay in the cache, and torch asks for no second thread


@dataclass(frozen=True)
class Grey:
    """How the grey values of a mosaic become what the network sees, every pixel by itself.

    Attributes:
        low: least value of the whole image, which becomes 0.
        high: greatest value, which becomes 1.
        scale: what follows; None where grey values stay in [0, 1].
    """

    low: float
    high: float
    scale: GreyScale | None = None

    def to_unit(self, pixels: Pixels) -> Pixels:
        """Values in the file's own type as float32 in [0, 1], as `ScaleIntensity` does."""
        low, high = np.float32(self.low), np.float32(self.high)
        unit: Pixels = pixels.astype(np.float32)
        unit -= low
        unit /= high - low
        return unit

    def __call__(self, pixels: Pixels) -> torch.Tensor:
        """(Y, X) float32."""
        seen = torch.empty(pixels.shape)
        rows = max(1, AT_ONCE // pixels.shape[1])
        for first in range(0, len(pixels), rows):
            unit = torch.from_numpy(self.to_unit(pixels[first : first + rows]))
            seen[first : first + rows] = unit if self.scale is None else self.scale(unit)
        return seen


class BandPredictor:
    """Predicts rows of a mosaic by windows: the next ones are read, and the last ones written, while the network works.

    Args:
        source: the image.
        grey: what is done to its grey values.
        working: (Y, X) at which the network sees the whole.
        inferer: where windows lie, and how the network looks at them.
        network: in evaluation mode.
        device: where it is.
        threshold: probability from which on a pixel is foreground.
    """

    def __init__(
        self,
        source: MosaicSource,
        grey: Grey,
        working: tuple[int, int],
        inferer: WindowInferer,
        network: Forward,
        device: torch.device,
        threshold: float,
    ) -> None:
        self.source, self.grey, self.working = source, grey, working
        self.inferer, self.network, self.device = inferer, network, device
        self.threshold = threshold
        self.resize = PartialResize(source.shape, working)
        self.restore = PartialRestore(working, source.shape)
        self.rows, self.columns = inferer.plan(working)

    def blend(self, top: int, bottom: int) -> Blender:
        """The windows that rows [top, bottom) of the mask hang on."""
        band = self.restore.rows.reach(top, bottom)
        return Blender(self.rows, self.columns, self.working, band)

    def predict(self, top: int, bottom: int, writer: ChunkWriter, advance: Callable[[int], None] = lambda _: None) -> None:
        """Predict rows [top, bottom) of the mask.

        Args:
            top: a multiple of the chunk.
            bottom: one too, or the height.
            writer: takes the mask, part by part.
            advance: called with the number of windows that are done.

        Raises:
            DataError: a part cannot be read or written.
            TooLargeError: the smallest windows are too large for the memory.
        """
        blender, context = self.blend(top, bottom), Context(self.working[1])
        windows, size = list(blender.windows()), self.inferer.sw_batch_size
        batches = [windows[first : first + size] for first in range(0, len(windows), size)]

        def write(batch: Sequence[tuple[int, int]], logits: torch.Tensor) -> None:
            for (row, column), found in zip(batch, logits[:, 0], strict=True):
                block = blender.add(row, column, found)
                if block is not None:
                    self._write(context.extend(*block), block[0], block[1], (top, bottom), writer)

        with ThreadPoolExecutor(max_workers=1) as ahead, ThreadPoolExecutor(max_workers=1) as behind, torch.no_grad():
            coming, going = ahead.submit(self._read, batches[0]), behind.submit(lambda: None)
            for index, batch in enumerate(batches):
                seen = coming.result()
                if index + 1 < len(batches):
                    coming = ahead.submit(self._read, batches[index + 1])
                logits = self._look(seen)
                going.result()  # one batch of logits at most waits to be written
                going = behind.submit(write, batch, logits)
                advance(len(batch))
            going.result()

    def _look(self, seen: torch.Tensor) -> torch.Tensor:
        """Logits of some windows (B, 1, Y, X); where they are too large for the memory, of windows inside of them."""
        try:
            logits: torch.Tensor = self.inferer(seen.to(self.device), self.network)
        except TooLargeError as error:
            path = self.source.stack.path
            raise TooLargeError(
                f"{path}: the smallest windows of the network must fit into memory, they do not; close other programs, then "
                "go on by --resume"
            ) from error
        return logits.cpu()

    def _read(self, windows: Sequence[tuple[int, int]]) -> torch.Tensor:
        """What the network sees of some windows, (B, 1, Y, X)."""
        return torch.stack([self._read_window(row, column) for row, column in windows])[:, None]

    def _read_window(self, row: int, column: int) -> torch.Tensor:
        sizes = (self.rows.size, self.columns.size)
        corner = (self.rows.starts[row] - self.rows.before, self.columns.starts[column] - self.columns.before)
        first = [max(0, start) for start in corner]
        last = [min(edge, start + size) for edge, start, size in zip(self.working, corner, sizes, strict=True)]
        target = Region(first[0], first[1], last[0], last[1])
        part = self.resize(self.grey(self.source.read(self.resize.source(target))), target)
        if part.shape == sizes:
            return part
        ahead = [have - start for have, start in zip(first, corner, strict=True)]
        behind = [start + size - have for start, size, have in zip(corner, sizes, last, strict=True)]
        return functional.pad(part[None], (ahead[1], behind[1], ahead[0], behind[0]), mode="replicate")[0]

    def _write(
        self,
        have: tuple[int, int, torch.Tensor],
        top: int,
        left: int,
        band: tuple[int, int],
        writer: ChunkWriter,
    ) -> None:
        """Bring logits back to the image's grid, as far as they reach, and hand the mask on."""
        above, before, logits = have
        first, last = self.restore.rows.owned(top, above + logits.shape[0])
        start, stop = self.restore.columns.owned(left, before + logits.shape[1])
        first, last = max(first, band[0]), min(last, band[1])
        if first >= last or start >= stop:
            return
        restored = self.restore(logits, above, before, Region(first, start, last, stop))
        found = torch.sigmoid(restored) >= self.threshold
        writer.add(first, start, found.to(torch.uint8).mul_(255).numpy())
