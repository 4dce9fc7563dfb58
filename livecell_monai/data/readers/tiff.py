"""TIFF: OME-TIFF, ImageJ hyperstacks and plain pages, one page or some of its strips and tiles read at a time."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecell_monai.data.checks.limits import UNITS_UM, check_decoded_size, check_expansion, reading_errors, to_number
from livecell_monai.data.checks.ome_xml import parse_xml
from livecell_monai.data.checks.tiff import (
    all_axes,
    check_colours,
    check_complete,
    check_pyramid,
    check_same_tags,
    count_pages,
    only_series,
    pixel_size_of,
    stored_to_grey,
)
from livecell_monai.data.checks.tiff_chain import check_page_chain
from livecell_monai.data.readers.axes import name_axes
from livecell_monai.data.readers.base import Stack
from livecell_monai.data.readers.interval import even_interval, to_minutes
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

_JPEG = {6, 7, 34892, 33007}  # compressions whose segments share tables that lie in a tag


class TiffStack(Stack):
    """A TIFF whose one series has planes (Y, X) as pages.

    Args:
        path: the file.
        axes: what the user calls its axes; None to believe the file.

    Raises:
        DataError: several images, colours, pages that the metadata leave out, or damage.
        SettingError: axes that are unknown, or do not fit.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        self.path = path
        self._whole: set[int] = set()  # planes that the file was found to hold to the end
        self._tif: Any = None
        try:
            with reading_errors(path, "TIFF"):  # which may refuse the file when all has been read
                check_page_chain(path)
                # one file holds one image, wherever its OME-XML says that its sister planes are
                self._tif = tifffile.TiffFile(path, _multifile=False)
                self._open(axes)
        except BaseException:
            self.close()
            raise

    def _open(self, axes: str | None) -> None:
        series = self._series = only_series(self.path, self._tif)
        check_colours(self.path, series)
        check_pyramid(series)
        check_complete(self._tif, series.keyframe)
        found, self._lengths = all_axes(self._tif, series)
        self._named = name_axes(self.path, found, self._lengths, axes)
        self.axes, self.shape = self._named.axes, self._named.shape
        self.dtype = np.dtype(np.uint8) if series.dtype.kind == "b" else series.dtype.newbyteorder("=")
        self._require_pages()
        is_raw = self._is_one_run or series.keyframe.is_final  # rows as they are, of which any can be read
        self.tile = (1, self.shape[-1]) if is_raw else tuple(series.keyframe.chunks[:2])
        check_decoded_size(self.path, "a strip or tile", self.tile)
        check_expansion(self.path, math.prod(self.shape[-2:]) * series.dtype.itemsize)
        self.pixel_size_um = pixel_size_of(self._tif, series.keyframe)
        if self._tif.is_ome:
            self._read_ome()
        elif self._tif.is_imagej:
            self._read_imagej()

    def _require_pages(self) -> None:
        """Refuse what is not one page (Y, X) for each plane, nor one run of bytes."""
        series, planes = self._series, math.prod(self.shape[:-2])
        pages = len(self._tif.pages)
        if series.keyframe.shaped != (1, 1, *self.shape[-2:], 1):
            raise DataError(
                f"{self.path}: each page of a TIFF must be one plane, got pages of {series.keyframe.shaped}; save it anew"
            )
        self._is_one_run = len(series) != planes and series.dataoffset is not None
        if self._is_one_run:  # ImageJ writes files beyond 4 GB so, of which only the first plane has a page
            end = series.dataoffset + planes * math.prod(self.shape[-2:]) * series.dtype.itemsize
            if end > self._tif.filehandle.size:
                raise ValueError(f"the file is cut off: it needs {end} bytes and has {self._tif.filehandle.size}")
        elif len(series) != planes:
            raise ValueError(f"its metadata tell of {planes} planes, it has {len(series)}")
        if pages > count_pages(series):  # fewer are those of a recording that was stopped: its other frames can be read
            raise DataError(
                f"{self.path}: the metadata must tell of every page, got {len(series)} planes in {pages} pages; save it anew"
            )

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane or a part of it; only strips and tiles that the part touches are read."""
        part = self.locate(time, channel, z, region)
        with reading_errors(self.name_plane(time, channel, z), "TIFF"):
            index = self._named.index(time, channel, z)
            lengths = [
                length for length, name in zip(self._lengths, self._named.names, strict=True) if name not in ("Y", "X")
            ]
            place = int(np.ravel_multi_index(index, lengths)) if index else 0
            if self._is_one_run:
                plane_bytes = math.prod(self.shape[-2:]) * self._series.dtype.itemsize
                pixels = self._read_rows(self._series.dataoffset + place * plane_bytes, part)
            else:
                page = self._series[place]
                if page is None:
                    raise ValueError("the page is missing")
                if place not in self._whole:  # once: a large plane has many thousand tiles to ask
                    check_complete(self._tif, page)
                    if page.is_frame:
                        check_same_tags(page)
                    self._whole.add(place)
                pixels = self._read_rows(page.dataoffsets[0], part) if page.is_final else self._decode(page, part, region)
            pixels = stored_to_grey(pixels, self._tif, self._series.keyframe)
            return np.require(pixels, pixels.dtype.newbyteorder("="), ["C", "W"])

    def _read_rows(self, offset: int, part: Region) -> Pixels:
        """Pixels that lie in the file as they are, row behind row."""
        columns, dtype = self.shape[-1], self._series.dtype.newbyteorder(self._tif.byteorder)
        count = (part.bottom - part.top) * columns * dtype.itemsize
        handle = self._tif.filehandle
        handle.seek(offset + part.top * columns * dtype.itemsize)
        data = handle.read(count)
        if len(data) != count:
            raise ValueError(f"the file is cut off: {count - len(data)} bytes are missing")
        return np.frombuffer(data, dtype).reshape(part.bottom - part.top, columns)[:, part.left : part.right]

    def _decode(self, page: Any, part: Region, region: Region | None) -> Pixels:
        """Pixels of strips or tiles that must be decoded."""
        if region is None:
            whole: Pixels = page.asarray(maxworkers=1).reshape(self.shape[-2:])
            return whole
        keyframe = page.keyframe
        tables = {"jpegtables": page.jpegtables, "jpegheader": keyframe.jpegheader} if keyframe.compression in _JPEG else {}
        # a segment that was left out on purpose is what tifffile fills it with
        pixels = np.full((part.bottom - part.top, part.right - part.left), keyframe.nodata, self._series.dtype)
        (height, width), across = keyframe.chunks[:2], keyframe.chunked[1]
        for row in range(part.top // height, -(-part.bottom // height)):
            for column in range(part.left // width, -(-part.right // width)):
                self._place_segment(page, row * across + column, tables, part, pixels)
        return pixels

    def _place_segment(self, page: Any, number: int, tables: dict[str, Any], part: Region, pixels: Pixels) -> None:
        """Decode one strip or tile, and put what it has of the part into the pixels."""
        offset, count = page.dataoffsets[number], page.databytecounts[number]
        if not count:
            return
        decode = page.keyframe.decode  # which is made at its first use, and reads here and there in the file then
        self._tif.filehandle.seek(offset)
        decoded, place, size = decode(self._tif.filehandle.read(count), number, **tables)
        if decoded is None:
            return
        top, left, (rows, columns) = place[2], place[3], size[1:3]
        segment = decoded.reshape(decoded.shape[-3:-1])[:rows, :columns]
        first, last = max(part.top, top), min(part.bottom, top + rows)
        start, end = max(part.left, left), min(part.right, left + columns)
        pixels[first - part.top : last - part.top, start - part.left : end - part.left] = segment[
            first - top : last - top, start - left : end - left
        ]

    def _read_ome(self) -> None:
        """Distance of planes, names of channels and times of frames of the OME-XML."""
        found = parse_xml(self._tif.ome_metadata).find(".//{*}Pixels")
        if found is None:
            return
        step = to_number(found.get("PhysicalSizeZ")) * UNITS_UM.get(found.get("PhysicalSizeZUnit", "µm").lower(), math.nan)
        self.z_step_um = step if self.length("Z") > 1 and 0 < step < math.inf else None
        names = tuple(channel.get("Name") or "" for channel in found.findall("{*}Channel"))
        self.channels = names if all(names) and len(names) == self.length("C") else ()
        if self.length("T") == 1:
            return
        self.interval_min = to_minutes(to_number(found.get("TimeIncrement")), found.get("TimeIncrementUnit", "s"))
        if self.interval_min is None:
            times: dict[int, float] = {}
            for plane in found.findall("{*}Plane"):  # the first plane of each frame stands for it
                minutes = to_number(plane.get("DeltaT")) * (to_minutes(1, plane.get("DeltaTUnit", "s")) or math.nan)
                times.setdefault(int(to_number(plane.get("TheT", "0"))), minutes)
            self.interval_min = even_interval([times.get(frame, math.nan) for frame in range(self.length("T"))])

    def _read_imagej(self) -> None:
        """Distance of planes and time of a frame of ImageJ's own notes."""
        notes = self._tif.imagej_metadata or {}
        unit = str(notes.get("zunit", notes.get("unit", ""))).strip().lower()
        step = to_number(notes.get("spacing")) * UNITS_UM.get(unit, math.nan)
        self.z_step_um = step if self.length("Z") > 1 and 0 < step < math.inf else None
        interval = to_minutes(to_number(notes.get("finterval")), str(notes.get("tunit", "s")))
        self.interval_min = interval if self.length("T") > 1 else None

    def close(self) -> None:
        """Let go of the file."""
        if self._tif is not None:
            self._tif.close()
