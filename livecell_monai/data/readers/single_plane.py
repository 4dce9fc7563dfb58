"""Files of one plane, read whole: TIFF, PNG, JPEG and NIfTI."""

import io
import math
import warnings
from pathlib import Path

import nibabel
import numpy as np
from nibabel.volumeutils import apply_read_scaling
from PIL import Image

from livecell_monai.data.checks import png
from livecell_monai.data.checks.gzip_stream import open_maybe_gzip, read_pixel_bytes
from livecell_monai.data.checks.limits import (
    check_decoded_size,
    check_single_plane,
    pixel_size,
    raise_colour_error,
    reading_errors,
)
from livecell_monai.data.checks.tiff import read_tiff
from livecell_monai.data.paths import SUFFIXES, check_image_path, list_endings
from livecell_monai.errors import DataError
from livecell_monai.sample import Plane


def read_single(path: Path) -> Plane:
    """Read the grey plane (Y, X) of a TIFF, PNG, JPEG or NIfTI, with its pixel size in µm where the file tells it.

    Bilevel images become uint8 of 0 and 1; in TIFFs whose zero means white, unsigned integers are turned round.

    Raises:
        DataError: no such file, not one of these formats, damaged, in colour, or more than one plane.
    """
    with reading_errors(path, "an image"):  # a folder that may not be entered raises here
        check_image_path(path)
    match next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None):
        case ".tif" | ".tiff":
            kind, read = "TIFF", read_tiff
        case ".png" | ".jpg" | ".jpeg":
            kind, read = "PNG or JPEG", _read_picture
        case ".nii" | ".nii.gz":
            kind, read = "NIfTI", _read_nifti
        case _:
            known = " ".join(list_endings())
            raise DataError(f"{path}: an image's name must end in one of {known}; save it as TIFF")
    with reading_errors(path, kind):
        plane = read(path)
        pixels = np.require(plane.pixels, plane.pixels.dtype.newbyteorder("="), ["C", "W"])
    return Plane(pixels, plane.pixel_size_um)


def _read_picture(path: Path) -> Plane:
    """Read a PNG or JPEG as stored: a rotation that its EXIF asks for would part it from its label."""
    data = path.read_bytes()
    if data.startswith(png.SIGNATURE):
        png.check_png(data)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # what Pillow doubts is no matter, or is refused; our own bound is that of every format
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            frames = getattr(picture, "n_frames", 1)
            check_single_plane(path, "TYX", (frames, picture.height, picture.width))
            if picture.mode not in ("1", "L", "I") and not picture.mode.startswith("I;16"):
                colour = "RGB" if picture.mode in ("RGB", "RGBA") else "not grey"
                raise_colour_error(path, f"{colour} (mode {picture.mode})")
            check_decoded_size(path, "an image that is read whole", (picture.height, picture.width))
            if picture.format == "PNG":
                png.check_png_pixels(data)
            pixels = np.asarray(picture)
    if picture.mode == "1":
        pixels = pixels.astype(np.uint8)
    elif picture.mode == "I":  # a PNG has 16 bits at most; older Pillow hands them out as int32
        if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
            raise ValueError("values beyond 16 bits")
        pixels = pixels.astype(np.uint16)
    return Plane(pixels)


def _read_nifti(path: Path) -> Plane:
    """Read a NIfTI-1 or NIfTI-2 file, whose arrays are (X, Y, Z, ...), as (Y, X)."""
    with open_maybe_gzip(path) as stream:
        head = stream.read(nibabel.Nifti2Header.sizeof_hdr)
        is_second = nibabel.Nifti2Header.may_contain_header(head)
        header = (nibabel.Nifti2Header if is_second else nibabel.Nifti1Header).from_fileobj(io.BytesIO(head))
        with np.errstate(over="ignore"):  # a lying number of axes
            dtype, shape = header.get_data_dtype(), header.get_data_shape()
        if dtype.names:
            raise_colour_error(path, f"RGB (data type {', '.join(dtype.names)})")
        axes = "XYZTUVW"[: len(shape)]
        # disk order is X first: name the axes slowest first, as everywhere else
        size = check_single_plane(path, axes[::-1], shape[::-1])
        check_decoded_size(path, "an image that is read whole", size)
        stored = read_pixel_bytes(stream, head, int(header.get_data_offset()), math.prod(size) * dtype.itemsize)
    pixels = apply_read_scaling(np.frombuffer(stored, dtype).reshape(size), *header.get_slope_inter())
    unit = header.get_xyzt_units()[0]
    x, y = header.get_zooms()[:2]
    return Plane(pixels, pixel_size([float(y), float(x)], [unit, unit]))
