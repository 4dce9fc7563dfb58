"""A mask into a Zarr array, chunk by chunk: each is written once, when its last pixel is there."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from livecell_monai.data.large.pages import allocate_pages
from livecell_monai.errors import DataError
from livecell_monai.runs.atomic import describe_os_error
from livecell_monai.sample import Pixels

CHUNK = 1024  #: edge of a chunk of the mask, in pixels
WAITING = 8  # chunks that may wait to be written: a slow disk must not fill the memory


class ChunkWriter:
    """Collects parts of a mask into chunks and writes those that are complete, while whoever calls goes on.

    A context manager; what went wrong in writing is raised at the next part, or at the end.

    Args:
        array: the Zarr array (Y, X) uint8.
        skip: chunks (row, column) that are on disk already; parts of them are dropped.
    """

    def __init__(self, array: Any, skip: frozenset[tuple[int, int]] = frozenset()) -> None:
        self.array = array
        self.skip = skip
        self.open: dict[tuple[int, int], tuple[Pixels, list[int]]] = {}
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.writing: deque[Future[None]] = deque()

    def add(self, top: int, left: int, part: Pixels) -> None:
        """Take a part (Y, X) uint8 of the mask; every pixel comes once.

        Raises:
            DataError: an earlier chunk could not be written.
        """
        bottom, right = top + part.shape[0], left + part.shape[1]
        for row in range(top // CHUNK, -(-bottom // CHUNK)):
            for column in range(left // CHUNK, -(-right // CHUNK)):
                if (row, column) in self.skip:
                    continue
                first, start = max(top, row * CHUNK), max(left, column * CHUNK)
                last, stop = min(bottom, (row + 1) * CHUNK), min(right, (column + 1) * CHUNK)
                self._put(row, column, first, start, part[first - top : last - top, start - left : stop - left])

    def __enter__(self) -> "ChunkWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            while self.writing and error is None:
                self.writing.popleft().result()
        finally:
            self.thread.shutdown(wait=True, cancel_futures=True)

    def _put(self, row: int, column: int, first: int, start: int, part: Pixels) -> None:
        height, width = (
            min(CHUNK, edge - index * CHUNK) for edge, index in zip(self.array.shape, (row, column), strict=True)
        )
        if (row, column) not in self.open:
            self.open[row, column] = (allocate_pages((height, width), np.uint8), [height * width])
        chunk, missing = self.open[row, column]
        top, left = first - row * CHUNK, start - column * CHUNK
        chunk[top : top + part.shape[0], left : left + part.shape[1]] = part
        missing[0] -= part.size
        if missing[0] == 0:
            del self.open[row, column]
            while len(self.writing) >= WAITING:
                self.writing.popleft().result()
            self.writing.append(self.thread.submit(self._write, row, column, chunk))

    def _write(self, row: int, column: int, chunk: Pixels) -> None:
        with writing_chunks(Path(str(self.array.store.root))):
            height, width = chunk.shape
            self.array[row * CHUNK : row * CHUNK + height, column * CHUNK : column * CHUNK + width] = chunk


@contextmanager
def writing_chunks(folder: Path) -> Iterator[None]:
    """Turn what the system refuses while a mosaic is written into one line.

    Raises:
        DataError: disk full, no right to write.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{folder}: the mosaic cannot be written ({describe_os_error(error)}); make room, then go on "
            "from what is written by --resume"
        ) from error
