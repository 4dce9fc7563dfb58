"""A training reads the same few images for checks, plan, split, loader and figures: here each file is decoded once."""

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

from livecell_monai.sample import Plane

LIMIT_BYTES = 128 * 2**20  #: of decoded planes, about 30 images of 1024 x 1024 in 16 bit with their labels

FileState = tuple[str, int, int, int]
Measured = TypeVar("Measured")


class ReadCache:
    """Planes and measurements of files, valid as long as a file keeps its path, modification time, size and inode.

    The cache keeps what comes first and evicts nothing: every phase of a training reads all images in the same order, so an
    eviction of the oldest would keep no plane until its next use. Measurements are small and have no limit.

    Args:
        limit_bytes: of the decoded planes together.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._free = limit_bytes
        self._planes: dict[FileState, Plane] = {}
        self._measured: dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def read(self, path: Path, decode: Callable[[Path], Plane]) -> Plane:
        """The plane (Y, X) of a file; the caller may write to its pixels."""
        state = _read_state(path)
        kept = self._planes.get(state) if state is not None else None
        if kept is not None:
            return Plane(kept.pixels.copy(), kept.pixel_size_um)
        plane = decode(path)
        with self._lock:
            if state is not None and state not in self._planes and plane.pixels.nbytes <= self._free:
                self._free -= plane.pixels.nbytes
                self._planes[state] = Plane(plane.pixels.copy(), plane.pixel_size_um)
        return plane

    def measure(self, key: Hashable, paths: Sequence[Path], measure: Callable[[], Measured]) -> Measured:
        """The measurement of some files, see `measure_once`."""
        states = [_read_state(path) for path in paths]
        if None in states:
            return measure()
        full_key = (key, *states)
        if full_key not in self._measured:
            self._measured[full_key] = measure()
        measured: Measured = self._measured[full_key]
        return measured


_active: ReadCache | None = None


@contextmanager
def cached_reads(limit_bytes: int = LIMIT_BYTES) -> Iterator[None]:
    """Share decoded planes and measurements within the block, in all threads; a block inside another shares its cache."""
    global _active
    if _active is not None:
        yield
        return
    _active = ReadCache(limit_bytes)
    try:
        yield
    finally:
        _active = None


def read_once(path: Path, decode: Callable[[Path], Plane]) -> Plane:
    """The plane of a file, from the active cache if there is one.

    Args:
        path: the file; folders (OME-Zarr) are always decoded.
        decode: reads the file.
    """
    return decode(path) if _active is None else _active.read(path, decode)


def measure_once(key: Hashable, paths: Sequence[Path], measure: Callable[[], Measured]) -> Measured:
    """A measurement of files, from the active cache if there is one.

    Args:
        key: what is measured, with every argument that changes the result.
        paths: the files that it depends on.
        measure: makes the measurement, which nobody may change.
    """
    return measure() if _active is None else _active.measure(key, paths, measure)


def _read_state(path: Path) -> FileState | None:
    """What changes when a file is written again; None for a folder and for a file that cannot be looked up."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not S_ISREG(status.st_mode):
        return None
    return str(path.absolute()), status.st_mtime_ns, status.st_size, status.st_ino
