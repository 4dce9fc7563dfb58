"""Nikon ND2 by the library `nd2`: one frame of all channels read at a time."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.checks.limits import pixel_size, raise_colour_error, reading, require_bounded
from livecell_monai.data.readers.axes import name_axes
from livecell_monai.data.readers.base import Stack
from livecell_monai.data.readers.extra import import_extra
from livecell_monai.data.readers.interval import to_minutes
from livecell_monai.sample import Pixels, Region


class Nd2Stack(Stack):
    """An ND2 file of one position.

    Args:
        path: the file.
        axes: what the user calls its axes; None to believe the file.

    Raises:
        DataError: colours or damage.
        SettingError: axes that are unknown, such as several positions, or do not fit, or the extra `nd2` is missing.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        self.path = path
        nd2 = import_extra(path, "nd2", "nd2")
        self._file: Any = None
        try:
            with reading(path, "ND2"):
                self._file = nd2.ND2File(path)
                self._open(axes)
        except BaseException:
            self.close()
            raise

    def _open(self, axes: str | None) -> None:
        file = self._file
        if file.is_rgb:
            raise_colour_error(self.path, "RGB")
        attributes = file.attributes
        # the loops of the experiment, a frame for each turn; channels lie within a frame
        loops = {name: length for name, length in file.sizes.items() if name not in ("C", "Y", "X")}
        self._loops = tuple(loops.values())
        self._channels = attributes.componentCount
        found = [*loops, "C", "Y", "X"]
        lengths = [*self._loops, self._channels, attributes.heightPx, attributes.widthPx]
        self._named = name_axes(self.path, found, lengths, axes)
        self.axes, self.shape = self._named.axes, self._named.shape
        self.tile = (self.shape[-2], self.shape[-1])
        require_bounded(self.path, "a frame", (self._channels, *self.tile))
        self.dtype = np.dtype(file.dtype).newbyteorder("=")
        self._frames = attributes.sequenceCount
        voxel = file.voxel_size()
        if file.metadata.channels and any(channel.volume.axesCalibrated[0] for channel in file.metadata.channels):
            self.pixel_size_um = pixel_size([voxel.y, voxel.x], ["um", "um"])
        self.z_step_um = voxel.z if self.length("Z") > 1 and 0 < voxel.z < math.inf else None
        self.interval_min = _find_interval(file.experiment) if self.length("T") > 1 else None
        names = tuple(channel.channel.name for channel in file.metadata.channels or ())
        self.channels = names if all(names) and len(names) == self.length("C") else ()

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane or a part of it; the frame is read whole."""
        part = self.locate(time, channel, z, region)
        with reading(self.name_plane(time, channel, z), "ND2"):
            *turn, component = self._named.index(time, channel, z)
            frame = int(np.ravel_multi_index(turn, self._loops)) if turn else 0
            if frame >= self._frames:
                raise ValueError(f"the file has {self._frames} frames, the recording ended before")
            pixels = self._file.read_frame(frame).reshape(self._channels, *self.shape[-2:])[component]
            return np.array(part.crop(pixels), dtype=self.dtype, order="C")

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _find_interval(experiment: list[Any]) -> float | None:
    """The time from frame to frame in minutes, of recordings of one even period."""
    for loop in experiment:
        if loop.type == "TimeLoop":
            difference = loop.parameters.periodDiff
            measured = difference.avg if difference is not None else 0.0
            return to_minutes(measured or loop.parameters.periodMs, "ms")
    return None
