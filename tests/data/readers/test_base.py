"""The interface of stacks, the names of their axes, and the libraries of optional formats."""

import sys
from pathlib import Path

import numpy as np
import pytest

from livecell_monai.data.readers import Stack, open_stack
from livecell_monai.data.readers.base import import_extra, name_axes, parse_axes
from livecell_monai.errors import DataError, SettingError
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


def test_it_is_closed_after_the_block():
    with Held(np.zeros((3, 4, 5)), "TYX") as stack:
        assert stack.is_open
    assert not stack.is_open


def test_planes_and_parts_must_be_inside():
    stack = Held(np.zeros((3, 4, 5)), "TYX")
    assert stack.locate(2, 0, 0, None) == Region(0, 0, 4, 5)
    assert stack.locate(0, 0, 0, Region(1, 2, 3, 5)) == Region(1, 2, 3, 5)
    with pytest.raises(
        DataError, match="x: a plane must be one of the file's, channel 0 to 0, got channel 1; choose another"
    ):
        stack.locate(0, 1, 0, None)
    with pytest.raises(DataError, match="x: a region must lie inside 4 x 5 pixels"):
        stack.locate(0, 0, 0, Region(0, 0, 4, 6))


def test_a_plane_is_named_by_what_chooses_it():
    assert Held(np.zeros((3, 4, 5)), "TYX").name_plane(2, 0, 0) == "x (frame 2)"
    assert Held(np.zeros((1, 4, 5)), "TYX").name_plane(0, 0, 0) == "x"


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (("GFP", "DAPI"), ("GFP", "DAPI")),
        (("GFP", "GFP"), ("GFP_0", "GFP_1")),
        ((), ("0", "1")),
        (("GFP", "GFP", "GFP_1"), ("0", "1", "2")),
    ],
)
def test_channels_have_different_names(own, told):
    stack = Held(np.zeros((len(told), 4, 5)), "CYX")
    stack.channels = own
    assert stack.name_channels() == told


def test_what_is_read_whole_fits_into_memory():
    stack = Held(np.broadcast_to(np.uint8(0), (1, 20_000, 20_000)), "TYX")
    assert stack.locate(0, 0, 0, Region(0, 0, 10, 20_000)).right == 20_000
    with pytest.raises(DataError, match=r"an image that is read whole must have at most .* got 20000 x 20000"):
        stack.locate(0, 0, 0, None)


PATH = Path("x.tif")


@pytest.mark.parametrize(
    ("found", "shape", "given", "axes", "lengths"),
    [
        ("TCZYXS", (3, 1, 1, 5, 6, 1), None, "TCZYX", (3, 1, 1, 5, 6)),
        ("TZCYX", (3, 4, 2, 5, 6), None, "TCZYX", (3, 2, 4, 5, 6)),
        ("QYX", (3, 5, 6), "TYX", "TYX", (3, 5, 6)),
        ("QQYX", (3, 4, 5, 6), "ZTYX", "TZYX", (4, 3, 5, 6)),
        ("TZCYXS", (1, 7, 1, 5, 6, 1), "TYX", "TYX", (7, 5, 6)),  # axes of length 1 may be left out
        ("ZYX", (7, 5, 6), "TYX", "TYX", (7, 5, 6)),  # what ImageJ saves of most movies
        ("YX", (1, 1), None, "YX", (1, 1)),
        ("QYX", (1, 5, 6), None, "YX", (5, 6)),
    ],
)
def test_axes_are_named_and_put_into_order(found, shape, given, axes, lengths):
    stack = Held(np.zeros(0), "")
    stack.set_axes(found, shape, given)
    assert (stack.axes, stack.shape) == (axes, lengths)


def test_an_index_follows_the_order_of_the_file():
    stack = Held(np.zeros(0), "")
    stack.set_axes("ZTSCYX", (4, 3, 1, 2, 5, 6), None)
    assert stack.index(time=2, channel=1, z=3) == (3, 2, 0, 1)


@pytest.mark.parametrize(
    ("found", "shape", "words"),
    [
        ("QYX", (3, 5, 6), "got Q 3, Y 5, X 6; name them in the file's order, for example --axes TYX"),
        ("RTCZYX", (2, 3, 2, 4, 5, 6), "got R 2, T 3, C 2, Z 4, Y 5, X 6"),
        ("TTYX", (2, 3, 5, 6), "each once"),
        ("TXY", (3, 5, 6), r"rows \(Y\) and columns \(X\) last"),
        ("YXT", (5, 6, 3), "last, got"),
        ("T", (3,), "got T 3"),
    ],
)
def test_what_is_unknown_is_rejected_with_what_exists(found, shape, words):
    with pytest.raises(SettingError, match=rf"^x\.tif: its axes must be of T, C, Z, Y, X.*{words}"):
        name_axes(PATH, found, shape, None)


@pytest.mark.parametrize("given", ["YX", "CTYX"])
def test_names_that_do_not_fit_are_rejected(given):
    with pytest.raises(
        SettingError, match=rf"--axes must name the file's axes, Q 3, Y 5, X 6, got '{given}'; give 3 letters"
    ):
        name_axes(PATH, "QYX", (3, 5, 6), given)


@pytest.mark.parametrize("given", ["", "TXY", "TTYX", "ABYX", "T", 3, None, ["T", "Y", "X"]])
def test_what_names_no_axes_is_rejected(given):
    with pytest.raises(SettingError, match="--axes must be letters of T, C, Z, Y, X, each once, YX last"):
        parse_axes(given)


def test_small_letters_are_accepted():
    assert parse_axes("tczyx") == "TCZYX"


@pytest.mark.parametrize(("found", "shape"), [("YX", (0, 5)), ("TYX", (0, 5, 6)), ("", ())])
def test_an_image_without_a_pixel_is_rejected(found, shape):
    with pytest.raises(DataError, match=r"x\.tif: an image must hold pixels, got axes"):
        name_axes(PATH, found, shape, None)


def test_what_is_installed_is_imported():
    assert import_extra(Path("x"), "math", "none") is sys.modules["math"]


@pytest.mark.parametrize(
    ("name", "library", "extra"), [("a.nd2", "nd2", "nd2"), ("a.czi", "pylibCZIrw.czi", "czi"), ("a.zarr", "zarr", "zarr")]
)
def test_each_format_names_its_extra(tmp_path, monkeypatch, name, library, extra):
    path = tmp_path / name
    if extra == "zarr":
        path.mkdir()
    else:
        path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, library, None)  # makes its import fail
    with pytest.raises(SettingError, match=rf"{name}: this format needs .*; pip install 'livecell-monai\[{extra}\]'$"):
        open_stack(path)
