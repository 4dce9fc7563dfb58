"""OME-Zarr 0.4 and 0.5: a folder that holds one image in full size and, mostly, smaller; chunks are read as needed."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.planes import UNITS_UM, pixel_size, reading
from livecell_monai.data.stacks.extra import import_extra
from livecell_monai.data.stacks.interval import to_minutes
from livecell_monai.data.stacks.naming import name_axes
from livecell_monai.data.stacks.stack import Stack
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

#: units of length that OME-Zarr has beside those of OME-XML
_UNITS_UM = {**UNITS_UM, "micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "angstrom": 1e-4}
_OTHERS = {  # what else an OME-Zarr folder may be, by the key of its attributes
    "plate": "a plate of wells; name the image of a field, such as A/1/0, by a folder ending in .zarr",
    "well": "a well; name the image of a field by a folder ending in .zarr",
    "bioformats2raw.layout": "a collection of images; move the one to use, such as 0, into a folder ending in .zarr",
}


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
        with reading(path, "OME-Zarr"):
            group = _open_group(zarr, path)
            attributes = dict(group.attrs)
            notes = attributes.get("ome", attributes)  # 0.5 has one key for all, 0.4 has all on top
            scales = _only_multiscales(path, notes, group)
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
        self.dtype = np.dtype(self._array.dtype).newbyteorder("=")
        if self.dtype.kind not in "uifb":
            raise DataError(f"{self.path}: pixels must be numbers, got {self.dtype}; save it anew")
        sizes = _scale(scales, len(shape))
        units = [str(axis.get("unit") or "") for axis in told]
        by_name = {name: (sizes[at], units[at]) for at, name in enumerate(self._named.names) if name}
        (y, y_unit), (x, x_unit) = by_name["Y"], by_name["X"]
        micrometers = [_UNITS_UM.get(unit.lower(), math.nan) for unit in (y_unit, x_unit)]
        self.pixel_size_um = pixel_size([y * micrometers[0], x * micrometers[1]], ["um", "um"])
        z, z_unit = by_name.get("Z", (math.nan, ""))
        step = z * _UNITS_UM.get(z_unit.lower(), math.nan)
        self.z_step_um = step if 0 < step < math.inf else None
        self.interval_min = to_minutes(*by_name["T"]) if "T" in by_name else None
        shown = notes.get("omero", {}).get("channels", [])
        labels = tuple(str(channel.get("label") or "") for channel in shown)
        self.channels = labels if all(labels) and len(labels) == self.length("C") else ()

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


def _only_multiscales(path: Path, notes: dict[str, Any], group: Any) -> dict[str, Any]:
    """The description of the one image of a folder."""
    found = notes.get("multiscales") or []
    other = next((words for key, words in _OTHERS.items() if key in notes), None)
    if not found:
        inside = ", ".join(sorted(group.keys())[:5]) or "nothing"
        raise DataError(f"{path}: an OME-Zarr folder must hold an image (multiscales), this is {other or f'none: {inside}'}")
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
