from pathlib import Path

import numpy as np
import pytest

from livecell_monai.data.readers import Stack
from livecell_monai.errors import DataError
from livecell_monai.sample import Region


class Held(Stack):
    def __init__(self, pixels, axes):
        self.path, self.axes, self.shape, self.dtype, self.pixels = Path("x"), axes, pixels.shape, pixels.dtype, pixels
        self.is_open = True

    def read(self, time=0, channel=0, z=0, region=None):
        plane = self.pixels[time]
        return plane if region is None else region.crop(plane)

    def close(self):
        self.is_open = False


def test_an_axis_that_is_not_there_has_one_index():
    stack = Held(np.zeros((3, 4, 5)), "TYX")
    assert [stack.length(axis) for axis in "TCZYX"] == [3, 1, 1, 4, 5]


def test_it_is_closed_behind_the_block():
    with Held(np.zeros((3, 4, 5)), "TYX") as stack:
        assert stack.is_open
    assert not stack.is_open


def test_planes_and_parts_must_be_inside():
    stack = Held(np.zeros((3, 4, 5)), "TYX")
    assert stack.locate(2, 0, 0, None) == Region(0, 0, 4, 5)
    assert stack.locate(0, 0, 0, Region(1, 2, 3, 5)) == Region(1, 2, 3, 5)
    with pytest.raises(DataError, match="x: a plane must be one of the file's, C 0 to 0, got C 1; choose another"):
        stack.locate(0, 1, 0, None)
    with pytest.raises(DataError, match="x: a region must lie inside 4 x 5 pixels"):
        stack.locate(0, 0, 0, Region(0, 0, 4, 6))


def test_a_plane_is_named_by_what_chooses_it():
    assert Held(np.zeros((3, 4, 5)), "TYX").name_plane(2, 0, 0) == "x (T 2)"
    assert Held(np.zeros((1, 4, 5)), "TYX").name_plane(0, 0, 0) == "x"


def test_what_is_read_whole_fits_into_memory():
    stack = Held(np.broadcast_to(np.uint8(0), (1, 20_000, 20_000)), "TYX")
    assert stack.locate(0, 0, 0, Region(0, 0, 10, 20_000)).right == 20_000
    with pytest.raises(DataError, match=r"an image that is read whole must have at most .* got 20000 x 20000"):
        stack.locate(0, 0, 0, None)
