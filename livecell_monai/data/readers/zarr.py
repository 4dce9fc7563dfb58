"""OME-Zarr 0.4 and 0.5: a folder with one image in full size and usually smaller levels; chunks are read as needed."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.checks.limits import check_decoded_size, check_expansion, reading_errors
from livecell_monai.data.readers.base import Stack, import_extra
from livecell_monai.data.units import pixel_size, to_minutes, to_number, to_um
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

SMALL_CHUNK_COUNT = 4096  #: of a plane; so many may all be missing: a chunk that was never written is the fill value
MAX_CHUNKS_PER_FILE = 16  #: above that, chunks per file that exists
_LAYOUT = "bioformats2raw.layout"  # marks a folder of images named 0, 1, 2, as Bio-Formats writes it


class ZarrStack(Stack):
    """The largest level of the one multiscale image of an OME-Zarr folder; `axes` overrides the file's own.

    Raises:
        DataError: no image, several, or damage.
        SettingError: axes that are unknown or do not match, or the extra `zarr` is missing.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        self.path = path
        zarr = import_extra(path, "zarr", "zarr")
        with reading_errors(path, "OME-Zarr"):
            group = _open_group(zarr, path)
            metadata = _read_metadata(group)
            images = sorted(name for name in group.group_keys() if name.isdigit()) if _LAYOUT in metadata else []
            if len(images) == 1:
                group = group[images[0]]
                metadata = _read_metadata(group)
            scales = _only_multiscales(path, metadata, group, images)
            self._array = group[scales["datasets"][0]["path"]]
            if not hasattr(self._array, "shape"):
                raise ValueError(f"{scales['datasets'][0]['path']} is no array")
            self._open(scales, axes)
            self._describe(metadata, scales)

    def _open(self, scales: dict[str, Any], axes: str | None) -> None:
        shape = self._array.shape
        # before 0.3 the file had no axes, in 0.3 only their names
        self._stated = [
            axis if isinstance(axis, dict) else {"name": axis} for axis in scales.get("axes", ["?"] * len(shape))
        ]
        if len(self._stated) != len(shape):
            raise ValueError(f"its metadata name {len(self._stated)} axes, its array has {len(shape)}")
        names = [str(axis.get("name", "?")) for axis in self._stated]
        self.set_axes([name.upper() if name.upper() in tuple("TCZYX") else name for name in names], shape, axes)
        height, width = (self._array.chunks[self._names.index(name)] for name in "YX")
        self.tile = (height, width)
        check_decoded_size(self.path, "a chunk", self._array.chunks)
        self._check_chunk_count()
        stored = np.dtype(self._array.dtype)
        self.dtype = np.dtype(np.uint8) if stored.kind == "b" else stored.newbyteorder("=")
        if self.dtype.kind not in "uif":
            raise DataError(f"{self.path}: pixels must be numbers, got {self.dtype}; save it again")

    def _check_chunk_count(self) -> None:
        """Reject a plane of far more chunks than there are files: the reader looks for each missing one."""
        check_expansion(self.path, math.prod(self.shape[-2:]) * self._array.dtype.itemsize)
        steps = getattr(self._array, "shards", None) or self._array.chunks
        lengths = zip(self._names, self._array.shape, steps, strict=True)
        chunks = math.prod(-(-length // step) for name, length, step in lengths if name in ("Y", "X"))
        least = chunks // MAX_CHUNKS_PER_FILE if chunks > SMALL_CHUNK_COUNT else 0
        found = sum(1 for _ in itertools.islice((file for file in self.path.rglob("*") if file.is_file()), least))
        if found < least:
            raise DataError(f"{self.path}: chunks must exist, got {found} files for {chunks} of them; copy the folder again")

    def _describe(self, metadata: dict[str, Any], scales: dict[str, Any]) -> None:
        units = [str(axis.get("unit") or "") for axis in self._stated]
        sizes = dict(zip(self._names, zip(_scale(scales, len(units)), units, strict=True), strict=True))
        (y, y_unit), (x, x_unit) = sizes["Y"], sizes["X"]
        self.pixel_size_um = pixel_size([y, x], [y_unit, x_unit])
        shown = (metadata.get("omero") or {}).get("channels") or []
        labels = [str(channel.get("label") or "") for channel in shown]
        unknown = (math.nan, "")
        self.set_metadata(to_um(*sizes.get("Z", unknown)), to_minutes(*sizes.get("T", unknown)), labels)

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane or a region of it; a chunk that was never written is the fill value."""
        part = self.locate(time, channel, z, region)
        indices = iter(self.index(time, channel, z))
        spans = {"Y": slice(part.top, part.bottom), "X": slice(part.left, part.right)}
        place = tuple(spans[name] if name in spans else next(indices) for name in self._names)
        try:
            pixels = np.asarray(self._array[place])
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(
                f"{self.name_plane(time, channel, z)}: chunk {self._find_broken(place)} cannot be decoded ({reason});"
                " copy the folder again"
            ) from error
        return np.require(pixels, self.dtype, ["C", "W"])

    def _find_broken(self, place: tuple[int | slice, ...]) -> str:
        """The name of the first chunk of a region that cannot be read."""
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


def _open_group(zarr: Any, path: Path) -> Any:
    try:
        return zarr.open_group(str(path), mode="r")
    except FileNotFoundError:
        got = "an array" if any((path / name).exists() for name in (".zarray", "zarr.json")) else "no Zarr metadata"
        raise DataError(f"{path}: an OME-Zarr folder must hold an image (multiscales), got {got}; name the image") from None


def _read_metadata(group: Any) -> dict[str, Any]:
    """The OME metadata: in 0.5 under a key of its own, in 0.4 at the top."""
    attributes = dict(group.attrs)
    metadata: dict[str, Any] = attributes.get("ome", attributes)
    return metadata


def _only_multiscales(path: Path, metadata: dict[str, Any], group: Any, images: list[str]) -> dict[str, Any]:
    """The description of the one image of a folder."""
    found = metadata.get("multiscales") or []
    if not found:
        wells = [well.get("path", "?") for well in (metadata.get("plate") or {}).get("wells") or []]
        inside = ", ".join((wells or images or sorted(group.keys()))[:5]) or "nothing"
        kinds = {"plate": "a plate of wells", "well": "a well", _LAYOUT: "a collection of images"}
        kind = next((name for key, name in kinds.items() if key in metadata), "none")
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
    """The size of one step along each axis of the largest level: its own scale times that of all levels."""
    sizes = [1.0] * count
    for steps in (scales["datasets"][0].get("coordinateTransformations"), scales.get("coordinateTransformations")):
        for step in steps or []:
            if step.get("type") == "scale" and isinstance(step.get("scale"), list):
                sizes = [size * to_number(by) for size, by in zip(sizes, step["scale"], strict=True)]
    return sizes
