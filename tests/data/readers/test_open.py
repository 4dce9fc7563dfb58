"""The law of all formats: the same array gives the same axes, planes, parts and sizes."""

import numpy as np
import pytest

from livecell_monai.data.readers import open_stack
from livecell_monai.errors import DataError
from livecell_monai.sample import Region
from tests.support.stack_files import HYPERSTACK, INTERVAL_MIN, NAMES, SHAPE, SIZE_UM, STEP_UM, WRITERS


@pytest.fixture(scope="module", params=WRITERS)
def path(request, tmp_path_factory):
    return WRITERS[request.param](tmp_path_factory.mktemp("stacks") / request.param)


def test_every_format_tells_the_same(path):
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


@pytest.mark.parametrize(("wanted", "words"), [((3, 0, 0), "T 0 to 2, got T 3"), ((0, 2, 0), "C 2"), ((0, 0, -1), "Z -1")])
def test_every_format_refuses_a_plane_that_is_not_there(path, wanted, words):
    with open_stack(path) as stack, pytest.raises(DataError, match=f"a plane must be one of the file's.*{words}"):
        stack.read(*wanted)


@pytest.mark.parametrize("region", [Region(0, 0, 41, 5), Region(-1, 0, 3, 3), Region(5, 5, 5, 9)])
def test_every_format_refuses_a_part_that_is_not_there(path, region):
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
