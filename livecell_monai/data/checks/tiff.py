"""Checks of a TIFF: pages, axes and pixel sizes as the file states them, never guessed.

tifffile guesses: it takes two pages of matching sizes for a pyramid, returns the first of many pages, and fills missing data
with zeros. These functions raise an error instead.
"""

import math
import struct
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
from livecell_monai.data.units import pixel_size, to_number
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Plane

_GREY = {"MINISWHITE", "MINISBLACK", "MASK"}  # photometric interpretations of one value per pixel
_CENTIMETER = 3  # of the tag ResolutionUnit; inches (2) are a print size
# by magic number: struct codes of an offset and of the number of entries, bytes of an entry
_HEADS = {b"II*\0": ("<I", "<H", 12), b"MM\0*": (">I", ">H", 12), b"II+\0": ("<Q", "<Q", 20), b"MM\0+": (">Q", ">Q", 20)}


def read_tiff(path: Path) -> Plane:
    """Read the one plane (Y, X) of a TIFF file, of a pyramid its full size.

    Raises:
        DataError: several images, a stack or colours.
        Exception: any other error of a damaged file.
    """
    check_page_chain(path)
    # one file holds one image: other files that its OME-XML names are not read
    with tifffile.TiffFile(path, _multifile=False) as tif:
        series = only_series(path, tif)
        check_colours(path, series)
        size = check_single_plane(path, series.axes, series.shape)
        if len(tif.pages) != count_pages(series):  # metadata such as OME-XML lists fewer planes
            check_single_plane(path, "IYX", (len(tif.pages), *size))
        check_pyramid(series)
        check_decoded_size(path, "an image that is read whole", size)
        check_decoded_size(path, "a strip or tile", series.keyframe.chunks)
        for level in series.levels:
            check_complete(tif, level.keyframe)
        pixels = series.asarray(level=0, maxworkers=1).reshape(size)  # in this thread, whose log is captured
        return Plane(stored_to_grey(pixels, tif, series.keyframe), pixel_size_of(tif, series.keyframe))


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


def check_colours(path: Path, series: Any) -> None:
    """Reject a series with more than one grey value per pixel."""
    photometric = series.keyframe.tags.valueof(262, default=tifffile.PHOTOMETRIC.MINISBLACK)
    name = str(getattr(photometric, "name", photometric))
    samples = dict(zip(series.axes, series.shape, strict=True)).get("S")
    if samples in (3, 4) or name not in _GREY:
        raise_colour_error(path, f"{'RGB' if name == 'RGB' else 'not grey'} (photometric {name})")


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


def stored_to_grey(pixels: Pixels, tif: Any, page: Any) -> Pixels:
    """Values (Y, X) that increase with brightness; of bilevel images 0 and 1 as uint8, as stored."""
    if tif.is_imagej:  # its MINISWHITE is an inverting look-up table, which changes only the display
        return pixels
    if pixels.dtype == bool:  # tifffile itself writes True as "black": no inversion
        return pixels.astype(np.uint8)
    if page.tags.valueof(262) == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
        inverted: Pixels = pixels.dtype.type(2**page.bitspersample - 1) - pixels
        return inverted
    return pixels


def pixel_size_of(tif: Any, page: Any) -> tuple[float, float] | None:
    """The size (Y, X) of a pixel in µm, of the OME-XML, ImageJ's unit or the resolution; None if unknown."""
    pixels = parse_xml(tif.ome_metadata).find(".//{*}Pixels") if tif.is_ome else None
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
