"""Builds the pyramid of a complete mask in one pass per level: counts components, fills the next level, encodes tiles."""

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
from livecell_monai.outputs.large.measures import ChunkLabels, Components, label_chunk
from livecell_monai.outputs.large.pyramid import create_levels, describe_pyramid
from livecell_monai.sample import Pixels

THREADS = min(4, os.cpu_count() or 1)  # reading, labelling and encoding a chunk release Python's lock
Processed = tuple[ChunkLabels | None, bytes, Pixels]  # labels, encoded tile, every second pixel


class PyramidBuilder:
    """Reads the levels of a mask, largest first, each chunk once.

    Args:
        levels: arrays (Y, X) uint8; the first is complete, the others are filled.
        encode: encodes a tile (`CHUNK`, `CHUNK`), padded with background; None if no tiles are needed.
    """

    def __init__(self, levels: Sequence[Any], encode: Callable[[Pixels], bytes] | None) -> None:
        self.levels, self.encode = levels, encode
        self.components = Components(levels[0].shape)

    def tiles(self, number: int) -> Iterator[bytes]:
        """The encoded tiles of a level, row by row; the previous level must be done.

        Raises:
            DataError: the next level cannot be written.
        """
        last = None
        for tile in self._read_level(number):
            if last is not None:
                yield last
            last = tile
        assert last is not None
        yield last  # after the next level is complete: a caller that counts tiles stops here

    def run(self) -> None:
        """Fill all levels without tiles."""
        for number in range(len(self.levels)):
            deque(self.tiles(number), maxlen=0)

    def _read_level(self, number: int) -> Iterator[bytes]:
        height, width = self.levels[number].shape
        places = deque((top, left) for top in range(0, height, CHUNK) for left in range(0, width, CHUNK))
        pending: deque[tuple[int, int, Future[Processed]]] = deque()
        with ExitStack() as stack:
            smaller = self.levels[number + 1 : number + 2]
            writer = stack.enter_context(ChunkWriter(smaller[0])) if smaller else None
            threads = stack.enter_context(ThreadPoolExecutor(max_workers=THREADS))
            while places or pending:
                while places and len(pending) <= THREADS:
                    place = places.popleft()
                    pending.append((*place, threads.submit(self._process, number, *place)))
                top, left, future = pending.popleft()
                labels, tile, half = future.result()
                if labels is not None:
                    self.components.add(left, labels)
                if writer is not None:
                    writer.add(top // 2, left // 2, half)
                yield tile

    def _process(self, number: int, top: int, left: int) -> Processed:
        chunk: Pixels = self.levels[number][top : top + CHUNK, left : left + CHUNK]
        labels = label_chunk(chunk) if number == 0 else None
        tile = chunk if chunk.shape == (CHUNK, CHUNK) else np.pad(chunk, [(0, CHUNK - edge) for edge in chunk.shape])
        return labels, b"" if self.encode is None else self.encode(tile), chunk[::2, ::2].copy()


def build_pyramid(
    folder: LargeImageFolder, form: str, pixel_size_um: tuple[float, float] | None
) -> tuple[Path, list[Any], tuple[float, int]]:
    """Build the finished file or folder from the complete chunks of a hidden folder.

    Args:
        folder: the hidden folder.
        form: `tiff` or `zarr`.
        pixel_size_um: (Y, X); None if unknown.

    Returns:
        The path inside the hidden folder, the levels of the mask, and (foreground fraction, number of components).

    Raises:
        DataError: it cannot be written.
    """
    levels, finished = create_levels(folder.image), folder.image
    builder = PyramidBuilder(levels, None if form == "zarr" else encode_tile)
    if form == "zarr":
        builder.run()
        describe_pyramid(folder.image, folder.name, pixel_size_um)
    else:
        finished = folder.path / "mask.ome.tif"
        write_bigtiff(finished, [level.shape for level in levels], builder.tiles, pixel_size_um)
    return finished, levels, builder.components.total()
