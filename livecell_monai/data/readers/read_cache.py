"""A training reads the same few images for checks, plan, split, loader and figures: here each file is decoded once.

A prediction reads an image for the network and for the intensities of its cells.
"""

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

from livecell_monai.sample import Plane

LIMIT_BYTES = 128 * 2**20  #: of decoded planes, about 30 images of 1024 x 1024 in 16 bit with their labels
RECENT_BYTES = 32 * 2**20  #: of the last planes of a prediction

_FileState = tuple[str, int, int, int]
Measured = TypeVar("Measured")


class _ReadCache:
    """Planes and measurements of files, valid while a file keeps its path, modification time, size and inode.

    The cache of a training keeps what comes first and evicts nothing: every phase reads all images in the same order, so an
    eviction of the oldest would keep no plane until its next use. The other `evicts`: it keeps what came last.
    Measurements are small and have no limit.
    """

    def __init__(self, limit_bytes: int, evicts: bool = False) -> None:
        self.limit_bytes = self.free_bytes = limit_bytes
        self.evicts = evicts
        self.planes: dict[tuple[_FileState, Hashable], Plane] = {}
        self.measured: dict[Hashable, Any] = {}
        self.lock = threading.Lock()

    def keep(self, key: tuple[_FileState, Hashable], plane: Plane) -> None:
        """Keep a copy of a plane if there is space for it."""
        size = plane.pixels.nbytes
        with self.lock:
            if key in self.planes or size > self.limit_bytes:
                return
            while self.evicts and size > self.free_bytes:
                self.free_bytes += self.planes.pop(next(iter(self.planes))).pixels.nbytes
            if size <= self.free_bytes:
                self.free_bytes -= size
                self.planes[key] = Plane(plane.pixels.copy(), plane.pixel_size_um)


_active: _ReadCache | None = None


@contextmanager
def cached_reads(limit_bytes: int = LIMIT_BYTES) -> Iterator[None]:
    """Share decoded planes and measurements within the block, in all threads; a block inside another shares its cache."""
    with _activated(_ReadCache(limit_bytes)):
        yield


@contextmanager
def recent_reads(limit_bytes: int = RECENT_BYTES) -> Iterator[None]:
    """As `cached_reads`, of the last planes only: a prediction reads an image, and soon again to measure its cells."""
    with _activated(_ReadCache(limit_bytes, evicts=True)):
        yield


@contextmanager
def _activated(cache: _ReadCache) -> Iterator[None]:
    global _active
    if _active is not None:
        yield
        return
    _active = cache
    try:
        yield
    finally:
        _active = None


def read_once(path: Path, decode: Callable[[Path], Plane], kind: Hashable = None) -> Plane:
    """The plane (Y, X) of a file, from the active cache if there is one; the caller may write to its pixels.

    `kind` distinguishes ways to decode one file. Folders (OME-Zarr) are always decoded.
    """
    cache, state = _active, _read_state(path)
    if cache is None or state is None:
        return decode(path)
    key = (state, kind)
    kept = cache.planes.get(key)
    if kept is not None:
        return Plane(kept.pixels.copy(), kept.pixel_size_um)
    plane = decode(path)
    cache.keep(key, plane)
    return plane


def measure_once(key: Hashable, paths: Sequence[Path], measure: Callable[[], Measured]) -> Measured:
    """A measurement that depends on files, from the active cache if there is one; nobody may change it.

    `key` names the measurement, with every argument that changes the result.
    """
    cache, states = _active, [_read_state(path) for path in paths]
    if cache is None or None in states:
        return measure()
    full_key = (key, *states)
    if full_key not in cache.measured:
        cache.measured[full_key] = measure()
    measured: Measured = cache.measured[full_key]
    return measured


def _read_state(path: Path) -> _FileState | None:
    """What changes when a file is written again; None for a folder and for a file that cannot be looked up."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    if not S_ISREG(status.st_mode):
        return None
    return str(path.absolute()), status.st_mtime_ns, status.st_size, status.st_ino
