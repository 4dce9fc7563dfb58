"""Large images, read in parts: one plane of a stack in rectangles, and what one pass over the whole measures."""

import math
import mmap
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livecell_monai.data.readers import Stack
from livecell_monai.data.readers.kinds import check_image_range, image_type, to_image_part
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

BLOCK = 512  # pixels, about: an edge of what is read at once
CACHE_BYTES = 64 * 2**20  # bytes of blocks that are kept


class BlockCache:
    """An array (Y, X) that is read in blocks of whole tiles; the last used ones are kept, because parts overlap.

    `load` reads a block, and `most` bytes of blocks are kept. For several threads, of which one reads at a time: of all
    caches with the same `lock`, which those of one file need.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        block: tuple[int, int],
        dtype: npt.DTypeLike,
        load: Callable[[Region], Pixels],
        most: int,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.shape, self.block, self.dtype, self.load, self.most = shape, block, np.dtype(dtype), load, most
        self.loaded = 0  #: blocks so far
        self._blocks: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._kept = 0
        self.lock = lock or threading.Lock()

    def read(self, region: Region) -> Pixels:
        """The pixels (Y, X) of a region; a copy."""
        part: Pixels = np.empty((region.bottom - region.top, region.right - region.left), self.dtype)
        with self.lock:
            for row, column in region.tiles(*self.block):
                here = self.region(row, column)
                shared = region.overlap(here)
                shared.relative_to(region).crop(part)[...] = shared.relative_to(here).crop(self._fetch(row, column))
        return part

    def region(self, row: int, column: int) -> Region:
        """The region of a block."""
        height, width = self.block
        tile = Region(row * height, column * width, (row + 1) * height, (column + 1) * width)
        return tile.overlap(Region(0, 0, *self.shape))

    def load_once(self, row: int, column: int) -> Pixels:
        """A block that is not kept."""
        with self.lock:
            return self._load(row, column)

    def _load(self, row: int, column: int) -> Pixels:
        self.loaded += 1
        return self.load(self.region(row, column))

    def _fetch(self, row: int, column: int) -> Pixels:
        found = self._blocks.pop((row, column), None)
        if found is None:
            block = self._load(row, column)
            found = self._make_room(block)
            found[...] = block
            self._kept += found.nbytes
        self._blocks[row, column] = found  # the last used is evicted last
        return found

    def _make_room(self, block: Pixels) -> Pixels:
        """Memory for a block: that of an evicted one, which the system need not clear, or new."""
        last = None
        while self._blocks and self._kept + block.nbytes > self.most:
            last = self._blocks.popitem(last=False)[1]
            self._kept -= last.nbytes
        if last is not None and (last.shape, last.dtype) == (block.shape, block.dtype):
            return last
        return allocate_pages(block.shape, block.dtype)


class LargeImageSource:
    """A plane in blocks of whole tiles; the last used blocks are kept, because windows overlap and are not aligned to tiles.

    `stack` is the open file, which the caller closes; `time`, `channel` and `z` are the indices of the plane; `rows` is the
    height of a read in pixels: so many rows are kept if the file's strips are as wide as the plane. Several planes of one
    stack need the same `lock`, since a stack is for one thread at a time.
    """

    def __init__(
        self,
        stack: Stack,
        time: int = 0,
        channel: int = 0,
        z: int = 0,
        rows: int = 0,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.stack = stack
        self.plane = plane = {"time": time, "channel": channel, "z": z}
        self.shape: tuple[int, int] = (stack.length("Y"), stack.length("X"))  #: (Y, X)
        block = _block_of(stack.tile, self.shape)
        self.dtype = image_type(stack.dtype, stack.path)  #: of the pixels that are read
        is_wide = block[1] >= self.shape[1] > BLOCK
        most = CACHE_BYTES + (self.dtype.itemsize * self.shape[1] * (rows + 2 * block[0]) if is_wide else 0)

        def load(region: Region) -> Pixels:  # without this source, so that it is freed with its last reference
            return to_image_part(stack.read(**plane, region=region), stack.path)

        self._cache = BlockCache(self.shape, block, self.dtype, load, most, lock)

    @property
    def lock(self) -> AbstractContextManager[object]:
        """What a thread holds while it reads."""
        return self._cache.lock

    @property
    def decoded(self) -> int:
        """Blocks read from the file so far."""
        return self._cache.loaded

    def read(self, region: Region) -> Pixels:
        """The pixels (Y, X) of a region, in the type `dtype`; a copy."""
        return self._cache.read(region)

    def blocks(self) -> Iterator[tuple[Region, Pixels]]:
        """Every block of the plane once, row by row; none is kept."""
        for row, column in Region(0, 0, *self.shape).tiles(*self._cache.block):
            yield self._cache.region(row, column), self._cache.load_once(row, column)


def _block_of(tile: tuple[int, int] | None, shape: tuple[int, int]) -> tuple[int, int]:
    """(Y, X) of whole tiles, about `BLOCK` pixels each way; strips are as wide as the plane."""
    if tile is None:
        return BLOCK, BLOCK
    if tile[1] >= shape[1]:
        return max(1, BLOCK // 4 // tile[0]) * tile[0], shape[1]
    return max(1, BLOCK // tile[0]) * tile[0], max(1, BLOCK // tile[1]) * tile[1]


def allocate_pages(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Pixels:
    """An array of zeros in memory pages of its own, which the system gets back with its last view.

    A long-lived array among short-lived tensors fragments the heap, which then grows with the size of the image.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size == 0:
        return np.zeros(shape, dtype)
    return np.frombuffer(mmap.mmap(-1, size, access=mmap.ACCESS_COPY), dtype).reshape(shape)


