"""Which planes of a stack or file are chosen."""

from pathlib import Path

import pytest
import tifffile
from PIL import Image

from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.selection import choose_planes, list_planes
from livecell_monai.errors import SettingError
from tests.support.stack_files import HYPERSTACK, write_ome_tiff

THERE = "there is T 3, C 2, Z 4, Y 40, X 36; channels 0 DAPI, 1 GFP"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with open_stack(write_ome_tiff(tmp_path_factory.mktemp("s") / "a.ome.tif")) as stack:
        yield stack


def chosen(stack, **choices):
    return [(plane.time, plane.channel, plane.z) for plane in choose_planes(stack, **choices)]


@pytest.mark.parametrize(
    ("choices", "planes"),
    [
        ({"channel": "GFP", "z": 3}, [(0, 1, 3), (1, 1, 3), (2, 1, 3)]),
        ({"channel": 0, "z": "3", "time": 2}, [(2, 0, 3)]),
        ({"channel": "1", "z": 0, "time": "1:"}, [(1, 1, 0), (2, 1, 0)]),
        ({"channel": 1, "z": 0, "time": ":2"}, [(0, 1, 0), (1, 1, 0)]),
        ({"channel": 1, "z": 0, "time": "0:1"}, [(0, 1, 0)]),
    ],
)
def test_planes_in_the_order_of_time(stack, choices, planes):
    assert chosen(stack, **choices) == planes


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"z": 0}, "--channel must choose one of 2, none is given"),
        ({"channel": 0}, "--z must choose one of 4, none is given"),
        ({"channel": 2, "z": 0}, "--channel must be 0 to 1 or the name of a channel, got 2"),
        ({"channel": "gfp", "z": 0}, "--channel must be 0 to 1 or the name of a channel, got 'gfp'"),
        ({"channel": -1, "z": 0}, "--channel must be .*, got -1"),
        ({"channel": True, "z": 0}, "--channel must be .*, got True"),
        ({"channel": 0, "z": 4}, "--z must be 0 to 3, got 4"),
        ({"channel": 0, "z": 0, "time": 3}, "--time must be 0 to 2 or first:stop, got 3"),
        ({"channel": 0, "z": 0, "time": "2:4"}, "--time must be first:stop with 0 <= first < stop <= 3, got '2:4'"),
        ({"channel": 0, "z": 0, "time": "2:2"}, "--time must be first:stop .*, got '2:2'"),
        ({"channel": 0, "z": 0, "time": "0:3:2"}, "--time must be 0 to 2 or first:stop, got '0:3:2'"),
        ({"channel": 0, "z": 0, "time": 1.5}, "--time must be 0 to 2 or first:stop, got 1.5"),
    ],
)
def test_what_is_open_or_not_there_is_rejected_with_what_exists(stack, choices, words):
    with pytest.raises(SettingError, match=rf"a\.ome\.tif: {words}; {THERE}$"):
        choose_planes(stack, **choices)


def test_a_file_without_an_axis_takes_index_0_of_it(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", HYPERSTACK[0, 0, 0])
    with open_stack(tmp_path / "a.tif") as stack:
        assert chosen(stack) == chosen(stack, channel="0", time=0, z=0) == [(0, 0, 0)]
        with pytest.raises(SettingError, match="--z must be 0, got 1; there is Y 40, X 36"):
            choose_planes(stack, z=1)


def named(stack, *names):
    stack.channels = names
    return stack


def test_names_of_channels_go_before_indices_and_must_be_one(tmp_path):
    with open_stack(write_ome_tiff(tmp_path / "a.ome.tif")) as stack:
        assert chosen(named(stack, "1", "488"), channel="1", z=0, time=0) == [(0, 0, 0)]
        assert chosen(stack, channel=1, z=0, time=0) == [(0, 1, 0)]
        assert chosen(stack, channel="488", z=0, time=0) == [(0, 1, 0)]
        with pytest.raises(SettingError, match="--channel must name one channel, 2 are called 'GFP'; there is"):
            choose_planes(named(stack, "GFP", "GFP"), channel="GFP", z=0)


def test_many_channels_are_not_all_listed(tmp_path):
    with open_stack(write_ome_tiff(tmp_path / "a.ome.tif")) as stack:
        with pytest.raises(SettingError) as caught:
            choose_planes(named(stack, *(f"c{i}" for i in range(400))))
        assert len(str(caught.value)) < 500


def listed(path, channel=None, time=None, z=None, axes=None):
    return list_planes(path, channel, time, z, axes)


def test_a_file_of_one_plane_is_its_path(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, HYPERSTACK[0, 0, 0])
    assert listed(path) == listed(path, channel=0, time="0", z=0) == [{"image": str(path)}]
    with pytest.raises(SettingError, match="--channel must be 0 or the name of a channel, got 1"):
        listed(path, channel=1)


def test_frames_of_a_movie_have_their_position(tmp_path):
    path = write_ome_tiff(tmp_path / "a.ome.tif")
    assert listed(path, channel="GFP", z=2, time="1:3") == [
        {"image": f"{path}::t=1,c=1,z=2", "frame": 1, "position": 0, "frames": 2},
        {"image": f"{path}::t=2,c=1,z=2", "frame": 2, "position": 1, "frames": 2},
    ]


def test_one_plane_of_a_stack_is_an_image(tmp_path):
    path = write_ome_tiff(tmp_path / "a.ome.tif")
    assert listed(path, channel="GFP", z=2, time=1) == [{"image": f"{path}::t=1,c=1,z=2"}]


def test_axes_go_with_the_address(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, HYPERSTACK[0, 0], photometric="minisblack")
    with pytest.raises(SettingError, match="got Q 4, Y 40, X 36; name them"):
        listed(path)
    assert listed(path, z=3, axes="ZYX") == [{"image": f"{path}::t=0,c=0,z=3,axes=ZYX"}]


@pytest.mark.parametrize("name", ["a.tif", "a.nd2", "a.czi", "a.zarr"])
def test_what_cannot_be_opened_is_left_to_its_reader(tmp_path, name):
    path = tmp_path / name
    assert listed(path) == [{"image": str(path)}]
    if name == "a.zarr":
        path.mkdir()
    else:
        path.write_bytes(b"no image")
    assert listed(path, time=7) == [{"image": str(path)}]


def test_formats_of_one_plane_take_no_other_choice(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(HYPERSTACK[0, 0, 0].astype("uint8")).save(path)
    assert listed(path, time="0") == [{"image": str(path)}]
    with pytest.raises(SettingError, match=r"a\.png: --z must be 0 for a format of one plane, got 3; leave it out"):
        listed(Path(path), z=3)
