"""A mask that is whole, read once from level to level: components counted, the next level filled, its tiles encoded."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.outputs.large.bigtiff import encode_tile, write_bigtiff
from livecell_monai.outputs.large.chunks import CHUNK, ChunkWriter
from livecell_monai.outputs.large.folder import LargeImageFolder
from livecell_monai.outputs.large.measures import Components, Labelled, label_chunk
from livecell_monai.outputs.large.pyramid import begin_pyramid, describe_pyramid
from livecell_monai.sample import Pixels

THREADS = min(4, os.cpu_count() or 1)  # reading, labelling and encoding a chunk let go of Python's lock
Seen = tuple[Labelled | None, bytes, Pixels]  # labels, the encoded tile, every second pixel


class Finishing:
    """Goes over the levels of a mask, largest first, each chunk once.

    Args:
        levels: arrays (Y, X) uint8, of which the first one is there and the others are filled.
        encode: makes bytes of a tile (`CHUNK`, `CHUNK`), filled up with background; None where no tiles are wanted.
    """

    def __init__(self, levels: Sequence[Any], encode: Callable[[Pixels], bytes] | None) -> None:
        self.levels, self.encode = levels, encode
        self.components = Components(levels[0].shape)

    def tiles(self, number: int) -> Iterator[bytes]:
        """The encoded tiles of a level, row by row; the next level is there when the last one comes.

        Args:
            number: of the level; the one before it must be through.

        Raises:
            DataError: the next level cannot be written.
        """
        last = None
        for tile in self._go_over(number):
            if last is not None:
                yield last
            last = tile
        assert last is not None
        yield last  # held back until the next level is written: who counts tiles asks for no more than there are

    def run(self) -> None:
        """Go over all levels where no tiles are wanted."""
        for number in range(len(self.levels)):
            deque(self.tiles(number), maxlen=0)

    def _go_over(self, number: int) -> Iterator[bytes]:
        height, width = self.levels[number].shape
        places = deque((top, left) for top in range(0, height, CHUNK) for left in range(0, width, CHUNK))
        coming: deque[tuple[int, int, Future[Seen]]] = deque()
        with ExitStack() as stack:
            above = self.levels[number + 1 : number + 2]
            writer = stack.enter_context(ChunkWriter(above[0])) if above else None
            threads = stack.enter_context(ThreadPoolExecutor(max_workers=THREADS))
            while places or coming:
                while places and len(coming) <= THREADS:
                    place = places.popleft()
                    coming.append((*place, threads.submit(self._look, number, *place)))
                top, left, looked = coming.popleft()
                labelled, tile, half = looked.result()
                if labelled is not None:
                    self.components.add(left, labelled)
                if writer is not None:
                    writer.add(top // 2, left // 2, half)
                yield tile

    def _look(self, number: int, top: int, left: int) -> Seen:
        chunk: Pixels = self.levels[number][top : top + CHUNK, left : left + CHUNK]
        labelled = label_chunk(chunk) if number == 0 else None
        tile = chunk if chunk.shape == (CHUNK, CHUNK) else np.pad(chunk, [(0, CHUNK - edge) for edge in chunk.shape])
        return labelled, b"" if self.encode is None else self.encode(tile), chunk[::2, ::2].copy()


def finish_image(
    folder: LargeImageFolder, form: str, pixel_size_um: tuple[float, float] | None
) -> tuple[Path, list[Any], tuple[float, int]]:
    """The finished file or folder inside a hidden one whose chunks are all there, the levels of the mask, and its measures.

    Args:
        folder: the hidden one.
        form: `tiff` or `zarr`.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: it cannot be written.
    """
    levels, finished = begin_pyramid(folder.image), folder.image
    if form == "zarr":
        finishing = Finishing(levels, None)
        finishing.run()
        describe_pyramid(folder.image, folder.name, pixel_size_um)
    else:
        finished, finishing = folder.path / "mask.ome.tif", Finishing(levels, encode_tile)
        write_bigtiff(finished, [level.shape for level in levels], finishing.tiles, pixel_size_um)
    return finished, levels, finishing.components.total()
