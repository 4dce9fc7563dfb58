"""Zeiss CZI by Zeiss's library `pylibCZIrw`; of a large image only the tiles of a region are read."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from livecell_monai.data.checks.limits import parse_xml, raise_colour_error, reading_errors
from livecell_monai.data.readers.base import Stack, import_extra
from livecell_monai.data.units import pixel_size, to_minutes, to_number, to_um
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

_TYPES = {"Gray8": "uint8", "Gray16": "uint16", "Gray32Float": "float32"}


class CziStack(Stack):
    """A CZI file of one scene, in full size; `axes` overrides the file's own.

    Raises:
        DataError: several scenes, colours, channels of several types, or damage.
        SettingError: axes that are unknown or do not match, or the extra `czi` is missing.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        self.path = path
        czi = import_extra(path, "pylibCZIrw.czi", "czi")
        with self.opening("CZI"):
            self._file = czi.CziReader(str(path))
            self._open(axes)

    def _open(self, axes: str | None) -> None:
        file = self._file
        scenes = file.scenes_bounding_rectangle
        if len(scenes) > 1:
            raise DataError(f"{self.path}: a CZI must hold one scene, got {len(scenes)}; export the one to use")
        kinds = set(file.pixel_types.values())
        if len(kinds) != 1 or not kinds <= set(_TYPES):
            if any(kind.startswith("Bgr") for kind in kinds):
                raise_colour_error(self.path, f"RGB ({', '.join(sorted(kinds))})")
            raise DataError(f"{self.path}: channels must be of one type, got {', '.join(sorted(kinds))}; export one of them")
        self._kind = kinds.pop()
        self.dtype = np.dtype(_TYPES[self._kind])
        box = file.total_bounding_box_no_pyramid
        self._starts = {name: int(start) for name, (start, _) in box.items()}
        letters = [*(name for name in box if name not in ("Y", "X")), "Y", "X"]
        self._found = letters[:-2]
        self.set_axes(letters, [int(box[name][1] - box[name][0]) for name in letters], axes)
        self._read_metadata(parse_xml(file.raw_metadata))

    def _read_metadata(self, root: ElementTree.Element) -> None:
        """Sizes are in metres, times in seconds."""
        distances = root.iterfind(".//Scaling/Items/Distance")
        metres = {distance.get("Id", ""): to_number(distance.findtext("Value")) for distance in distances}
        y, x, z = (metres.get(axis, math.nan) for axis in "YXZ")
        self.pixel_size_um = pixel_size([y, x], ["m", "m"])
        interval, names = None, []
        dimensions = root.find(".//Information/Image/Dimensions")
        if dimensions is not None:
            interval = to_minutes(to_number(dimensions.findtext("./T/Positions/Interval/Increment")), "s")
            names = [channel.get("Name") or "" for channel in dimensions.iterfind("./Channels/Channel")]
        self.set_metadata(to_um(z, "m"), interval, names)

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane or a region of it; 0 where there is no tile."""
        part = self.locate(time, channel, z, region)
        with reading_errors(self.name_plane(time, channel, z), "CZI"):
            indices = zip(self._found, self.index(time, channel, z), strict=True)
            plane = {name: self._starts[name] + index for name, index in indices}
            left, top = self._starts["X"] + part.left, self._starts["Y"] + part.top
            roi = (left, top, part.right - part.left, part.bottom - part.top)
            pixels = self._file.read(roi=roi, plane=plane, pixel_type=self._kind)
            return np.array(pixels[..., 0], dtype=self.dtype, order="C")
