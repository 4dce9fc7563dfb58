"""The finished mask of a large image, opened as an array that is read chunk by chunk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tifffile

from livecell_monai.errors import DataError

ENDINGS = {"tiff": ".ome.tif", "zarr": ".ome.zarr"}  #: file ending by the setting large_image_format


@contextmanager
def open_finished(path: Path) -> Iterator[Any]:
    """The mask (Y, X) uint8 of NAME.ome.tif or NAME.ome.zarr.

    Raises:
        DataError: it cannot be read.
    """
    import zarr

    try:
        if path.is_dir():
            yield zarr.open_group(str(path), mode="r")["0"]
            return
        with tifffile.TiffFile(path) as tif, tif.aszarr(level=0) as store:
            yield zarr.open_array(store, mode="r")
    except (OSError, ValueError, KeyError, tifffile.TiffFileError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{path}: the large image is incomplete ({reason}); predict it again by --overwrite") from error
