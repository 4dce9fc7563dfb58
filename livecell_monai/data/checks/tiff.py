"""Checks of a TIFF: pages, axes and pixel sizes as the file states them, never guessed.

tifffile guesses: it takes two pages of matching sizes for a pyramid, returns the first of many pages, and fills missing data
with zeros. These functions raise an error instead.
"""

import logging
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecell_monai.data.checks.limits import (
    check_decoded_size,
    check_single_plane,
    check_xml,
    parse_xml,
    raise_colour_error,
)
from livecell_monai.data.checks.png import check_png
from livecell_monai.data.checks.tiff_values import stored_to_grey
from livecell_monai.data.units import pixel_size, to_number
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Plane

LOGGER = logging.getLogger(__name__)
_WARNED: set[Path] = set()  # files whose OME-XML lists planes that they do not have
_ALPHA = (1, 2)  # kinds of an extra sample that mean opacity
_GREY = {"MINISWHITE", "MINISBLACK", "MASK"}  # photometric interpretations of one value per pixel
_CENTIMETER = 3  # of the tag ResolutionUnit; inches (2) are a print size
# by magic number: struct codes of an offset and of the number of entries, bytes of an entry
_HEADS = {b"II*\0": ("<I", "<H", 12), b"MM\0*": (">I", ">H", 12), b"II+\0": ("<Q", "<Q", 20), b"MM\0+": (">Q", ">Q", 20)}


def read_tiff(path: Path, is_label: bool = False) -> Plane:
    """Read the one plane (Y, X) of a TIFF file, of a pyramid its full size; a label keeps its ids, see `stored_to_grey`.

    Raises:
        DataError: several images, a stack or colours.
        Exception: any other error of a damaged file.
    """
    with open_tiff(path) as tif:
        series = only_series(path, tif)
        samples, axes, shape = split_samples(path, series, series.axes, series.shape)
        size = check_single_plane(path, axes, shape)
        if len(tif.pages) != count_pages(series):  # metadata such as OME-XML lists fewer planes
            check_single_plane(path, "IYX", (len(tif.pages), *size))
        check_pyramid(series)
        check_decoded_size(path, "an image that is read whole", size if samples == 1 else (*size, samples))
        check_decoded_size(path, "a strip or tile", series.keyframe.chunks)
        for level in series.levels:
            check_complete(tif, level.keyframe)
        pixels = to_samples(series.asarray(level=0, maxworkers=1), series, size)  # in this thread, whose log is captured
        return Plane(stored_to_grey(path, pixels, tif, series.keyframe, is_label), pixel_size_of(tif, series.keyframe))


def open_tiff(path: Path) -> Any:
    """An open tifffile.TiffFile, whose directories are no loop.

    A file of one page is one plane, even if its OME-XML lists more: it was split out of a series. A warning says so once.
    """
    check_page_chain(path)
    # one file holds one image: other files that its OME-XML names are not read
    tif = tifffile.TiffFile(path, _multifile=False)
    try:
        if not tif.is_ome or len(tif.pages) != 1:
            return tif
        found = list_series(tif)
        planes = sum(len(series) for series in found)
        if planes == 1 and len(found) == 1:
            return tif
    except BaseException:
        tif.close()
        raise
    tif.close()
    if path not in _WARNED:
        _WARNED.add(path)
        LOGGER.warning("%s: the OME-XML lists %d planes, the file has 1 page; this page is used", path, planes)
    return tifffile.TiffFile(path, _multifile=False, is_ome=False)


def check_page_chain(path: Path) -> None:
    """Reject a TIFF whose directories form a loop, which tifffile would follow forever; its reader finds other damage."""
    with open(path, "rb") as file:
        head = file.read(16)
        if head[:4] not in _HEADS:
            return
        offset, counter, entry_size = _HEADS[head[:4]]
        offset_size, counter_size = struct.calcsize(offset), struct.calcsize(counter)
        place = head[offset_size : 2 * offset_size]  # after the magic number, which is as long as an offset
        seen: set[int] = set()
        while len(place) == offset_size and (at := struct.unpack(offset, place)[0]):
            if at in seen:
                raise ValueError(f"its directories form a loop: the one at byte {at} comes twice")
            seen.add(at)
            file.seek(at)
            count = file.read(counter_size)
            if len(count) < counter_size:
                return
            file.seek(at + counter_size + struct.unpack(counter, count)[0] * entry_size)
            place = file.read(offset_size)


def only_series(path: Path, tif: Any) -> Any:
    """The one series of a file; levels of a pyramid must be marked as such."""
    found = list_series(tif)
    if not found:
        raise ValueError("it holds no image")
    images = [
        level
        for series in found
        for number, level in enumerate(series.levels)
        if number == 0 or not (level.keyframe.is_reduced or level.keyframe.is_subifd)
    ]
    if len(images) != 1:
        sizes = " and ".join(f"{image.axes} {' x '.join(map(str, image.shape))}" for image in images[:3])
        raise DataError(f"{path}: an image must be one grey plane, got {len(images)} images ({sizes}); save the one to use")
    return found[0]


def list_series(tif: Any) -> list[Any]:
    """The series of a file; its description is checked first, because tifffile parses it."""
    first = tif.pages.first
    check_xml(first.description, first.size)
    return list(tif.series)


