"""TIFF: OME-TIFF, ImageJ hyperstacks and plain pages, one page or some of its strips and tiles read at a time."""

import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecell_monai.data.checks.limits import check_decoded_size, check_expansion, parse_xml, reading_errors
from livecell_monai.data.checks.tiff import (
    all_axes,
    check_complete,
    check_pyramid,
    check_same_tags,
    count_pages,
    is_planar,
    only_series,
    open_tiff,
    pixel_size_of,
    split_samples,
    to_samples,
)
from livecell_monai.data.checks.tiff_values import palette_of, stored_to_grey
from livecell_monai.data.readers.base import Stack
from livecell_monai.data.units import even_interval, to_minutes, to_number, to_um
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

_JPEG = {6, 7, 34892, 33007}  # compressions whose segments share tables that are in a tag


class TiffStack(Stack):
    """A TIFF whose one series has planes (Y, X) as pages; `axes` overrides the file's own.

    Raises:
        DataError: several images, colours, pages that the metadata omit, or damage.
        SettingError: axes that are unknown or do not match.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        self.path = path
        self._complete: set[int] = set()  # planes that are known to be complete in the file
        with self.opening("TIFF"):
            self._file = open_tiff(path)
            self._open(axes)

    def _open(self, axes: str | None) -> None:
        series = self._series = only_series(self.path, self._file)
        check_pyramid(series)
        check_complete(self._file, series.keyframe)
        self._samples, found, lengths = split_samples(self.path, series, *all_axes(self._file, series))
        self.set_axes(found, lengths, axes)
        self._lengths = [length for length, name in zip(lengths, self._names, strict=True) if name not in ("Y", "X")]
        self.dtype = np.dtype(np.uint8) if series.dtype.kind == "b" else series.dtype.newbyteorder("=")
        if series.keyframe.photometric == tifffile.PHOTOMETRIC.PALETTE and not self._file.is_imagej:
            self.dtype = palette_of(series.keyframe).dtype
        self._is_planar = is_planar(series.keyframe)
        self._plane_bytes = math.prod(self.shape[-2:]) * self._samples * series.dtype.itemsize
        self._check_pages()
        is_raw = self._is_one_run or series.keyframe.is_final  # uncompressed rows, of which any can be read
        self.tile = (1, self.shape[-1]) if is_raw else tuple(series.keyframe.chunks[:2])
        check_decoded_size(self.path, "a strip or tile", self.tile if self._samples == 1 else (*self.tile, self._samples))
        check_expansion(self.path, self._plane_bytes)
        self.pixel_size_um = pixel_size_of(self._file, series.keyframe)
        if self._file.is_ome:
            self._read_ome()
        elif self._file.is_imagej:
            self._read_imagej()

    def _check_pages(self) -> None:
        """Reject a file that is neither one page (Y, X) for each plane nor one run of bytes."""
        series, planes = self._series, math.prod(self.shape[:-2])
        depth, width = (self._samples, 1) if self._is_planar else (1, self._samples)
        if series.keyframe.shaped != (depth, 1, *self.shape[-2:], width):
            got = f"pages of {series.keyframe.shaped}"
            raise DataError(f"{self.path}: each page of a TIFF must be one plane, got {got}; save it again")
        self._is_one_run = len(series) != planes and series.dataoffset is not None
        if self._is_one_run:  # ImageJ writes files beyond 4 GB so, of which only the first plane has a page
            end = series.dataoffset + planes * self._plane_bytes
            if end > self._file.filehandle.size:
                raise ValueError(f"the file is cut off: it needs {end} bytes and has {self._file.filehandle.size}")
        elif len(series) != planes:
            raise ValueError(f"its metadata list {planes} planes, it has {len(series)}")
        pages = len(self._file.pages)
        if pages > count_pages(series):  # fewer pages: a recording was stopped, its other frames can be read
            got = f"{len(series)} planes in {pages} pages"
            raise DataError(f"{self.path}: the metadata must list every page, got {got}; save it again")

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane or a region of it; only strips and tiles that the region touches are read."""
        part = self.locate(time, channel, z, region)
        with reading_errors(self.name_plane(time, channel, z), "TIFF"):
            place = int(np.ravel_multi_index(self.index(time, channel, z), self._lengths)) if self._lengths else 0
            if self._is_one_run:
                pixels = self._read_rows(self._series.dataoffset + place * self._plane_bytes, part)
            else:
                page = self._series[place]
                if page is None:
                    raise ValueError("the page is missing")
                if place not in self._complete:  # once: a large plane has many thousand tiles to check
                    check_complete(self._file, page)
                    if page.is_frame:
                        check_same_tags(page)
                    self._complete.add(place)
                pixels = self._read_rows(page.dataoffsets[0], part) if page.is_final else self._decode(page, part, region)
            page, name, origin = self._series.keyframe, self.name_plane(time, channel, z), (part.top, part.left)
            grey = stored_to_grey(name, pixels, self._file, page, self.is_label, origin)
            # a label may keep the indices of its palette, which have a type of their own
            return np.require(grey, grey.dtype.newbyteorder("=") if self.is_label else self.dtype, ["C", "W"])

    def _read_rows(self, offset: int, part: Region) -> Pixels:
        """Uncompressed samples (S, Y, X) of a page, row after row."""
        if not self._is_planar:
            return self._read_run(offset, part, self._samples)
        steps = range(0, self._plane_bytes, self._plane_bytes // self._samples)
        return np.concatenate([self._read_run(offset + step, part, 1) for step in steps])

    def _read_run(self, offset: int, part: Region, samples: int) -> Pixels:
        columns, dtype = self.shape[-1] * samples, self._series.dtype.newbyteorder(self._file.byteorder)
        count = (part.bottom - part.top) * columns * dtype.itemsize
        handle = self._file.filehandle
        handle.seek(offset + part.top * columns * dtype.itemsize)
        data = handle.read(count)
        if len(data) != count:
            raise ValueError(f"the file is cut off: {count - len(data)} bytes are missing")
        rows = np.frombuffer(data, dtype).reshape(part.bottom - part.top, self.shape[-1], samples)
        return np.moveaxis(rows[:, part.left : part.right], -1, 0)

    def _decode(self, page: Any, part: Region, region: Region | None) -> Pixels:
        """Samples (S, Y, X) of strips or tiles that must be decoded."""
        if region is None:
            return to_samples(page.asarray(maxworkers=1), self._series, (part.bottom, part.right))
        keyframe = page.keyframe
        tables = {"jpegtables": page.jpegtables, "jpegheader": keyframe.jpegheader} if keyframe.compression in _JPEG else {}
        # tifffile fills an omitted segment with this value
        shape = (self._samples, part.bottom - part.top, part.right - part.left)
        pixels = np.full(shape, keyframe.nodata, self._series.dtype)
        height, width = keyframe.chunks[:2]
        down, across = -(-self.shape[-2] // height), -(-self.shape[-1] // width)
        planes = self._samples if self._is_planar else 1
        for sample, (row, column) in product(range(planes), part.tiles(height, width)):
            number = (sample * down + row) * across + column
            if not page.databytecounts[number]:
                continue
            decode = keyframe.decode  # created at its first use, which moves the file position
            self._file.filehandle.seek(page.dataoffsets[number])
            data = self._file.filehandle.read(page.databytecounts[number])
            decoded, (_, _, top, left, _), (_, rows, columns, _) = decode(data, number, **tables)
            if decoded is not None:
                segment = Region(top, left, top + rows, left + columns)
                shared = part.overlap(segment)
                source = shared.relative_to(segment).crop(np.moveaxis(decoded.reshape(decoded.shape[-3:]), -1, 0))
                shared.relative_to(part).crop(pixels[sample : sample + len(source)])[...] = source
        return pixels

    def _read_ome(self) -> None:
        """Distance of planes, names of channels and times of frames of the OME-XML."""
        found = parse_xml(self._file.ome_metadata).find(".//{*}Pixels")
        if found is None:
            return
        step = to_um(to_number(found.get("PhysicalSizeZ")), found.get("PhysicalSizeZUnit", "µm"))
        interval = to_minutes(to_number(found.get("TimeIncrement")), found.get("TimeIncrementUnit", "s"))
        if interval is None and self.length("T") > 1:
            times: dict[int, float] = {}  # of the first plane of each frame
            for plane in found.findall("{*}Plane"):
                minutes = to_number(plane.get("DeltaT")) * (to_minutes(1, plane.get("DeltaTUnit", "s")) or math.nan)
                times.setdefault(int(to_number(plane.get("TheT", "0"))), minutes)
            interval = even_interval([times.get(frame, math.nan) for frame in range(self.length("T"))])
        self.set_metadata(step, interval, [channel.get("Name") or "" for channel in found.findall("{*}Channel")])

    def _read_imagej(self) -> None:
        """Distance of planes and time between frames of ImageJ's own metadata."""
        metadata = self._file.imagej_metadata or {}
        unit = str(metadata.get("zunit", metadata.get("unit", "")))
        interval = to_minutes(to_number(metadata.get("finterval")), str(metadata.get("tunit", "s")))
        self.set_metadata(to_um(to_number(metadata.get("spacing")), unit), interval, ())
