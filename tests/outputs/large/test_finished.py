"""The finished mask of a large image, read in parts."""

import numpy as np
import pytest
import tifffile
import zarr

from livecell_monai.errors import DataError
from livecell_monai.outputs.large.finished import open_finished

MASK = (np.random.default_rng(0).random((700, 500)) < 0.3).astype(np.uint8) * 255


@pytest.mark.parametrize("form", ["tiff", "zarr"])
def test_parts_of_both_formats(tmp_path, form):
    path = tmp_path / {"tiff": "large.ome.tif", "zarr": "large.ome.zarr"}[form]
    if form == "tiff":
        with tifffile.TiffWriter(path, bigtiff=True) as tif:
            tif.write(MASK, tile=(128, 128), subifds=1)
            tif.write(MASK[::2, ::2], tile=(128, 128), subfiletype=1)
    else:
        zarr.open_group(path, mode="w").create_array("0", data=MASK, chunks=(128, 128))
    with open_finished(path) as array:
        assert array.shape == MASK.shape
        np.testing.assert_array_equal(array[100:333, 7:480], MASK[100:333, 7:480])


def test_incomplete_files_are_rejected(tmp_path):
    torn, empty = tmp_path / "large.ome.tif", tmp_path / "large.ome.zarr"
    torn.write_bytes(b"II+\0no more than this")
    empty.mkdir()
    for path in (torn, empty, tmp_path / "none.ome.tif"):
        with pytest.raises(DataError, match="the large image is incomplete") as refusal, open_finished(path):
            pass
        assert "\n" not in str(refusal.value)
