"""Image files as checked arrays: one grey plane (Y, X) per file, or the plane of a stack that an address names.

`read_plane` returns the values as stored, C-contiguous, writable and of native byte order; `read_image`, `read_label` and
`read_border` also check them. In a label, pixels that are not annotated are `IGNORED`.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from livecell_monai.data.checks.limits import check_single_plane
from livecell_monai.data.formats import TIFF
from livecell_monai.data.ignored import find_ignored
from livecell_monai.data.label_values import interpret_fractions, interpret_label
from livecell_monai.data.paths import check_image_path, find_format
from livecell_monai.data.readers import open_stack, parse_address
from livecell_monai.data.readers.open import describe_plane, read_addressed
from livecell_monai.data.readers.read_cache import read_once
from livecell_monai.data.readers.single_plane import read_single
from livecell_monai.errors import DataError
from livecell_monai.sample import IGNORED, Pixels, Plane, Sample

_IMAGE_TYPES = ("uint8", "uint16", "int16", "int32", "uint32", "float32", "float64")
#: other types by the image type that holds them; 64 bit integers must be in the range of 32 bits
_HELD_BY = {"bool": "uint8", "int8": "int16", "float16": "float32", "int64": "float64", "uint64": "float64"}
_INTEGERS = ("uint8", "int16", "uint16", "int32", "uint32")  # the smallest first
_ROUNDING = 0.05  # of scaled integers, such as those of a NIfTI with a slope
_MAX_ID = 2**24  # of a label; with greater ones, which float32 cannot tell apart, its ids get new numbers


def read_plane(path: Path, is_label: bool = False) -> Plane:
    """Read one grey plane (Y, X), with its pixel size in µm if the file states it; labels keep the ids of a palette.

    Bilevel images become uint8 of 0 and 1; in TIFFs whose zero means white, unsigned integers are inverted. No such file, an
    unknown format, damage, colours, and more than one plane raise a DataError.
    """
    check_image_path(path)
    read = partial(read_single, is_label=is_label) if find_format(path) in (None, TIFF) else _read_stack
    return read_once(path, read, is_label)


def _read_stack(path: Path) -> Plane:
    with open_stack(path) as stack:
        check_single_plane(path, stack.axes, stack.shape)
        return Plane(stack.read(), stack.pixel_size_um)


def read_image(path: Path) -> Plane:
    """Read one grey image (Y, X), from a file of one plane or the address of a plane, as `to_image` returns it."""
    address = parse_address(path)
    plane = read_plane(path) if address is None else read_addressed(address)
    return Plane(to_image(plane.pixels, path if address is None else describe_plane(address)), plane.pixel_size_um)


def to_image(pixels: Pixels, path: Path | str) -> Pixels:
    """A grey image (Y, X) of a type that images may have, finite and not constant as float32; otherwise a DataError.

    64 bit integers become the smallest integer type that holds them, int8 becomes int16 and float16 becomes float32. The
    minimum is subtracted from values that differ but are equal as float32.
    """
    if pixels.ndim != 2 or pixels.size == 0:
        raise DataError(f"{path}: an image must be one grey plane (Y, X), got the shape {pixels.shape}; choose a plane")
    held_by = image_type(pixels.dtype, path)
    _check_finite(path, "an image", pixels)
    low, high = pixels.min(), pixels.max()
    if pixels.dtype.kind in "ui" and pixels.dtype.itemsize == 8:
        _check_32_bits(int(low), int(high), path)
        holds = (name for name in _INTEGERS if np.iinfo(name).min <= int(low) and int(high) <= np.iinfo(name).max)
        pixels = pixels.astype(next(holds, held_by))  # of float64, if some are negative and others beyond int32
    else:
        pixels = pixels.astype(held_by, copy=False)
    with np.errstate(over="ignore"):
        is_flat = low < high and np.float32(low) == np.float32(high) and np.isfinite(np.float32(high))
    if is_flat:
        pixels = pixels - pixels.min()
    check_image_range(pixels.min(), pixels.max(), path)
    return pixels


def read_channels(image: Path) -> dict[str, Pixels]:
    """The grey values (Y, X) of each channel of an image by its name or index, empty for the only one.

    `image` is a file of one plane or the address of a plane, whose frame and depth all channels share.
    """
    address = parse_address(image)
    if address is None:
        return {"": read_image(image).pixels}
    with open_stack(address.path, address.axes, address.allow_gaps) as stack:
        count, names = stack.length("C"), stack.name_channels()
    if count == 1:
        return {"": read_image(image).pixels}
    planes = [read_addressed(replace(address, channel=channel)).pixels for channel in range(count)]
    return dict(zip(names, planes, strict=True))


def image_type(dtype: np.dtype[np.generic], path: Path | str) -> np.dtype[np.generic]:
    """The type in which parts of an image are read, that of the file or one that holds it; a DataError if there is none."""
    if dtype.name in _IMAGE_TYPES:
        return dtype
    if dtype.name not in _HELD_BY:
        raise DataError(f"{path}: an image must be one of {', '.join(_IMAGE_TYPES)}, got {dtype}; save it as 16 bit")
    return np.dtype(_HELD_BY[dtype.name])


def to_image_part(part: Pixels, path: Path | str) -> Pixels:
    """A part (Y, X) of an image in the type of `image_type`; a DataError if 64 bit integers are out of range."""
    if part.dtype.kind in "ui" and part.dtype.itemsize == 8:
        _check_32_bits(int(part.min()), int(part.max()), path)
    return part.astype(image_type(part.dtype, path), copy=False)


def _check_32_bits(low: int, high: int, path: Path | str) -> None:
    least, most = np.iinfo(np.int32).min, np.iinfo(np.uint32).max
    if low < least or high > most:
        got = low if low < least else high
        raise DataError(f"{path}: an image must have integers from {least} to {most}, got {got}; scale it down to 16 bit")


def check_image_range(low: float, high: float, path: Path | str) -> None:
    """Reject minimum and maximum of an image that float32, in which the network computes, cannot hold or tell apart."""
    with np.errstate(over="ignore", invalid="ignore"):
        reach = np.float32(high) - np.float32(low)
    if not np.isfinite(reach):
        raise DataError(f"{path}: an image must have values that float32 holds, got {low:g} to {high:g}; scale it down")
    if reach == 0 and low == high:
        raise DataError(f"{path}: an image must not be constant, got {low:g} in every pixel; remove it or save it again")
    if reach == 0:
        raise DataError(
            f"{path}: an image must have values that differ in 32 bit, got {float(low)!r} to {float(high)!r}; "
            "subtract the minimum, and save it again"
        )


def read_annotation(sample: Sample) -> Pixels:
    """The label (Y, X) of an annotated sample, see `read_label`."""
    assert sample.label is not None
    return read_label(sample.label, sample.ignore, sample.unlabelled_value)


def read_label(path: Path, ignore: Path | None = None, unlabelled_value: int | None = None) -> Pixels:
    """Read a label (Y, X): integers, 0 background, > 0 foreground, `IGNORED` where it is not annotated.

    Not annotated are pixels of -1 or `unlabelled_value`, and those that are not 0 in the file `ignore`. Other negative
    values, fractions, and a label without an annotated pixel are a DataError.

    Whole numbers that are stored as float become integers, with the rounding errors of a scale; a soft mask is cut. If
    an id is above 16,777,216, all of the label get new numbers, in their order.
    """
    return read_described_label(path, ignore, unlabelled_value)[0]


def read_described_label(
    path: Path, ignore: Path | None = None, unlabelled_value: int | None = None
) -> tuple[Pixels, str | None]:
    """Read a label as `read_label`, with a note if it is a soft mask or holds classes, see `interpret_label`."""
    pixels = read_plane(path, is_label=True).pixels
    if pixels.dtype.kind not in "uif":
        raise DataError(f"{path}: a label must hold integers, got {pixels.dtype}; save it as 8 or 16 bit integers")
    if pixels.dtype.kind == "f":
        pixels = _round_whole(pixels)
    plane = None if ignore is None else (ignore, read_plane(ignore, is_label=True).pixels)
    ignored = find_ignored(pixels, path, plane, unlabelled_value)
    if ignored is None:
        return _read_values(pixels, path)
    rest = pixels.dtype.type(max(0, pixels[~ignored].min()))  # background, if there is some: it changes no meaning
    label, note = _read_values(np.where(ignored, rest, pixels), path)
    marked = label.astype(np.int32)
    marked[ignored] = IGNORED
    return marked, note


def _read_values(pixels: Pixels, path: Path) -> tuple[Pixels, str | None]:
    """The label of the values of a file."""
    if pixels.dtype.kind == "f":
        is_soft = pixels.min() >= 0 and bool(np.isfinite(pixels).all()) and bool((pixels != np.rint(pixels)).any())
        if is_soft and (mask := interpret_fractions(pixels, path)) is not None:
            return mask
        _check_whole(path, pixels)
    _check_not_negative(path, "a label", pixels, f"{IGNORED} (not annotated), 0")
    if float(pixels.max()) > _MAX_ID:
        ids = np.unique(np.append(pixels.ravel(), pixels.dtype.type(0)), return_inverse=True)[1][:-1]
        pixels = ids.reshape(pixels.shape).astype(np.int32)
    elif pixels.dtype.kind == "f":
        pixels = pixels.astype(np.int32)
    return interpret_label(pixels, path)


def _round_whole(pixels: Pixels) -> Pixels:
    """Floats (Y, X) as whole numbers, if each is close to one and none of their values become equal; else as they are."""
    with np.errstate(invalid="ignore"):  # infinite values
        rounded = np.rint(pixels)
        is_close = bool((np.abs(pixels - rounded) <= _ROUNDING).all())
    if is_close and not np.array_equal(rounded, pixels) and len(np.unique(rounded)) == len(np.unique(pixels)):
        return rounded
    return pixels


def _check_whole(path: Path, pixels: Pixels) -> None:
    bad = pixels != np.rint(pixels)  # also NaN
    bad |= np.isinf(pixels)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{path}: a label must hold integers, got {pixels[row, column]:g} at row {row}, column {column}, {bad.sum()} "
            "such pixels; cut probabilities at a threshold, and save it as 8 or 16 bit integers"
        )


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


def _check_finite(path: Path | str, what: str, pixels: Pixels) -> None:
    if pixels.dtype.kind in "ui":
        return
    bad = ~np.isfinite(pixels)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{path}: {what} must be finite in every pixel, got {bad.sum()} NaN or infinite,"
            f" the first at row {row}, column {column}; replace them"
        )


def _check_not_negative(path: Path, what: str, pixels: Pixels, allowed: str = "0") -> None:
    if pixels.min() < 0:
        raise DataError(
            f"{path}: {what} must be >= 0, got {(pixels < 0).sum()} pixels down to {pixels.min()};"
            f" replace them by {allowed} or a positive value"
        )
