"""Image files into checked arrays: one grey plane (Y, X) per file, or the plane of a stack that an address names.

`read_plane` reads values as the file holds them; `read_image`, `read_label` and `read_border` add what each of
them must be. All of them refuse what they cannot interpret with a DataError of one line, and return arrays that are
C-contiguous, writable and of native byte order.
"""

from pathlib import Path

import numpy as np

from livecell_monai.data.checks.limits import check_single_plane, reading_errors
from livecell_monai.data.formats import TIFF
from livecell_monai.data.paths import check_image_path, name_format
from livecell_monai.data.readers import open_stack, parse_address, read_addressed
from livecell_monai.data.readers.read_cache import read_once
from livecell_monai.data.readers.single_plane import read_single
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Plane

_IMAGE_TYPES = ("uint8", "uint16", "int16", "int32", "uint32", "float32", "float64")


def read_plane(path: Path) -> Plane:
    """Read one grey plane (Y, X), with its pixel size in µm where the file tells it.

    Bilevel images become uint8 of 0 and 1; in TIFFs whose zero means white, unsigned integers are turned round.

    Raises:
        DataError: no such file, not a known format, damaged, in colour, or more than one plane.
    """
    with reading_errors(path, "an image"):  # a folder that may not be entered raises here
        if is_stack := name_format(path) not in (None, TIFF.name):
            check_image_path(path)
    return read_once(path, _read_only_plane if is_stack else read_single)


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
    check_image(plane.pixels, path)
    return plane


def check_image(pixels: Pixels, path: Path) -> None:
    """Reject what is no grey image (Y, X) to be segmented, as `read_image` says.

    Args:
        pixels: grey values.
        path: where they come from, for the message.

    Raises:
        DataError: the axes, the type or the values are not as said.
    """
    if pixels.ndim != 2 or pixels.size == 0:
        raise DataError(f"{path}: an image must be one grey plane (Y, X), got the shape {pixels.shape}; choose a plane")
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
        check_single_plane(path, stack.axes, stack.shape)
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
