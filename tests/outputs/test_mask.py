"""The mask file of an image and of a movie."""

import numpy as np
import pytest
import tifffile

from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import SettingError
from livecell_monai.outputs.base import OutputOptions
from livecell_monai.outputs.mask import Mask
from tests.support.predicted import COUNT, MASKS, frames, image, names, write, write_movie


def test_image_mask_is_a_tiff_of_0_and_255(tmp_path):
    write(Mask(OutputOptions()), [image(), image(name="b", size=None)], tmp_path)
    written = tifffile.imread(tmp_path / "a.tif")
    assert written.dtype == np.uint8
    np.testing.assert_array_equal(written, MASKS[0] * np.uint8(255))
    assert read_plane(tmp_path / "a.tif").pixel_size_um == pytest.approx((0.25, 0.5))
    assert read_plane(tmp_path / "b.tif").pixel_size_um is None


def test_movie_mask_is_a_stack_with_the_metadata_of_its_source(tmp_path):
    movie = write_movie(tmp_path / "in")
    write(Mask(OutputOptions()), frames(movie), tmp_path / "out")
    with open_stack(tmp_path / "out" / "cells.ome.tif") as found, open_stack(movie) as source:
        assert (found.length("T"), found.length("C"), found.shape[-2:]) == (COUNT, 1, source.shape[-2:])
        assert found.pixel_size_um == source.pixel_size_um
        assert found.interval_min == pytest.approx(source.interval_min)
        assert found.channels == ("GFP",)
    stack = tifffile.imread(tmp_path / "out" / "cells.ome.tif")
    np.testing.assert_array_equal(stack, np.stack(MASKS) * np.uint8(255))


def test_stack_is_published_at_the_last_frame(tmp_path):
    mask = Mask(OutputOptions())
    write(mask, frames()[:-1], tmp_path)
    assert {name[:9] for name in names(tmp_path)} == {".writing-"}
    mask.discard()
    assert names(tmp_path) == set()


@pytest.mark.parametrize(("form", "name"), [("tiff", "{name}.ome.tif"), ("zarr", "{name}.ome.zarr")])
def test_large_image_file_has_the_ending_of_its_format(form, name):
    assert Mask(OutputOptions(large_image_format=form)).files.large == (name,)


def test_unknown_format_of_large_images_is_rejected():
    with pytest.raises(SettingError, match="large_image_format must be one of tiff, zarr, got 'png'; correct it"):
        Mask(OutputOptions(large_image_format="png"))
