"""Formats by their endings, including those of other packages."""

from pathlib import Path

import numpy as np
import pytest

from livecell_monai.data.formats import list_formats
from livecell_monai.data.paths import find_format, is_image, list_images
from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_image
from tests.support.plugin_packages import installed, write_package

CODE = """
    from pathlib import Path

    import numpy as np

    from livecell_monai.data.formats import Format
    from livecell_monai.data.readers.base import Stack


    class NpyStack(Stack):
        def __init__(self, path, axes=None):
            self.path, self.pixels = Path(path), np.load(path, mmap_mode="r")
            self.axes, self.shape, self.dtype = "YX", self.pixels.shape, self.pixels.dtype

        def read(self, time=0, channel=0, z=0, region=None):
            part = self.locate(time, channel, z, region)
            return np.array(part.crop(self.pixels))

        def close(self):
            pass


    NPY = Format("NumPy", (".npy",), NpyStack)
"""


@pytest.mark.parametrize(
    ("name", "found"), [("a.TIF", "TIFF"), ("b.nd2", "ND2"), ("c.czi", "CZI"), ("d.ome.zarr", "OME-Zarr"), ("e.png", None)]
)
def test_by_the_ending(name, found):
    assert getattr(find_format(Path(name)), "name", None) == found


def test_another_package_adds_a_reader(tmp_path):
    image = np.arange(48, dtype=np.uint16).reshape(6, 8)
    np.save(tmp_path / "cell.npy", image)
    assert not is_image(tmp_path / "cell.npy")
    folder = write_package(tmp_path / "site", "npy_reader", CODE, {"livecell_monai.readers": {"npy": "npy_reader:NPY"}})
    with installed(folder):
        assert [format_.name for format_ in list_formats()][-1] == "NumPy"
        assert find_format(tmp_path / "cell.npy").name == "NumPy"
        assert list_images([tmp_path / "cell.npy"]) == [tmp_path / "cell.npy"]
        with open_stack(tmp_path / "cell.npy") as stack:
            assert stack.shape == (6, 8)
        np.testing.assert_array_equal(read_image(tmp_path / "cell.npy").pixels, image)