@dataclass(frozen=True)
class Survey:
    """The result of one pass over an image, in the type of its `LargeImageSource`."""

    low: float  #: minimum, as float32
    high: float  #: maximum, as float32
    sample: Pixels  #: (M, N), every n-th row and column
    thumbnail: Pixels  #: (Y, X), every 2^k-th row and column


def survey_source(source: LargeImageSource, step: int, thumbnail_step: int) -> Survey:
    """Read and check every pixel of an image once, see `to_image`; sample and thumbnail each have their step."""
    path, dtype = source.stack.path, source.dtype
    steps = (step, thumbnail_step)
    picked: list[Pixels] = [np.empty([-(-edge // each) for edge in source.shape], dtype) for each in steps]
    low, high = np.inf, -np.inf
    for region, block in source.blocks():
        if dtype.kind == "f":
            _check_finite(source, region, block)
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        for each, target in zip(steps, picked, strict=True):
            _pick(region, block, each, target)
    check_image_range(low, high, path)
    return Survey(float(np.float32(low)), float(np.float32(high)), *picked)


def _pick(region: Region, block: Pixels, step: int, target: Pixels) -> None:
    """Copy every n-th row and column of a block, counted in the image, to its place in the target."""
    top, left = -(-region.top // step), -(-region.left // step)
    rows = block[top * step - region.top :: step, left * step - region.left :: step]
    target[top : top + rows.shape[0], left : left + rows.shape[1]] = rows


def _check_finite(source: LargeImageSource, region: Region, block: Pixels) -> None:
    bad = ~np.isfinite(block)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{source.stack.path}: an image must be finite in every pixel, got NaN or infinite at row {region.top + row}, "
            f"column {region.left + column}; replace it"
        )


def count_other_values(source: LargeImageSource, change: Callable[[Pixels], Pixels], value: float) -> tuple[Pixels, Pixels]:
    """The values other than one that nearly all pixels have, sorted, and their numbers of pixels; another pass.

    `change` is applied to the values first; it returns float32.
    """
    found: Counter[float] = Counter()
    for _, block in source.blocks():
        changed = change(block)
        values, counts = np.unique(changed[changed != np.float32(value)], return_counts=True)
        found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    values = np.array(sorted(found), np.float32)
    return values, np.array([found[each] for each in sorted(found)], np.int64)
