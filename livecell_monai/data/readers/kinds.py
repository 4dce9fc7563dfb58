"""Image files as checked arrays: one grey plane (Y, X) per file, or the plane of a stack that an address names.

`read_plane` returns the values as stored, C-contiguous, writable and of native byte order; `read_image`, `read_label` and
`read_border` also check them.
"""

from pathlib import Path

import numpy as np

from livecell_monai.data.checks.limits import check_single_plane
from livecell_monai.data.formats import TIFF
from livecell_monai.data.paths import check_image_path, find_format
from livecell_monai.data.readers import open_stack, parse_address
from livecell_monai.data.readers.open import read_addressed
from livecell_monai.data.readers.read_cache import read_once
from livecell_monai.data.readers.single_plane import read_single
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Plane

_IMAGE_TYPES = ("uint8", "uint16", "int16", "int32", "uint32", "float32", "float64")


def read_plane(path: Path) -> Plane:
    """Read one grey plane (Y, X), with its pixel size in µm if the file states it.

    Bilevel images become uint8 of 0 and 1; in TIFFs whose zero means white, unsigned integers are inverted. No such file, an
    unknown format, damage, colours, and more than one plane raise a DataError.
    """
    check_image_path(path)
    return read_once(path, read_single if find_format(path) in (None, TIFF) else _read_stack)


def _read_stack(path: Path) -> Plane:
    with open_stack(path) as stack:
        check_single_plane(path, stack.axes, stack.shape)
        return Plane(stack.read(), stack.pixel_size_um)


def read_image(path: Path) -> Plane:
    """Read one grey image (Y, X), from a file of one plane or the address of a plane, and check it by `check_image`."""
    address = parse_address(path)
    plane = read_plane(path) if address is None else read_addressed(address)
    check_image(plane.pixels, path)
    return plane


def check_image(pixels: Pixels, path: Path) -> None:
    """Reject, by a DataError, what is no grey image (Y, X) of integers or floats, finite and not constant as float32."""
    if pixels.ndim != 2 or pixels.size == 0:
        raise DataError(f"{path}: an image must be one grey plane (Y, X), got the shape {pixels.shape}; choose a plane")
    check_image_type(pixels.dtype, path)
    _check_finite(path, "an image", pixels)
    check_image_range(pixels.min(), pixels.max(), path)


def check_image_type(dtype: np.dtype[np.generic], path: Path) -> None:
    """Reject a type that no image may have."""
    if dtype.name not in _IMAGE_TYPES:
        raise DataError(f"{path}: an image must be one of {', '.join(_IMAGE_TYPES)}, got {dtype}; save it as 16 bit")


def check_image_range(low: float, high: float, path: Path) -> None:
    """Reject minimum and maximum of an image that float32, in which the network computes, cannot hold or tell apart."""
    with np.errstate(over="ignore", invalid="ignore"):
        reach = np.float32(high) - np.float32(low)
    if not np.isfinite(reach):
        raise DataError(f"{path}: an image must have values that float32 holds, got {low:g} to {high:g}; scale it down")
    if reach == 0:
        raise DataError(f"{path}: an image must not be constant, got {low:g} in every pixel; remove it or save it again")


def read_label(path: Path) -> Pixels:
    """Read a label (Y, X): integers, 0 background, > 0 foreground; other types and negative values are a DataError."""
    pixels = read_plane(path).pixels
    if pixels.dtype.kind not in "ui":
        raise DataError(f"{path}: a label must hold integers, got {pixels.dtype}; save it as 8 or 16 bit integers")
    _check_not_negative(path, "a label", pixels)
    return pixels


def read_border(path: Path) -> Pixels:
    """Read a weight per pixel (Y, X) as float32; every value must be finite and >= 0, otherwise it is a DataError."""
    pixels = read_plane(path).pixels
    if pixels.dtype.kind not in "uif":
        raise DataError(f"{path}: a border weight must be a real number, got {pixels.dtype}; save it as 32 bit float")
    with np.errstate(over="ignore"):  # values beyond float32 become infinite and are rejected below
        weights = pixels.astype(np.float32)
    _check_finite(path, "a border weight", weights)
    _check_not_negative(path, "a border weight", weights)
    return weights


def _check_finite(path: Path, what: str, pixels: Pixels) -> None:
    if pixels.dtype.kind in "ui":
        return
    bad = ~np.isfinite(pixels)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{path}: {what} must be finite in every pixel, got {bad.sum()} NaN or infinite,"
            f" the first at row {row}, column {column}; replace them"
        )


def _check_not_negative(path: Path, what: str, pixels: Pixels) -> None:
    if pixels.min() < 0:
        raise DataError(
            f"{path}: {what} must be >= 0, got {(pixels < 0).sum()} pixels down to {pixels.min()};"
            " replace them by 0 or a positive value"
        )
