"""Files of one plane, read whole: TIFF, PNG, JPEG and NIfTI."""

import gzip
import io
import math
import warnings
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import imagecodecs
import nibabel
import numpy as np
from nibabel.volumeutils import apply_read_scaling
from PIL import Image, UnidentifiedImageError

from livecell_monai.data.checks import png
from livecell_monai.data.checks.colour import look_up, merge_samples
from livecell_monai.data.checks.contents import find_kind
from livecell_monai.data.checks.limits import check_decoded_size, check_single_plane, raise_colour_error, reading_errors
from livecell_monai.data.checks.tiff import read_tiff
from livecell_monai.data.paths import SUFFIXES, list_endings
from livecell_monai.data.readers.base import Stack
from livecell_monai.data.units import pixel_size
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Plane, Region

_SAMPLES = {"LA": 2, "RGB": 3, "RGBA": 4}  # per pixel, by Pillow's mode
MAX_TRAILING_BYTES = 2**20  #: that may follow the pixels of a NIfTI


class PlaneStack(Stack):
    """A PNG, JPEG or NIfTI, which is read when it is opened; `axes` is `YX` or None."""

    def __init__(self, path: Path, axes: str | None = None, is_label: bool = False) -> None:
        plane = read_single(path, is_label)
        self.path, self.pixel_size_um, self._pixels = path, plane.pixel_size_um, plane.pixels
        self.dtype, self.is_label = plane.pixels.dtype, is_label
        self.set_axes("YX", plane.pixels.shape, axes)

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane or a region of it."""
        return self.locate(time, channel, z, region).crop(self._pixels).copy()


def read_single(path: Path, is_label: bool = False) -> Plane:
    """Read the grey plane (Y, X) of a TIFF, PNG, JPEG or NIfTI whose path was checked; see `read_plane`.

    A TIFF, PNG or JPEG that is named as another of them is read as what it is.
    """
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        known = " ".join(list_endings())
        raise DataError(f"{path}: an image's name must end in one of {known}; save it as TIFF")
    found = find_kind(path)
    if suffix.startswith(".nii"):
        kind, read = "NIfTI", _read_nifti
    elif found == "TIFF" or (suffix.startswith(".tif") and found not in ("PNG", "JPEG")):
        kind, read = "TIFF", partial(read_tiff, is_label=is_label)
    else:
        kind, read = "PNG or JPEG", partial(_read_picture, is_label=is_label)
    with reading_errors(path, kind):
        plane = read(path)
        pixels = np.require(plane.pixels, plane.pixels.dtype.newbyteorder("="), ["C", "W"])
    return Plane(pixels, plane.pixel_size_um)


def _read_picture(path: Path, is_label: bool) -> Plane:
    """Read a PNG or JPEG as stored: a rotation in its EXIF would separate it from its label."""
    data = path.read_bytes()
    if data.startswith(png.SIGNATURE):
        png.check_png(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own limit is replaced by that of every format
        try:
            picture = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        except UnidentifiedImageError:
            raise ValueError("it is neither a PNG nor a JPEG") from None
        with picture:
            frames = getattr(picture, "n_frames", 1)
            check_single_plane(path, "TYX", (frames, picture.height, picture.width))
            if picture.mode not in ("1", "L", "I", "P", *_SAMPLES) and not picture.mode.startswith("I;16"):
                raise_colour_error(path, f"not grey (mode {picture.mode})")
            samples = _SAMPLES.get(picture.mode, 1)
            size = (picture.height, picture.width)
            check_decoded_size(path, "an image that is read whole", size if samples == 1 else (*size, samples))
            if picture.format == "PNG":
                png.check_png_pixels(data)
            if samples > 1:
                return Plane(_merge_picture(path, picture, data))
            pixels = np.asarray(picture)
    if picture.mode == "P":
        return Plane(_look_up_picture(path, picture, pixels, is_label))
    if picture.mode == "1":
        pixels = pixels.astype(np.uint8)
    elif picture.mode == "I":  # a PNG has 16 bits at most; older Pillow returns them as int32
        pixels = pixels.astype(np.uint16)
    return Plane(pixels)


def _merge_picture(path: Path, picture: Image.Image, data: bytes) -> Pixels:
    """The grey values of a picture with several samples per pixel; Pillow cuts those of 16 bits to 8."""
    is_deep = picture.format == "PNG" and png.bits_of(data) == 16
    pixels = imagecodecs.png_decode(data) if is_deep else np.asarray(picture)
    return merge_samples(path, np.moveaxis(pixels, -1, 0), np.iinfo(pixels.dtype).max)


def _look_up_picture(path: Path, picture: Image.Image, indices: Pixels, is_label: bool) -> Pixels:
    palette = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    opacity = picture.info.get("transparency", b"")  # one byte for each of the first colours, or the one clear colour
    if not is_label and indices.size:
        opaque = np.full(256, 255, np.uint8)
        if isinstance(opacity, int):
            opaque[opacity] = 0
        else:
            opaque[: len(opacity)] = np.frombuffer(opacity, np.uint8)
        merge_samples(path, np.stack([indices, opaque[indices]]), 255)
    return look_up(path, indices, palette, is_label)


def _read_nifti(path: Path) -> Plane:
    """Read a NIfTI-1 or NIfTI-2 file, whose arrays are (X, Y, Z, ...), as (Y, X)."""
    with open_maybe_gzip(path) as stream:
        head = stream.read(nibabel.Nifti2Header.sizeof_hdr)
        is_second = nibabel.Nifti2Header.may_contain_header(head)
        header = (nibabel.Nifti2Header if is_second else nibabel.Nifti1Header).from_fileobj(io.BytesIO(head))
        with np.errstate(over="ignore"):  # an invalid number of axes
            dtype, shape = header.get_data_dtype(), header.get_data_shape()
        if dtype.names and dtype.names not in (("R", "G", "B"), ("R", "G", "B", "A")):
            raise_colour_error(path, f"not grey (data type {', '.join(dtype.names)})")
        axes = "XYZTUVW"[: len(shape)]
        # disk order is X first: name the axes slowest first, as everywhere else
        size = check_single_plane(path, axes[::-1], shape[::-1])
        check_decoded_size(path, "an image that is read whole", size)
        stored = read_pixel_bytes(stream, head, int(header.get_data_offset()), math.prod(size) * dtype.itemsize)
    pixels = np.frombuffer(stored, dtype).reshape(size)
    if dtype.names:
        pixels = merge_samples(path, np.stack([pixels[name] for name in dtype.names]), 255)
    pixels = apply_read_scaling(pixels, *header.get_slope_inter())
    unit = header.get_xyzt_units()[0]
    x, y = header.get_zooms()[:2]
    return Plane(pixels, pixel_size([float(y), float(x)], [unit, unit]))


def open_maybe_gzip(path: Path) -> BinaryIO:
    """A file open for reading, decompressed if it is a gzip archive, whatever its name says."""
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path) if is_gzip else open(path, "rb"))


def read_pixel_bytes(stream: BinaryIO, head: bytes, offset: int, count: int) -> bytearray:
    """Read `count` bytes from an offset, if `head` has been read already, and the rest of the file for its checksum."""
    data = bytearray(count)  # uses no memory until it is filled
    known = head[offset : offset + count]
    data[: len(known)] = known
    if offset > len(head):
        stream.read(offset - len(head))
    filled, view = len(known), memoryview(data)
    while filled < count and (got := stream.readinto(view[filled:])):  # type: ignore[attr-defined]
        filled += got
    if filled < count:
        raise ValueError(f"the file is cut off: it needs {count} bytes of pixels and has {filled}")
    if len(stream.read(MAX_TRAILING_BYTES + 1)) > MAX_TRAILING_BYTES:
        raise ValueError(f"more than {MAX_TRAILING_BYTES} bytes follow its {count} bytes of pixels")
    return data
