"""CZI files that Zeiss's own library writes: scenes, tiles, colours, damage."""

import contextlib

import numpy as np
import pytest

from livecell_monai.data.readers import open_stack
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Region
from tests.support.stack_files import HYPERSTACK, write_czi

czi = pytest.importorskip("pylibCZIrw.czi")
PLANE = HYPERSTACK[0, 0, 0]


def write_tiles(path, **options):
    """An image of two adjacent tiles, not at the origin."""
    with czi.create_czi(str(path)) as writer:
        for column in (0, 36):
            writer.write(PLANE[..., None] + column, location=(100 + column, 50), plane={"C": 0}, **options)
    return path


def test_a_large_image_is_one_plane(tmp_path):
    with open_stack(write_tiles(tmp_path / "a.czi")) as stack:
        assert stack.shape[-2:] == (40, 72)
        whole = np.hstack([PLANE, PLANE + 36])
        np.testing.assert_array_equal(stack.read(), whole)
        part = Region(3, 30, 20, 50)
        np.testing.assert_array_equal(stack.read(region=part), part.crop(whole))


def test_several_scenes_are_rejected(tmp_path):
    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as writer:
        for scene in range(2):
            writer.write(PLANE[..., None], location=(scene * 100, 0), scene=scene)
    with pytest.raises(DataError, match="a CZI must hold one scene, got 2; export the one to use"):
        open_stack(path)


def test_colour_and_channels_of_two_types_are_rejected(tmp_path):
    with czi.create_czi(str(tmp_path / "rgb.czi")) as writer:
        writer.write(np.zeros((40, 36, 3), np.uint8))
    with pytest.raises(DataError, match=r"this is RGB \(Bgr24\)"):
        open_stack(tmp_path / "rgb.czi")
    with czi.create_czi(str(tmp_path / "two.czi")) as writer:
        writer.write(PLANE[..., None], plane={"C": 0})
        writer.write(PLANE[..., None].astype(np.uint8), plane={"C": 1})
    with pytest.raises(DataError, match="channels must be of one type, got Gray16, Gray8"):
        open_stack(tmp_path / "two.czi")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_types_are_kept(tmp_path, dtype):
    with open_stack(write_czi(tmp_path / "a.czi", HYPERSTACK[:1, 0, 0].astype(dtype), "TYX")) as stack:
        assert stack.read().dtype == stack.dtype == dtype


def test_without_metadata_nothing_is_stated(tmp_path):
    with open_stack(write_tiles(tmp_path / "a.czi")) as stack:
        assert (stack.pixel_size_um, stack.z_step_um, stack.interval_min) == (None, None, None)


def test_axes_that_do_not_fit_are_rejected(tmp_path):
    path = write_czi(tmp_path / "a.czi")
    with pytest.raises(SettingError, match="--axes must name the file's axes, T 3, Z 4, C 2, Y 40, X 36, got 'TYX'"):
        open_stack(path, "TYX")


def test_a_file_that_is_cut_off_is_rejected(tmp_path):
    path = write_czi(tmp_path / "a.czi")
    data = path.read_bytes()
    for length in [1, 100, *range(1000, len(data) * 2 // 3, len(data) // 15)]:
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"cannot be read as CZI [^\n]+$"), open_stack(path) as stack:
            stack.read(2, 1, 3)


def test_a_file_that_lacks_its_last_bytes_never_gives_other_pixels(tmp_path):
    path = write_czi(tmp_path / "a.czi")
    data = path.read_bytes()
    for missing in (1, 100, 1000, 5000):
        path.write_bytes(data[:-missing])
        with contextlib.suppress(DataError), open_stack(path) as stack:
            np.testing.assert_array_equal(stack.read(2, 1, 3), HYPERSTACK[2, 1, 3])
