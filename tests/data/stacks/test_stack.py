from pathlib import Path

import numpy as np

from livecell_monai.data.stacks import Stack


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
