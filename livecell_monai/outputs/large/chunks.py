"""Maps of a large image as Zarr arrays, written chunk by chunk; each chunk is written once, when it is complete."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from livecell_monai.data.large import allocate_pages
from livecell_monai.errors import DataError
from livecell_monai.runs.atomic import describe_os_error
from livecell_monai.sample import Pixels

CHUNK = 1024  #: edge of a chunk of the mask, in pixels
MAX_WAITING = 8  # chunks that wait for the disk: a slow disk must not fill the memory


def open_level(
    folder: Path, level: int, shape: tuple[int, int] | None = None, dtype: type[np.unsignedinteger[Any]] = np.uint8
) -> Any:
    """The array of a level of an OME-Zarr group, 0 for the full size; with a shape (Y, X), a new empty one of this type.

    Chunks of background are written too: a chunk that is not on disk was not predicted.
    """
    import zarr

    group = zarr.open_group(str(folder), mode="a", zarr_format=3)
    with zarr.config.set({"array.write_empty_chunks": True}):
        if shape is None:
            return group[str(level)]
        return group.create_array(
            str(level), shape=shape, chunks=(CHUNK, CHUNK), dtype=dtype, dimension_names=["y", "x"], overwrite=True
        )


class ChunkWriter:
    """Collects parts of an array (Y, X) into chunks and writes complete chunks in a background thread.

    A context manager. An error of the thread, a DataError, is raised at the next part or at the end. Parts of the chunks
    (row, column) in `skip`, which are on disk already, are ignored.
    """

    def __init__(self, array: Any, skip: frozenset[tuple[int, int]] = frozenset()) -> None:
        self.array, self.skip = array, skip
        self.open: dict[tuple[int, int], tuple[Pixels, list[int]]] = {}  # chunk, number of missing pixels
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.writing: deque[Future[None]] = deque()

    def add(self, top: int, left: int, part: Pixels) -> None:
        """Add a part (Y, X) of the type of the array; each pixel is added once."""
        bottom, right = top + part.shape[0], left + part.shape[1]
        for row in range(top // CHUNK, -(-bottom // CHUNK)):
            for column in range(left // CHUNK, -(-right // CHUNK)):
                if (row, column) in self.skip:
                    continue
                first, start = max(top, row * CHUNK), max(left, column * CHUNK)
                last, stop = min(bottom, (row + 1) * CHUNK), min(right, (column + 1) * CHUNK)
                self._fill(row, column, first, start, part[first - top : last - top, start - left : stop - left])

    def __enter__(self) -> "ChunkWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            while self.writing and error is None:
                self.writing.popleft().result()
        finally:
            self.thread.shutdown(wait=True, cancel_futures=True)

    def _fill(self, row: int, column: int, first: int, start: int, part: Pixels) -> None:
        height, width = np.minimum(CHUNK, np.array(self.array.shape) - (row * CHUNK, column * CHUNK)).tolist()
        if (row, column) not in self.open:
            self.open[row, column] = (allocate_pages((height, width), self.array.dtype), [height * width])
        chunk, missing = self.open[row, column]
        top, left = first - row * CHUNK, start - column * CHUNK
        chunk[top : top + part.shape[0], left : left + part.shape[1]] = part
        missing[0] -= part.size
        if missing[0] == 0:
            del self.open[row, column]
            while len(self.writing) >= MAX_WAITING:
                self.writing.popleft().result()
            self.writing.append(self.thread.submit(self._write, row, column, chunk))

    def _write(self, row: int, column: int, chunk: Pixels) -> None:
        with large_image_errors(Path(str(self.array.store.root))):
            height, width = chunk.shape
            self.array[row * CHUNK : row * CHUNK + height, column * CHUNK : column * CHUNK + width] = chunk


@contextmanager
def large_image_errors(folder: Path) -> Iterator[None]:
    """Convert system errors while a large image is written into a DataError of one line."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{folder}: the large image cannot be written ({describe_os_error(error)}); free disk space, then resume by "
            "--resume"
        ) from error
