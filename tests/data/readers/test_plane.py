import nibabel
import numpy as np
import pytest
from PIL import Image

from livecell_monai.data.readers import open_stack
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Region

RAMP = np.arange(6 * 9, dtype=np.uint8).reshape(6, 9)


def test_formats_of_one_plane_are_stacks_of_it(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    image = nibabel.Nifti1Image(RAMP.T, np.diag([0.5, 0.25, 1, 1]))
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "a.nii.gz")
    for name, size in (("a.png", None), ("a.nii.gz", (0.25, 0.5))):
        with open_stack(tmp_path / name, "yx") as stack:
            assert (stack.axes, stack.shape, stack.dtype, stack.pixel_size_um) == ("YX", (6, 9), np.uint8, size)
            np.testing.assert_array_equal(stack.read(), RAMP)
            np.testing.assert_array_equal(stack.read(region=Region(1, 2, 3, 9)), RAMP[1:3, 2:9])
            with pytest.raises(DataError, match="T 0 to 0, got T 1"):
                stack.read(time=1)
            stack.read()[:] = 0  # what is handed out is a copy
            assert stack.read().any()


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.lif").write_bytes(b"x")
    with pytest.raises(DataError, match=r"name must end in one of \.tif .* \.nd2 \.czi \.zarr"):
        open_stack(tmp_path / "a.lif")
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    with pytest.raises(SettingError, match="--axes must name the file's axes, Y 6, X 9, got 'TYX'"):
        open_stack(tmp_path / "a.png", "TYX")
