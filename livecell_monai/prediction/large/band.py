"""Rows of a mosaic's mask, predicted from the file by themselves: what one process, or one of many, does at a time."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from livecell_monai.data.large.source import LargeImageSource
from livecell_monai.errors import TooLargeError
from livecell_monai.outputs.large.chunks import ChunkWriter
from livecell_monai.prediction.large.blending import Blender, Block, Context
from livecell_monai.prediction.large.lanes import count_lanes, shared_cores
from livecell_monai.prediction.out_of_memory import release_memory
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.sample import Pixels, Region
from livecell_monai.transforms import IntensityScale, PartialResize, PartialRestore

Forward = Callable[..., torch.Tensor]
TRIMMED = 128  # windows after which freed memory goes back: the heap breaks up a little with each, however many there are
AT_ONCE = 2**15  # pixels that grey values are changed of: they stay in the cache, and torch asks for no second thread


@dataclass(frozen=True)
class IntensityRange:
    """How the grey values of a mosaic become what the network sees, every pixel by itself.

    Attributes:
        low: least value of the whole image, which becomes 0.
        high: greatest value, which becomes 1.
        scale: what follows; None where grey values stay in [0, 1].
    """

    low: float
    high: float
    scale: IntensityScale | None = None

    def to_unit(self, pixels: Pixels) -> Pixels:
        """Values in the file's own type as float32 in [0, 1], as `ScaleIntensity` does."""
        unit: Pixels = np.empty(pixels.shape, np.float32)
        self._fill(unit, pixels)
        return unit

    def __call__(self, pixels: Pixels) -> torch.Tensor:
        """(Y, X) float32."""
        seen = torch.empty(pixels.shape)
        unit, rows = seen.numpy(), max(1, AT_ONCE // pixels.shape[1])
        for first in range(0, len(pixels), rows):
            part = slice(first, first + rows)
            self._fill(unit[part], pixels[part])
            if self.scale is not None:
                self.scale(seen[part], out=seen[part])
        return seen

    def _fill(self, unit: Pixels, pixels: Pixels) -> None:
        low, high = np.float32(self.low), np.float32(self.high)
        unit[...] = pixels
        unit -= low
        unit /= high - low


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
        source: LargeImageSource,
        grey: IntensityRange,
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
        self.looked = 0

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
        windows, size, lanes = list(blender.windows()), self.inferer.sw_batch_size, count_lanes(self.device)
        batches = deque(windows[first : first + size] for first in range(0, len(windows), size))
        coming: deque[tuple[list[tuple[int, int]], Future[torch.Tensor]]] = deque()
        with (
            shared_cores(lanes),
            ThreadPoolExecutor(max_workers=1) as ahead,
            ThreadPoolExecutor(max_workers=lanes) as looking,
        ):
            try:
                while batches or coming:
                    while batches and len(coming) <= lanes:  # one is read while the others are looked at
                        batch = batches.popleft()
                        coming.append((batch, looking.submit(self._look, ahead.submit(self._read, batch))))
                    batch, logits = coming.popleft()
                    for (row, column), found in zip(batch, logits.result()[:, 0], strict=True):
                        block = blender.add(row, column, found)
                        if block is not None:
                            self._write(context, block, (top, bottom), writer)
                    advance(len(batch))
                    self._count(len(batch))
            finally:
                for _, left in coming:  # none, but where something went wrong
                    left.cancel()

    @torch.no_grad()
    def _look(self, coming: Future[torch.Tensor]) -> torch.Tensor:
        """Logits of some windows (B, 1, Y, X); where they are too large for the memory, of windows inside of them.

        Args:
            coming: the windows, which are read by now, or soon.
        """
        try:
            logits: torch.Tensor = self.inferer(coming.result().to(self.device), self.network)
        except TooLargeError as error:
            path = self.source.stack.path
            raise TooLargeError(
                f"{path}: the smallest windows of the network must fit into memory, they do not; close other programs, then "
                "go on by --resume"
            ) from error
        return logits.cpu()

    def _count(self, windows: int) -> None:
        before, self.looked = self.looked, self.looked + windows
        if self.looked // TRIMMED > before // TRIMMED:
            release_memory(self.device)

    def _read(self, windows: Sequence[tuple[int, int]]) -> torch.Tensor:
        """What the network sees of some windows, (B, 1, Y, X)."""
        parts = [self._read_window(row, column)[None] for row, column in windows]
        return torch.stack(parts) if len(parts) > 1 else parts[0][None]  # of one, a view

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

    def _write(self, context: Context, block: Block, band: tuple[int, int], writer: ChunkWriter) -> None:
        """Bring logits back to the image's grid, as far as they reach, and hand the mask on."""
        top, left, logits = block
        above, before, (height, width) = top, left, logits.shape
        first, last, start, stop = top, top + height, left, left + width
        if self.restore.changes:
            above, before, logits = context.extend(*block)
            first, last = self.restore.rows.owned(top, last)
            start, stop = self.restore.columns.owned(left, stop)
        first, last = max(first, band[0]), min(last, band[1])
        if first >= last or start >= stop:
            return
        restored = self.restore(logits, above, before, Region(first, start, last, stop))
        found = restored.sigmoid_() >= self.threshold  # in place: nothing else looks at them
        writer.add(first, start, found.view(torch.uint8).mul_(255).numpy())