def all_axes(tif: Any, series: Any) -> tuple[str, tuple[int, ...]]:
    """The axes of a file's one series and their lengths, with those of length 1, which `series.axes` omits."""
    if hasattr(series, "get_axes"):  # tifffile before 2026.5, the last for Python 3.11
        return series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    whole = tif.series(squeeze=False)[0]
    return whole.axes, whole.shape


def split_samples(path: Path, series: Any, axes: str, shape: Sequence[int]) -> tuple[int, str, tuple[int, ...]]:
    """The number of samples per pixel, 1 for grey and indices of a palette, and the other axes with their lengths.

    Raises:
        DataError: colours that cannot be grey.
    """
    page = series.keyframe
    photometric = page.tags.valueof(262, default=tifffile.PHOTOMETRIC.MINISBLACK)
    name = str(getattr(photometric, "name", photometric))
    samples = dict(zip(axes, shape, strict=True)).get("S", 1)
    is_colour = samples in (3, 4) and name in (*_GREY, "RGB", "YCBCR")
    if not (is_colour or name in _GREY or (name == "PALETTE" and samples == 1)):
        if not name.isprintable():  # of a damaged file
            name = name.encode("unicode_escape").decode()[:40]
        raise_colour_error(path, f"{'RGB' if name == 'RGB' else 'not grey'} (photometric {name})")
    if not is_colour and not (samples == 2 and any(int(extra) in _ALPHA for extra in page.extrasamples)):
        return 1, axes, tuple(shape)
    at = axes.index("S")
    return samples, axes[:at] + axes[at + 1 :], (*shape[:at], *shape[at + 1 :])


def is_planar(page: Any) -> bool:
    """Whether each sample of a page is stored as a plane of its own."""
    return bool(page.shaped[0] > 1)


def to_samples(pixels: Pixels, series: Any, size: tuple[int, int]) -> Pixels:
    """The pixels of one page as samples (S, Y, X)."""
    if is_planar(series.keyframe):
        return pixels.reshape(-1, *size)
    return np.moveaxis(pixels.reshape(*size, -1), -1, 0)


def count_pages(series: Any) -> int:
    """Number of pages of the file's chain that belong to a series, with levels of its pyramid that lie in the chain."""
    return len(series) + sum(len(level) for level in series.levels[1:] if not level.keyframe.is_subifd)


def check_pyramid(series: Any) -> None:
    """Reject a file that lacks a level of its pyramid."""
    if len(series.keyframe.subifds or ()) != sum(level.keyframe.is_subifd for level in series.levels):
        raise ValueError("a level of its pyramid is missing")


def check_complete(tif: Any, page: Any) -> None:
    """Reject a file that ends before the tags or pixels of a page, which not every decoder notices."""
    size = tif.filehandle.size
    tags = 0 if page.is_frame else page.offset + tif.tiff.tagnosize + len(page.tags) * tif.tiff.tagsize + tif.tiff.offsetsize
    # an omitted strip or tile, which is all zero, has offset 0 and 0 bytes
    segments = [(start, count) for start, count in zip(page.dataoffsets, page.databytecounts, strict=True) if start or count]
    if not all(start and count for start, count in segments):
        raise ValueError("a strip or tile is missing")
    end = max([tags, *(start + count for start, count in segments)])
    if end > size:
        raise ValueError(f"the file is cut off: it needs {end} bytes and has {size}")
    needed = math.prod(page.keyframe.chunked)
    if not page.keyframe.is_contiguous and len(page.dataoffsets) < needed:  # tifffile fills them
        raise ValueError(f"it has {len(page.dataoffsets)} strips or tiles of {needed}")
    if page.keyframe.compression == tifffile.COMPRESSION.PNG:  # whose decoder only prints its errors
        for start, count in segments:
            tif.filehandle.seek(start)
            check_png(tif.filehandle.read(count))


def check_same_tags(page: Any) -> None:
    """Reject a page whose tags differ from those of the first page, which it is decoded with."""
    own = page.aspage()
    if own.hash != page.keyframe.hash:
        raise ValueError(f"the page at byte {page.offset} is {own.shape} {own.dtype}, the first is {page.keyframe.shape}")


def pixel_size_of(tif: Any, page: Any) -> tuple[float, float] | None:
    """The size (Y, X) of a pixel in µm, of the OME-XML, ImageJ's unit or the resolution; None if unknown."""
    first = tif.pages.first
    pixels = parse_xml(first.description).find(".//{*}Pixels") if first.is_ome else None
    if pixels is not None:
        sizes = [to_number(pixels.get(f"PhysicalSize{axis}")) for axis in "YX"]
        size = pixel_size(sizes, [pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in "YX"])
        if size is not None:
            return size
    rationals = [page.tags.valueof(tag) for tag in (283, 282)]  # YResolution, XResolution: pixels per unit
    if not all(rational and all(rational) for rational in rationals):
        return None
    sizes = [denominator / numerator for numerator, denominator in rationals]
    imagej = tif.imagej_metadata or {}
    unit = str(imagej.get("unit", ""))
    size = pixel_size(sizes, [str(imagej.get("yunit", unit)), unit])
    is_metric = page.tags.valueof(296) == _CENTIMETER
    return pixel_size(sizes, ["cm", "cm"]) if size is None and is_metric else size
