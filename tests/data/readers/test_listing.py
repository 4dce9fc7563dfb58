from pathlib import Path

import pytest
import tifffile
from PIL import Image

from livecell_monai.data.readers.listing import list_planes
from livecell_monai.errors import SettingError
from tests.support.stack_files import HYPERSTACK, write_ome_tiff


def listed(path, channel=None, time=None, z=None, axes=None):
    return list_planes(path, channel, time, z, axes)


def test_a_file_of_one_plane_is_its_path(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, HYPERSTACK[0, 0, 0])
    assert listed(path) == listed(path, channel=0, time="0", z=0) == [{"image": str(path)}]
    with pytest.raises(SettingError, match="--channel must be 0 or the name of a channel, got 1"):
        listed(path, channel=1)


def test_frames_of_a_movie_know_their_place(tmp_path):
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
