"""A plane in rectangles: the right pixels, each block decoded once where memory allows."""

import numpy as np
import pytest

from livecell_monai.data.large import source
from livecell_monai.data.large.source import LargeImageSource
from livecell_monai.sample import Region
from tests.support.array_stack import ArrayStack

PLANE = np.random.default_rng(0).integers(0, 60000, (1500, 1300), np.uint16)
TILES = [None, (256, 256), (100, 140), (4096, 4096), (7, 1300), (1500, 1300), (1, 1300)]
every_tile = pytest.mark.parametrize("tile", TILES, ids=str)


@every_tile
def test_any_rectangle(tile):
    read = LargeImageSource(ArrayStack(PLANE, tile), rows=400).read
    for region in (
        Region(0, 0, 1500, 1300),
        Region(511, 3, 513, 1299),
        Region(1499, 1299, 1500, 1300),
        Region(0, 600, 900, 601),
    ):
        part = read(region)
        np.testing.assert_array_equal(part, region.crop(PLANE))
        part[...] = 0  # a copy
    np.testing.assert_array_equal(read(Region(0, 0, 600, 600)), PLANE[:600, :600])


@every_tile
def test_the_blocks_are_the_plane_once_and_of_whole_tiles(tile):
    stack = ArrayStack(PLANE, tile)
    seen = np.zeros(PLANE.shape, int)
    for region, block in LargeImageSource(stack).blocks():
        np.testing.assert_array_equal(block, region.crop(PLANE))
        region.crop(seen)[...] += 1
        if tile is not None:
            assert region.top % tile[0] == 0
            assert region.left % tile[1] == 0
    assert (seen == 1).all()


@pytest.mark.parametrize("tile", [(256, 256), (7, 1300)], ids=str)
def test_overlapping_windows_decode_a_block_once(tile):
    found = LargeImageSource(ArrayStack(PLANE, tile), rows=500)
    for left in range(0, 900, 100):
        found.read(Region(100, left, 600, left + 400))
    columns = 1 if tile[1] == 1300 else 3
    assert found.decoded == len({region.top for region in found.stack.regions}) * columns


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(source, "CACHE_BYTES", 3 * 512 * 512 * 2)
    found = LargeImageSource(ArrayStack(PLANE, (512, 512)))
    found.read(Region(0, 0, 1500, 1300))
    assert found.decoded == 9
    assert 2 <= len(found._blocks) < 9
    assert sum(block.nbytes for block in found._blocks.values()) <= source.CACHE_BYTES
    np.testing.assert_array_equal(found.read(Region(0, 0, 1500, 1300)), PLANE)
