"""One plane of a stack, read in any rectangles with each tile of the file decoded as seldom as the memory allows."""

import threading
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np

from livecell_monai.data.large.pages import allocate_pages
from livecell_monai.data.readers import Stack
from livecell_monai.sample import Pixels, Region

BLOCK = 512  # pixels, about: an edge of what is read at once
CACHE_BYTES = 64 * 2**20  # bytes of blocks that are kept


class LargeImageSource:
    """A plane in blocks of whole tiles, the last ones used kept: windows overlap, and do not begin where tiles do.

    Args:
        stack: the open file; whoever opened it closes it.
        time: index of the frame.
        channel: index of the channel.
        z: index of the plane in depth.
        rows: height of what is read at once, in pixels: as many are kept where the file's strips are as wide as the plane.

    Attributes:
        shape: (Y, X) of the plane.
        decoded: number of blocks that were read from the file so far.
    """

    def __init__(self, stack: Stack, time: int = 0, channel: int = 0, z: int = 0, rows: int = 0) -> None:
        self.stack = stack
        self.plane = {"time": time, "channel": channel, "z": z}
        self.shape: tuple[int, int] = (stack.length("Y"), stack.length("X"))
        self.block = _block_of(stack.tile, self.shape)
        self.decoded = 0
        self._blocks: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._kept = 0
        self._lock = threading.Lock()
        is_wide = self.block[1] >= self.shape[1] > BLOCK
        self._most = CACHE_BYTES + (stack.dtype.itemsize * self.shape[1] * (rows + 2 * self.block[0]) if is_wide else 0)

    def read(self, region: Region) -> Pixels:
        """The pixels (Y, X) of a part, in the file's own type; a copy.

        Raises:
            DataError: where the part cannot be read or decoded.
        """
        part: Pixels = np.empty((region.bottom - region.top, region.right - region.left), self.stack.dtype)
        height, width = self.block
        with self._lock:  # a stack is for one thread at a time
            for row in range(region.top // height, -(-region.bottom // height)):
                for column in range(region.left // width, -(-region.right // width)):
                    here = self._region(row, column)
                    top, bottom = max(region.top, here.top), min(region.bottom, here.bottom)
                    left, right = max(region.left, here.left), min(region.right, here.right)
                    cut = Region(top - here.top, left - here.left, bottom - here.top, right - here.left)
                    target = part[top - region.top : bottom - region.top, left - region.left : right - region.left]
                    target[...] = cut.crop(self._fetch(row, column))
        return part

    def blocks(self) -> Iterator[tuple[Region, Pixels]]:
        """Every block of the plane once, row by row, none of them kept.

        Raises:
            DataError: at the first one that cannot be read or decoded.
        """
        height, width = self.block
        for row in range(-(-self.shape[0] // height)):
            for column in range(-(-self.shape[1] // width)):
                region = self._region(row, column)
                with self._lock:
                    self.decoded += 1
                    block = self.stack.read(**self.plane, region=region)
                yield region, block

    def _region(self, row: int, column: int) -> Region:
        height, width = self.block
        bottom, right = min((row + 1) * height, self.shape[0]), min((column + 1) * width, self.shape[1])
        return Region(row * height, column * width, bottom, right)

    def _fetch(self, row: int, column: int) -> Pixels:
        found = self._blocks.pop((row, column), None)
        if found is None:
            block = self.stack.read(**self.plane, region=self._region(row, column))
            found = allocate_pages(block.shape, block.dtype)
            found[...] = block
            self.decoded += 1
            self._kept += found.nbytes
        self._blocks[row, column] = found  # the last one used is the last one to go
        while self._kept > self._most and len(self._blocks) > 1:
            self._kept -= self._blocks.popitem(last=False)[1].nbytes
        return found


def _block_of(tile: tuple[int, int] | None, shape: tuple[int, int]) -> tuple[int, int]:
    """(Y, X) of whole tiles, about `BLOCK` pixels each way, but for strips, which are as wide as they are."""
    if tile is None:
        return BLOCK, BLOCK
    height, width = (max(1, BLOCK // edge) * edge for edge in tile)
    is_strip = tile[1] >= shape[1]
    return (max(1, BLOCK // 4 // tile[0]) * tile[0], shape[1]) if is_strip else (height, width)
