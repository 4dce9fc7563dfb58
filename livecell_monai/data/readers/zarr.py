"""OME-Zarr 0.4 and 0.5: a folder that holds one image in full size and, mostly, smaller; chunks are read as needed."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.checks.limits import UNITS_UM, check_decoded_size, check_expansion, pixel_size, reading_errors
from livecell_monai.data.readers.axes import name_axes
from livecell_monai.data.readers.base import Stack
from livecell_monai.data.readers.extra import import_extra
from livecell_monai.data.readers.interval import to_minutes
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

#: units of length that OME-Zarr has beside those of OME-XML
_UNITS_UM = {**UNITS_UM, "micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "angstrom": 1e-4}
SMALL_CHUNK_COUNT = 4096  #: of a plane, of which all may be missing: one that was never written is all fill
MAX_CHUNKS_PER_FILE = 16  #: chunks to each that is there, above that
_LAYOUT = "bioformats2raw.layout"  # marks a folder of images that are called 0, 1, 2, as Bio-Formats writes it


class ZarrStack(Stack):
    """The largest level of the one multiscale image of an OME-Zarr folder.

    Args:
        path: the folder.
        axes: what the user calls its axes; None to believe the file.

    Raises:
        DataError: no image, several, or damage.
        SettingError: axes that are unknown or do not fit, or the extra `zarr` is missing.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        self.path = path
        zarr = import_extra(path, "zarr", "zarr")
        with reading_errors(path, "OME-Zarr"):
            group = _open_group(zarr, path)
            notes = _read_notes(group)
            images = sorted(name for name in group.group_keys() if name.isdigit()) if _LAYOUT in notes else []
            if len(images) == 1:
                group = group[images[0]]
                notes = _read_notes(group)
            scales = _only_multiscales(path, notes, group, images)
            self._array = group[scales["datasets"][0]["path"]]
            if not hasattr(self._array, "shape"):
                raise ValueError(f"{scales['datasets'][0]['path']} is no array")
            self._describe(notes, scales, axes)

    def _describe(self, notes: dict[str, Any], scales: dict[str, Any], axes: str | None) -> None:
        shape = self._array.shape
        # up to 0.2 there were no axes in the file, in 0.3 their names alone
        told = [axis if isinstance(axis, dict) else {"name": axis} for axis in scales.get("axes", ["?"] * len(shape))]
        if len(told) != len(shape):
            raise ValueError(f"its metadata name {len(told)} axes, its array has {len(shape)}")
        names = [str(axis.get("name", "?")) for axis in told]
        found = [name.upper() if name.upper() in tuple("TCZYX") else name for name in names]
        self._named = name_axes(self.path, found, shape, axes)
        self.axes, self.shape = self._named.axes, self._named.shape
        height, width = (self._array.chunks[self._named.names.index(name)] for name in "YX")
        self.tile = (height, width)
        check_decoded_size(self.path, "a chunk", self._array.chunks)
        self._require_chunks()
        stored = np.dtype(self._array.dtype)
        self.dtype = np.dtype(np.uint8) if stored.kind == "b" else stored.newbyteorder("=")
        if self.dtype.kind not in "uif":
            raise DataError(f"{self.path}: pixels must be numbers, got {self.dtype}; save it anew")
        sizes = _scale(scales, len(shape))
        units = [str(axis.get("unit") or "") for axis in told]
        by_name = {name: (sizes[at], units[at]) for at, name in enumerate(self._named.names) if name}
        (y, y_unit), (x, x_unit) = by_name["Y"], by_name["X"]
        micrometers = [_UNITS_UM.get(unit.lower(), math.nan) for unit in (y_unit, x_unit)]
        self.pixel_size_um = pixel_size([y * micrometers[0], x * micrometers[1]], ["um", "um"])
        z, z_unit = by_name.get("Z", (math.nan, ""))
        step = z * _UNITS_UM.get(z_unit.lower(), math.nan)
        self.z_step_um = step if self.length("Z") > 1 and 0 < step < math.inf else None
        self.interval_min = to_minutes(*by_name["T"]) if self.length("T") > 1 else None
        shown = (notes.get("omero") or {}).get("channels") or []
        labels = tuple(str(channel.get("label") or "") for channel in shown)
        self.channels = labels if all(labels) and len(labels) == self.length("C") else ()

    def _require_chunks(self) -> None:
        """Refuse a plane whose metadata tell of far more chunks than there are files: each missing one is looked for."""
        check_expansion(self.path, math.prod(self.shape[-2:]) * self._array.dtype.itemsize)
        steps = getattr(self._array, "shards", None) or self._array.chunks
        lengths = zip(self._named.names, self._array.shape, steps, strict=True)
        chunks = math.prod(-(-length // step) for name, length, step in lengths if name in ("Y", "X"))
        least = chunks // MAX_CHUNKS_PER_FILE if chunks > SMALL_CHUNK_COUNT else 0
        there = sum(1 for _ in itertools.islice((file for file in self.path.rglob("*") if file.is_file()), least))
        if there < least:
            raise DataError(
                f"{self.path}: chunks must be there, got {there} files for {chunks} of them; copy the folder again"
            )

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane or a part of it; only chunks that the part touches are read. One that was never written is all fill."""
        part = self.locate(time, channel, z, region)
        indices = iter(self._named.index(time, channel, z))
        spans = {"Y": slice(part.top, part.bottom), "X": slice(part.left, part.right)}
        place = tuple(spans[name] if name in spans else next(indices) for name in self._named.names)
        try:
            pixels = np.asarray(self._array[place])
        except Exception as error:
            words = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(
                f"{self.name_plane(time, channel, z)}: chunk {self._find_broken(place)} cannot be decoded ({words});"
                " copy the folder again"
            ) from error
        if pixels.dtype == bool:
            pixels = pixels.astype(np.uint8)
        return np.require(pixels, pixels.dtype.newbyteorder("="), ["C", "W"])

    def _find_broken(self, place: tuple[int | slice, ...]) -> str:
        """The name of the first chunk of a part that cannot be read."""
        steps = self._array.chunks
        spans = [
            range(at.start // step, -(-at.stop // step)) if isinstance(at, slice) else range(at // step, at // step + 1)
            for at, step in zip(place, steps, strict=True)
        ]
        for chunk in itertools.product(*spans):
            corner = tuple(number * step for number, step in zip(chunk, steps, strict=True))
            try:
                self._array[corner]
            except Exception:  # whatever a codec raises
                return f"{self._array.path}/{self._array.metadata.encode_chunk_key(chunk)}"
        return "?"

    def close(self) -> None:
        """Nothing is held open: each chunk is a file of its own."""


def _open_group(zarr: Any, path: Path) -> Any:
    try:
        return zarr.open_group(str(path), mode="r")
    except FileNotFoundError:
        files = "an array" if any((path / name).exists() for name in (".zarray", "zarr.json")) else "no Zarr metadata"
        raise DataError(
            f"{path}: an OME-Zarr folder must hold an image (multiscales), got {files}; name the image"
        ) from None


def _read_notes(group: Any) -> dict[str, Any]:
    """What OME-Zarr notes: in 0.5 under a key of its own, in 0.4 on top."""
    attributes = dict(group.attrs)
    notes: dict[str, Any] = attributes.get("ome", attributes)
    return notes


def _only_multiscales(path: Path, notes: dict[str, Any], group: Any, images: list[str]) -> dict[str, Any]:
    """The description of the one image of a folder."""
    found = notes.get("multiscales") or []
    if not found:
        wells = [well.get("path", "?") for well in (notes.get("plate") or {}).get("wells") or []]
        inside = ", ".join((wells or images or sorted(group.keys()))[:5]) or "nothing"
        kinds = {"plate": "a plate of wells", "well": "a well", _LAYOUT: "a collection of images"}
        kind = next((words for key, words in kinds.items() if key in notes), "none")
        example = path / (images[0] if images else f"{wells[0]}/0" if wells else "0")
        raise DataError(
            f"{path}: an OME-Zarr folder must hold an image (multiscales), this is {kind}: {inside}; give the folder of"
            f" the image to use, such as {example}"
        )
    if len(found) != 1:
        raise DataError(f"{path}: an OME-Zarr folder must hold one image, got {len(found)}; save the one to use alone")
    described: dict[str, Any] = found[0]
    return described


def _scale(scales: dict[str, Any], count: int) -> list[float]:
    """The size of one step along each axis of the largest level: the product of its own scale and that of all levels."""
    sizes = [1.0] * count
    for steps in (scales["datasets"][0].get("coordinateTransformations"), scales.get("coordinateTransformations")):
        for step in steps or []:
            if step.get("type") == "scale" and isinstance(step.get("scale"), list):
                sizes = [size * float(by) for size, by in zip(sizes, step["scale"], strict=True)]
    return sizes
