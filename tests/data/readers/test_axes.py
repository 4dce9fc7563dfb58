from pathlib import Path

import pytest

from livecell_monai.data.readers.axes import name_axes, parse_axes
from livecell_monai.errors import DataError, SettingError

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
    named = name_axes(PATH, found, shape, given)
    assert (named.axes, named.shape) == (axes, lengths)


def test_an_index_follows_the_order_of_the_file():
    named = name_axes(PATH, "ZTSCYX", (4, 3, 1, 2, 5, 6))
    assert named.index(time=2, channel=1, z=3) == (3, 2, 0, 1)


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
def test_what_is_unknown_is_refused_with_what_is_there(found, shape, words):
    with pytest.raises(SettingError, match=rf"^x\.tif: its axes must be of T, C, Z, Y, X.*{words}"):
        name_axes(PATH, found, shape)


@pytest.mark.parametrize("given", ["YX", "CTYX"])
def test_names_that_do_not_fit_are_refused(given):
    with pytest.raises(
        SettingError, match=rf"--axes must name the file's axes, Q 3, Y 5, X 6, got '{given}'; give 3 letters"
    ):
        name_axes(PATH, "QYX", (3, 5, 6), given)


@pytest.mark.parametrize("given", ["", "TXY", "TTYX", "ABYX", "T", 3, None, ["T", "Y", "X"]])
def test_what_names_no_axes_is_refused(given):
    with pytest.raises(SettingError, match="--axes must be letters of T, C, Z, Y, X, each once, YX last"):
        parse_axes(given)


def test_small_letters_will_do():
    assert parse_axes("tczyx") == "TCZYX"


@pytest.mark.parametrize(("found", "shape"), [("YX", (0, 5)), ("TYX", (0, 5, 6)), ("", ())])
def test_an_image_without_a_pixel_is_refused(found, shape):
    with pytest.raises(DataError, match=r"x\.tif: an image must hold pixels, got axes"):
        name_axes(PATH, found, shape)
