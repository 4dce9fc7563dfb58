"""A plane in rectangles: the right pixels, each block decoded once if memory allows; one pass over the whole."""

import gc
import platform
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from livecell_monai.data import large
from livecell_monai.data.large import LargeImageSource, allocate_pages, count_other_values, survey_source
from livecell_monai.errors import DataError
from livecell_monai.sample import Region
from tests.support.array_stack import ArrayStack
from tests.support.fresh import run_python

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


def test_planes_of_one_stack_are_read_in_turn():
    busy, together = threading.Lock(), []

    class OneAtATime(ArrayStack):
        def read(self, *place, **named):
            if not busy.acquire(blocking=False):
                together.append(place)
                return super().read(*place, **named)
            try:
                time.sleep(0.002)
                return super().read(*place, **named)
            finally:
                busy.release()

    stack, lock = OneAtATime(PLANE, (100, 140)), threading.Lock()
    planes = [LargeImageSource(stack, lock=lock) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda plane: plane.read(Region(0, 0, 900, 900)), planes))
    assert not together
    np.testing.assert_array_equal(parts[0], parts[1])


def test_a_source_is_freed_with_its_last_reference():
    gc.disable()
    try:
        source = LargeImageSource(ArrayStack(PLANE))
        source.read(Region(0, 0, 600, 600))
        blocks = weakref.ref(source._cache)
        del source
        assert blocks() is None
    finally:
        gc.enable()


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(large, "CACHE_BYTES", 3 * 512 * 512 * 2)
    found = LargeImageSource(ArrayStack(PLANE, (512, 512)))
    found.read(Region(0, 0, 1500, 1300))
    assert found.decoded == 9
    assert 2 <= len(found._cache._blocks) < 9
    assert sum(block.nbytes for block in found._cache._blocks.values()) <= large.CACHE_BYTES
    np.testing.assert_array_equal(found.read(Region(0, 0, 1500, 1300)), PLANE)


@pytest.mark.parametrize(("shape", "dtype"), [((3, 5), np.uint16), ((2, 3, 4), np.float32), ((7,), np.uint8)])
def test_is_an_array_of_zeros_that_can_be_written_to(shape, dtype):
    array = allocate_pages(shape, dtype)
    assert (array.shape, array.dtype) == (shape, dtype)
    assert not array.any()
    array[...] = 7
    assert (array == 7).all()


def test_what_is_empty_takes_no_pages():
    assert allocate_pages((2, 0, 5), np.float32).shape == (2, 0, 5)


def test_two_share_nothing():
    first, second = allocate_pages((4,), np.uint8), allocate_pages((4,), np.uint8)
    first[:] = 1
    assert not second.any()


def test_a_view_keeps_the_pages():
    view = allocate_pages((1000, 1000), np.uint8)[500:, 500:]
    view[...] = 3
    assert (view == 3).all()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere freed memory goes back as the system likes")
@pytest.mark.slow
def test_freed_pages_go_back_although_freed_tensors_are_kept():
    code = (
        "import numpy as np, torch\n"
        "from pathlib import Path\n"
        "from livecell_monai.data.large import allocate_pages\n"
        "from livecell_monai.network.accelerator import Accelerator\n"
        "Accelerator('cpu').place(torch.nn.Conv2d(1, 1, 1))\n"
        "def megabytes():\n"
        "    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096 // 2**20\n"
        "def kept(make):\n"
        "    before = megabytes()\n"
        "    array = make((64, 2**20), np.uint8)\n"
        "    array[...] = 1\n"
        "    during = megabytes()\n"
        "    del array\n"
        "    return during - before, megabytes() - before\n"
        "print(*kept(allocate_pages), *kept(np.zeros))\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    during, after, _, heap = map(int, done.stdout.split())
    assert during > 60
    assert after < 4
    assert heap > 60  # the alternative fails this test


SURVEYED = np.random.default_rng(0).integers(500, 60000, (1100, 777), np.uint16)


@pytest.mark.parametrize("step", [1, 3, 512, 2000])
def test_range_sample_and_picture(step):
    found = survey_source(LargeImageSource(ArrayStack(SURVEYED, (100, 64))), step, 4)
    assert (found.low, found.high) == (SURVEYED.min(), SURVEYED.max())
    np.testing.assert_array_equal(found.sample, SURVEYED[::step, ::step])
    np.testing.assert_array_equal(found.thumbnail, SURVEYED[::4, ::4])


def test_every_block_is_read_once():
    source = LargeImageSource(ArrayStack(SURVEYED, (100, 64)))
    survey_source(source, 7, 8)
    assert len(source.stack.regions) == len(set(source.stack.regions)) == source.decoded


def altered(value, dtype=np.float32, at=(1000, 700)):
    plane = SURVEYED.astype(dtype)
    plane[at] = value
    return plane


@pytest.mark.parametrize(
    ("plane", "words"),
    [
        (altered(np.nan), "finite in every pixel, got NaN or infinite at row 1000, column 700"),
        (altered(np.inf), "row 1000, column 700"),
        (altered(1e300, np.float64), "values that float32 holds"),
        (np.full((900, 600), 7, np.uint8), "not be constant, got 7"),
        (np.zeros((900, 600), np.complex64), "must be one of uint8, uint16"),
        (np.array([[2**24, 2**24 + 1]], np.uint32), "differ in 32 bit, got 16777216.0 to 16777217.0"),  # equal as float32
        (np.array([[0, 2**40]], np.int64), "integers from -2147483648 to 4294967295, got 1099511627776"),
    ],
    ids=["nan", "infinite", "large", "constant", "complex", "float32", "64 bit"],
)
def test_what_is_no_image_is_rejected(plane, words):
    with pytest.raises(DataError, match=words):
        survey_source(LargeImageSource(ArrayStack(plane)), 5, 4)


@pytest.mark.parametrize(
    ("dtype", "held_by"), [("int8", "int16"), ("float16", "float32"), ("int64", "float64"), ("uint64", "float64")]
)
def test_other_types_are_read_in_one_that_holds_them(dtype, held_by):
    plane = (SURVEYED % 100).astype(dtype)
    source = LargeImageSource(ArrayStack(plane, (100, 64)))
    found, part = survey_source(source, 5, 4), source.read(Region(90, 50, 300, 200))
    assert (part.dtype, found.sample.dtype, found.low, found.high) == (held_by, held_by, 0, 99)
    np.testing.assert_array_equal(part, plane[90:300, 50:200])


def test_a_damaged_tile_anywhere_is_found():
    with pytest.raises(DataError, match=r"array\.tif: a tile must be whole"):
        survey_source(LargeImageSource(ArrayStack(SURVEYED, (64, 64), broken=(650, 300))), 50, 8)


def test_the_few_that_differ_are_counted():
    plane = np.full((900, 700), 10, np.uint16)
    plane[3, 4:9], plane[800, 600] = 40, 20
    values, counts = count_other_values(
        LargeImageSource(ArrayStack(plane)), lambda block: block.astype(np.float32) / 10, 1.0
    )
    assert values.tolist() == [2.0, 4.0]
    assert counts.tolist() == [1, 5]
