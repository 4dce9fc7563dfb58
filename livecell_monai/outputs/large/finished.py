"""A finished mosaic, opened as an array that is read chunk by chunk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tifffile

from livecell_monai.errors import DataError

ENDINGS = {"tiff": ".ome.tif", "zarr": ".ome.zarr"}  #: of a finished mosaic, by the setting large_image_format


@contextmanager
def open_finished(path: Path) -> Iterator[Any]:
    """The mask (Y, X) uint8 of NAME.ome.tif or NAME.ome.zarr.

    Raises:
        DataError: it is no such file.
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
        raise DataError(f"{path}: the mosaic must be whole, got: {reason}; make it anew by --overwrite") from error
