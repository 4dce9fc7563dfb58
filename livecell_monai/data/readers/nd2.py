"""Nikon ND2 by the library `nd2`: one frame with all its channels is read at a time."""

from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.checks.limits import check_decoded_size, raise_colour_error, reading_errors
from livecell_monai.data.readers.base import Stack, import_extra
from livecell_monai.data.units import pixel_size, to_minutes
from livecell_monai.sample import Pixels, Region


class Nd2Stack(Stack):
    """An ND2 file of one position; `axes` overrides the file's own.

    Raises:
        DataError: colours or damage.
        SettingError: axes that are unknown (several positions) or do not match, or the extra `nd2` is missing.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        self.path = path
        nd2 = import_extra(path, "nd2", "nd2")
        with self.opening("ND2"):
            self._file = nd2.ND2File(path)
            self._open(axes)

    def _open(self, axes: str | None) -> None:
        file = self._file
        if file.is_rgb:
            raise_colour_error(self.path, "RGB")
        attributes = file.attributes
        # the experiment's loops, with one frame per step; channels are inside a frame
        loops = {name: length for name, length in file.sizes.items() if name not in ("C", "Y", "X")}
        self._loops = tuple(loops.values())
        self._channels, self._frames = attributes.componentCount, attributes.sequenceCount
        lengths = [*self._loops, self._channels, attributes.heightPx, attributes.widthPx]
        self.set_axes([*loops, "C", "Y", "X"], lengths, axes)
        self.tile = (self.shape[-2], self.shape[-1])
        check_decoded_size(self.path, "a frame", (self._channels, *self.tile))
        self.dtype = np.dtype(file.dtype).newbyteorder("=")
        voxel = file.voxel_size()
        channels = file.metadata.channels or ()
        if any(channel.volume.axesCalibrated[0] for channel in channels):
            self.pixel_size_um = pixel_size([voxel.y, voxel.x], ["um", "um"])
        self.set_metadata(voxel.z, _find_interval(file.experiment), [channel.channel.name for channel in channels])

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane or a region of it; the whole frame is read."""
        part = self.locate(time, channel, z, region)
        with reading_errors(self.name_plane(time, channel, z), "ND2"):
            *steps, component = self.index(time, channel, z)
            frame = int(np.ravel_multi_index(steps, self._loops)) if steps else 0
            if frame >= self._frames:
                raise ValueError(f"the file has {self._frames} frames, the recording ended early")
            pixels = self._file.read_frame(frame).reshape(self._channels, *self.shape[-2:])[component]
            return np.array(part.crop(pixels), dtype=self.dtype, order="C")


def _find_interval(experiment: list[Any]) -> float | None:
    """The time between frames in minutes, if the recording has one period."""
    for loop in experiment:
        if loop.type == "TimeLoop":
            difference = loop.parameters.periodDiff
            measured = difference.avg if difference is not None else 0.0
            return to_minutes(measured or loop.parameters.periodMs, "ms")
    return None
