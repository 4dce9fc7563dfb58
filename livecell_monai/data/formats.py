"""Image files into checked arrays: one grey plane (Y, X) per file, or the plane of a stack that an address names.

`read_plane` reads values as the file holds them; `read_image`, `read_label` and `read_border` add what each of
them must be. All of them refuse what they cannot interpret with a DataError of one line, and return arrays that are
C-contiguous, writable and of native byte order.
"""

import io
import math
import warnings
from pathlib import Path

import nibabel
import numpy as np
from nibabel.volumeutils import apply_read_scaling
from PIL import Image

from livecell_monai.data import png
from livecell_monai.data.packed import open_packed, read_rest
from livecell_monai.data.planes import pixel_size, reading, refuse_colour, require_bounded, require_plane
from livecell_monai.data.stacks import open_stack, parse_address, read_addressed
from livecell_monai.data.stacks.opening import ENDINGS, find_zarr, name_format, require_there
from livecell_monai.data.tiff import read_tiff
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Plane

#: endings, in lower case, of the image files that can be read without an extra
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".nii", ".nii.gz")

_DOUBLE_SUFFIXES = (".ome.tif", ".ome.tiff", ".nii.gz", ".ome.zarr")
_IMAGE_TYPES = ("uint8", "uint16", "int16", "int32", "uint32", "float32", "float64")


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is an image; hidden files (".DS_Store", "._cell.tif") are not."""
    return not path.name.startswith(".") and path.name.lower().endswith((*SUFFIXES, *ENDINGS))


def stem_of(path: Path) -> str:
    """The file's name without its ending, of which ".ome.tif", ".ome.tiff", ".nii.gz" and ".ome.zarr" are one.

    An image inside of an OME-Zarr folder bears the names of both: `plate.zarr/A/1/0` is `plate_A_1_0`.
    """
    outer = find_zarr(path)
    if outer is not None and outer != path and not path.suffix:
        return "_".join((stem_of(outer), *path.relative_to(outer).parts))
    double = next((suffix for suffix in _DOUBLE_SUFFIXES if path.name.lower().endswith(suffix)), None)
    return path.name[: -len(double)] if double else path.stem


def read_plane(path: Path) -> Plane:
    """Read one grey plane (Y, X), with its pixel size in µm where the file tells it.

    Bilevel images become uint8 of 0 and 1; in TIFFs whose zero means white, unsigned integers are turned round.

    Raises:
        DataError: no such file, not a known format, damaged, in colour, or more than one plane.
    """
    with reading(path, "an image"):  # a folder that may not be entered raises here
        require_there(path)
    if name_format(path) in ENDINGS.values():
        return _read_only_plane(path)
    match next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None):
        case ".tif" | ".tiff":
            kind, read = "TIFF", read_tiff
        case ".png" | ".jpg" | ".jpeg":
            kind, read = "PNG or JPEG", _read_picture
        case ".nii" | ".nii.gz":
            kind, read = "NIfTI", _read_nifti
        case _:
            known = " ".join((*SUFFIXES, *ENDINGS))
            raise DataError(f"{path}: an image's name must end in one of {known}; save it as TIFF")
    with reading(path, kind):
        plane = read(path)
        pixels = np.require(plane.pixels, plane.pixels.dtype.newbyteorder("="), ["C", "W"])
    return Plane(pixels, plane.pixel_size_um)


def read_image(path: Path) -> Plane:
    """Read one grey image (Y, X) to be segmented: integers or floats that as float32 are finite and not all equal.

    Args:
        path: of a file of one plane, or the address of one plane of a stack.

    Raises:
        DataError: as `read_plane`, or the type or the values are not as said.
        SettingError: as `open_stack`.
    """
    address = parse_address(path)
    plane = read_plane(path) if address is None else read_addressed(address)
    pixels = plane.pixels
    if pixels.dtype.name not in _IMAGE_TYPES:
        raise DataError(f"{path}: an image must be one of {', '.join(_IMAGE_TYPES)}, got {pixels.dtype}; save it as 16 bit")
    _require_finite(path, "an image", pixels)
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # the network computes in float32: what does not fit there is found here
        low, high = np.float32(pixels.min()), np.float32(pixels.max())
        reach = high - low
    if not np.isfinite(reach):
        raise DataError(f"{path}: an image must have values that float32 holds, got {low:g} to {high:g}; scale it down")
    if low == high:
        raise DataError(
            f"{path}: an image must not be constant, got {pixels.flat[0]} in every pixel; leave it out or save it anew"
        )
    return plane


def read_label(path: Path) -> Pixels:
    """Read a label (Y, X): integers, 0 background, > 0 foreground.

    Raises:
        DataError: as `read_plane`, or the values are not integers, or some are negative.
    """
    pixels = read_plane(path).pixels
    if pixels.dtype.kind not in "ui":
        raise DataError(f"{path}: a label must hold integers, got {pixels.dtype}; save it as 8 or 16 bit integers")
    _require_not_negative(path, "a label", pixels)
    return pixels


def read_border(path: Path) -> Pixels:
    """Read a weight per pixel (Y, X) as float32, every value finite and >= 0.

    Raises:
        DataError: as `read_plane`, or the values are not as said.
    """
    pixels = read_plane(path).pixels
    if pixels.dtype.kind not in "uif":
        raise DataError(f"{path}: a border weight must be a real number, got {pixels.dtype}; save it as 32 bit float")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
        weights = pixels.astype(np.float32)
    _require_finite(path, "a border weight", weights)
    _require_not_negative(path, "a border weight", weights)
    return weights


def _read_only_plane(path: Path) -> Plane:
    """Read a stack that has one plane."""
    with open_stack(path) as stack:
        require_plane(path, stack.axes, stack.shape)
        return Plane(stack.read(), stack.pixel_size_um)


def _require_finite(path: Path, what: str, pixels: Pixels) -> None:
    if pixels.dtype.kind in "ui":
        return
    bad = ~np.isfinite(pixels)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{path}: {what} must be finite in every pixel, got {bad.sum()} NaN or infinite,"
            f" the first at row {row}, column {column}; replace them"
        )


def _require_not_negative(path: Path, what: str, pixels: Pixels) -> None:
    if pixels.min() < 0:
        raise DataError(
            f"{path}: {what} must be >= 0, got {(pixels < 0).sum()} pixels down to {pixels.min()};"
            " give them the value 0 or a positive one"
        )


def _read_picture(path: Path) -> Plane:
    """Read a PNG or JPEG as stored: a rotation that its EXIF asks for would part it from its label."""
    data = path.read_bytes()
    if data.startswith(png.SIGNATURE):
        png.require_sound(data)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # what Pillow doubts is no matter, or is refused; our own bound is that of every format
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            frames = getattr(picture, "n_frames", 1)
            require_plane(path, "TYX", (frames, picture.height, picture.width))
            if picture.mode not in ("1", "L", "I") and not picture.mode.startswith("I;16"):
                colour = "RGB" if picture.mode in ("RGB", "RGBA") else "not grey"
                refuse_colour(path, f"{colour} (mode {picture.mode})")
            require_bounded(path, "an image that is read whole", (picture.height, picture.width))
            if picture.format == "PNG":
                png.require_pixels(data)
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
    with open_packed(path) as stream:
        head = stream.read(nibabel.Nifti2Header.sizeof_hdr)
        is_second = nibabel.Nifti2Header.may_contain_header(head)
        header = (nibabel.Nifti2Header if is_second else nibabel.Nifti1Header).from_fileobj(io.BytesIO(head))
        with np.errstate(over="ignore"):  # a lying number of axes
            dtype, shape = header.get_data_dtype(), header.get_data_shape()
        if dtype.names:
            refuse_colour(path, f"RGB (data type {', '.join(dtype.names)})")
        axes = "XYZTUVW"[: len(shape)]
        # disk order is X first: name the axes slowest first, as everywhere else
        size = require_plane(path, axes[::-1], shape[::-1])
        require_bounded(path, "an image that is read whole", size)
        stored = read_rest(stream, head, int(header.get_data_offset()), math.prod(size) * dtype.itemsize)
    pixels = apply_read_scaling(np.frombuffer(stored, dtype).reshape(size), *header.get_slope_inter())
    unit = header.get_xyzt_units()[0]
    x, y = header.get_zooms()[:2]
    return Plane(pixels, pixel_size([float(y), float(x)], [unit, unit]))
