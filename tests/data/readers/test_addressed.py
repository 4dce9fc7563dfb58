import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile

from livecell_monai.data.readers import PlaneAddress, addressed, close_last, read_addressed
from livecell_monai.errors import DataError
from livecell_monai.sample import Region
from tests.support.stack_files import HYPERSTACK, SIZE_UM, write_ome_tiff


@pytest.fixture
def opened(monkeypatch):
    """The paths that were opened anew."""
    paths = []

    def count(path, axes=None, wrapped=addressed.open_stack):
        paths.append(path.name)
        return wrapped(path, axes)

    monkeypatch.setattr(addressed, "open_stack", count)
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


def test_another_file_or_other_axes_or_a_file_written_anew_is_opened_anew(tmp_path, opened):
    path = tmp_path / "a.tif"
    for value in (1, 2):
        tifffile.imwrite(path, np.full((3, 8, 9), value, np.uint8), photometric="minisblack")
        os.utime(path, ns=(value, value))
        assert read_addressed(PlaneAddress(path, 2, axes="TYX")).pixels[0, 0] == value
    read_addressed(PlaneAddress(path, z=2, axes="ZYX"))
    read_addressed(PlaneAddress(write_ome_tiff(tmp_path / "b.ome.tif")))
    assert opened == ["a.tif", "a.tif", "a.tif", "b.ome.tif"]


def test_a_file_that_is_gone_is_refused(tmp_path):
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
