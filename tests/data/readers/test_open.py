"""All formats give the same axes, planes, regions and sizes of the same array; and planes by their address."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.data.readers import PlaneAddress, close_last, open_stack, parse_address
from livecell_monai.data.readers import open as opening
from livecell_monai.data.readers.open import read_addressed
from livecell_monai.errors import DataError
from livecell_monai.sample import Region
from tests.support.stack_files import HYPERSTACK, INTERVAL_MIN, NAMES, SHAPE, SIZE_UM, STEP_UM, WRITERS, write_ome_tiff


@pytest.fixture(scope="module", params=WRITERS)
def path(request, tmp_path_factory):
    return WRITERS[request.param](tmp_path_factory.mktemp("stacks") / request.param)


def test_every_format_states_the_same(path):
    with open_stack(path) as stack:
        assert (stack.axes, stack.shape, stack.dtype) == ("TCZYX", SHAPE, np.uint16)
        assert stack.pixel_size_um == pytest.approx(SIZE_UM)
        assert stack.z_step_um == pytest.approx(STEP_UM)
        assert stack.interval_min == pytest.approx(INTERVAL_MIN)
        assert stack.channels == (() if path.name == "a.tif" else NAMES)  # ImageJ has no place for names of channels


def test_every_format_gives_the_same_planes(path):
    with open_stack(path) as stack:
        for time, channel, z in np.ndindex(SHAPE[:3]):
            plane = stack.read(time, channel, z)
            np.testing.assert_array_equal(plane, HYPERSTACK[time, channel, z])
        assert plane.dtype == np.uint16
        assert plane.dtype.isnative
        assert plane.flags.c_contiguous
        assert plane.flags.writeable


@pytest.mark.parametrize("region", [Region(0, 0, 40, 36), Region(3, 5, 4, 6), Region(10, 0, 40, 17), Region(39, 35, 40, 36)])
def test_every_format_gives_the_same_parts(path, region):
    with open_stack(path) as stack:
        part = stack.read(2, 1, 3, region)
        np.testing.assert_array_equal(part, region.crop(HYPERSTACK[2, 1, 3]))
        assert part.flags.c_contiguous
        assert part.flags.writeable


@pytest.mark.parametrize(
    ("wanted", "words"), [((3, 0, 0), "frame 0 to 2, got frame 3"), ((0, 2, 0), "channel 2"), ((0, 0, -1), "z plane -1")]
)
def test_every_format_rejects_a_plane_that_is_not_there(path, wanted, words):
    with open_stack(path) as stack, pytest.raises(DataError, match=f"a plane must be one of the file's.*{words}"):
        stack.read(*wanted)


@pytest.mark.parametrize("region", [Region(0, 0, 41, 5), Region(-1, 0, 3, 3), Region(5, 5, 5, 9)])
def test_every_format_rejects_a_part_that_is_not_there(path, region):
    with open_stack(path) as stack, pytest.raises(DataError, match="a region must lie inside 40 x 36 pixels"):
        stack.read(region=region)


def test_closing_twice_is_allowed(path):
    stack = open_stack(path)
    stack.close()
    stack.close()


def test_axes_of_the_user_are_in_the_order_of_the_file(path):
    with open_stack(path) as stack:
        order = {"a.tif": "TZCYX", "a.czi": "TZCYX"}.get(path.name, "TCZYX")  # of the file
    swapped = order.translate(str.maketrans("TZ", "ZT"))
    with open_stack(path, swapped) as stack:
        assert (stack.axes, stack.length("T"), stack.length("Z")) == ("TCZYX", 4, 3)
        np.testing.assert_array_equal(stack.read(time=3, channel=1, z=2), HYPERSTACK[2, 1, 3])


@pytest.mark.parametrize("name", WRITERS)
def test_one_frame_has_no_interval_and_one_plane_no_step(tmp_path, name):
    with open_stack(WRITERS[name](tmp_path / name, HYPERSTACK[:1, :, :1])) as stack:
        assert (stack.length("T"), stack.length("Z")) == (1, 1)
        assert (stack.interval_min, stack.z_step_um) == (None, None)
        assert stack.pixel_size_um == pytest.approx(SIZE_UM)


@pytest.mark.parametrize("path", ["movie.tif", "/a b/c::d.nd2", "x::t=1,c=2,z=3", "line\nbreak.tif"])
def test_an_address_comes_back_from_its_string(path):
    address = PlaneAddress(Path(path), 12, 3, 45)
    assert parse_address(str(address)) == address


def test_axes_of_the_user_are_part_of_it():
    address = PlaneAddress(Path("a.tif"), 1, axes="TYX")
    assert str(address) == "a.tif::t=1,c=0,z=0,axes=TYX"
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["movie.tif", "movie.tif::t=1", "::t=1,c=0,z=0", "movie.tif::t=-1,c=0,z=0", "a.tif::t=1,c=0,z=0.tif"]
)
def test_a_path_is_no_address(text):
    assert parse_address(text) is None


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that were opened."""
    paths = []

    def count(path, *options, wrapped=opening.open_stack):
        paths.append(path.name)
        return wrapped(path, *options)

    monkeypatch.setattr(opening, "open_stack", count)
    close_last()
    yield paths
    close_last()


def test_a_movie_is_opened_once(tmp_path, opened):
    path = write_ome_tiff(tmp_path / "a.ome.tif")
    for time in range(3):
        plane = read_addressed(PlaneAddress(path, time, 1, 2))
        np.testing.assert_array_equal(plane.pixels, HYPERSTACK[time, 1, 2])
        assert plane.pixel_size_um == pytest.approx(SIZE_UM)
    assert opened == ["a.ome.tif"]
    part = Region(3, 4, 9, 8)
    np.testing.assert_array_equal(read_addressed(PlaneAddress(path, 0, 1, 2), part).pixels, part.crop(HYPERSTACK[0, 1, 2]))


def test_another_file_or_other_axes_or_a_file_written_again_is_opened_again(tmp_path, opened):
    path = tmp_path / "a.tif"
    for value in (1, 2):
        tifffile.imwrite(path, np.full((3, 8, 9), value, np.uint8), photometric="minisblack")
        os.utime(path, ns=(value, value))
        assert read_addressed(PlaneAddress(path, 2, axes="TYX")).pixels[0, 0] == value
    read_addressed(PlaneAddress(path, z=2, axes="ZYX"))
    read_addressed(PlaneAddress(write_ome_tiff(tmp_path / "b.ome.tif")))
    assert opened == ["a.tif", "a.tif", "a.tif", "b.ome.tif"]


def test_a_file_that_is_deleted_is_rejected(tmp_path):
    path = write_ome_tiff(tmp_path / "a.ome.tif")
    read_addressed(PlaneAddress(path))
    path.unlink()
    with pytest.raises(DataError, match=r"a\.ome\.tif: an image must be a file, this does not exist"):
        read_addressed(PlaneAddress(path))


def test_threads_do_not_disturb_each_other(tmp_path):
    path = write_ome_tiff(tmp_path / "a.ome.tif", compression="zlib")
    indices = list(np.ndindex(3, 2, 4)) * 4
    with ThreadPoolExecutor(4) as pool:
        planes = list(pool.map(lambda index: read_addressed(PlaneAddress(path, *index)).pixels, indices))
    for index, plane in zip(indices, planes, strict=True):
        np.testing.assert_array_equal(plane, HYPERSTACK[index])
