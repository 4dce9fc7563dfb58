from pathlib import Path

import pytest

from livecell_monai.data.readers import PlaneAddress, parse_address


@pytest.mark.parametrize("path", ["movie.tif", "/a b/c::d.nd2", "x::t=1,c=2,z=3", "line\nbreak.tif"])
def test_an_address_comes_back_from_its_string(path):
    address = PlaneAddress(Path(path), 12, 3, 45)
    assert parse_address(str(address)) == address


def test_axes_of_the_user_go_along():
    address = PlaneAddress(Path("a.tif"), 1, axes="TYX")
    assert str(address) == "a.tif::t=1,c=0,z=0,axes=TYX"
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["movie.tif", "movie.tif::t=1", "::t=1,c=0,z=0", "movie.tif::t=-1,c=0,z=0", "a.tif::t=1,c=0,z=0.tif"]
)
def test_a_path_is_no_address(text):
    assert parse_address(text) is None
