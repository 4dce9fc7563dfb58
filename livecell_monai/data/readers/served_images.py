"""Images of a served model's request, a file in base64 or rows of numbers, written to disk for the readers to check."""

import base64
import binascii
import math
import warnings
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from livecell_monai.data.checks.limits import reading_errors
from livecell_monai.data.checks.tiff import list_series
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels

MAX_PIXELS = 2**26  #: of an image in a request, 8192 x 8192: a few kilobytes may expand to gigabytes

# the first bytes of a file of each format
_STARTS = {**dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), ".tif"), b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg"}


def write_served_image(image: object, folder: Path, name: str, most_pixels: int = MAX_PIXELS) -> Path:
    """Write the image of a request as the file that it is, or as TIFF of 64 bit floats; its reader checks a file.

    Args:
        image: a TIFF, PNG or JPEG file in base64, with or without line breaks; or (Y, X) numbers, as nested lists or array.
        folder: an existing folder.
        name: of the file, without its ending.
        most_pixels: a larger image is rejected before it is decoded, by a DataError.
    """
    if isinstance(image, str):
        path = _write_file(image, folder, name)
        _check_size(path.name, _count_pixels(path), most_pixels)
        return path
    plane, path = _to_plane(image, name), folder / f"{name}.tif"
    _check_size(path.name, plane.size, most_pixels)
    tifffile.imwrite(path, plane, photometric="minisblack", metadata=None)
    return path


def _check_size(name: str, pixels: int, most_pixels: int) -> None:
    if pixels > most_pixels:
        raise DataError(f"{name}: an image must have at most {most_pixels} pixels, got {pixels}; cut it up")


def _write_file(text: str, folder: Path, name: str) -> Path:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{name}: text must be a file in base64, it is not ({error}); encode the whole file") from error
    suffix = next((suffix for start, suffix in _STARTS.items() if data.startswith(start)), None)
    if suffix is None:
        got = f"{len(data)} bytes that begin with {data[:8]!r}" if data else "nothing"
        raise DataError(f"{name}: a file in base64 must be a TIFF, PNG or JPEG, got {got}; save it as TIFF")
    path = folder / f"{name}{suffix}"
    path.write_bytes(data)
    return path


def _count_pixels(path: Path) -> int:
    """The number of pixels that decoding a file takes; nothing is decoded."""
    with reading_errors(path, "an image"), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the caller has its own limit
        if path.suffix != ".tif":
            with Image.open(path, formats=("PNG", "JPEG")) as picture:
                return picture.width * picture.height
        with tifffile.TiffFile(path, _multifile=False) as tif:
            # a tile is decoded whole, even if little of it is image
            return sum(max(math.prod(series.shape), math.prod(series.keyframe.chunks)) for series in list_series(tif))


def _to_plane(image: object, name: str) -> Pixels:
    """(Y, X) float64, which holds every float32 and integer image exactly."""
    try:
        plane = np.asarray(image)
        got = f"{plane.ndim} axes of {'text' if plane.dtype.kind == 'U' else plane.dtype}"
    except ValueError:  # nested lists that are no array
        plane, got = np.empty(0), "rows that differ in length"
    if plane.ndim != 2 or plane.dtype.kind not in "uif" or plane.size == 0:
        raise DataError(
            f"{name}: an image must be a file in base64, or numbers in rows of one length (Y, X), got {got}; correct it"
        )
    return plane.astype(np.float64)
