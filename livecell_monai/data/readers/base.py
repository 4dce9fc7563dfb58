"""What every format of more than one plane is opened as."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType

import numpy as np

from livecell_monai.data.checks.limits import require_bounded
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

AXES = "TCZYX"  #: time, channel, depth, row, column: the axes that are known, in the order that they are given in


class Stack(ABC):
    """An image file whose axes have names, open for reading; a context manager that closes it.

    Attributes:
        path: the file or folder.
        axes: those of `TCZYX` that the file has, in this order; the last two are always `YX`. An axis that the file names is
            kept where its length is 1.
        shape: one length per axis.
        dtype: of the pixels, as stored.
        pixel_size_um: (Y, X) size of a pixel in µm, None where the file does not tell.
        z_step_um: distance of planes in µm, None where the file does not tell or has one plane.
        interval_min: time from frame to frame in minutes, None where the file does not tell, has one frame, or
            frames are not evenly spaced.
        channels: name of each channel, as many as the file has; empty where it names none.
        tile: (Y, X) pixels that are decoded at once, a strip being as wide as the plane; None where any part can be read.
    """

    path: Path
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    pixel_size_um: tuple[float, float] | None = None
    z_step_um: float | None = None
    interval_min: float | None = None
    channels: tuple[str, ...] = ()
    tile: tuple[int, int] | None = None

    @abstractmethod
    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane (Y, X), or a part of it, C-contiguous, writable and of native byte order.

        Args:
            time: index of the frame, 0 where there is no such axis; so for the next two.
            channel: index of the channel.
            z: index of the plane in depth.
            region: the part to read, inside the plane; no more tiles than it touches are decoded. None for the whole.

        Raises:
            DataError: where the part cannot be read or decoded.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the file; again is allowed."""

    def locate(self, time: int, channel: int, z: int, region: Region | None) -> Region:
        """The part of a plane that `read` is asked for, inside the file.

        Raises:
            DataError: where the plane or a part of the region is not there.
        """
        for axis, index in zip("TCZ", (time, channel, z), strict=True):
            if not 0 <= index < self.length(axis):
                there = f"{axis} 0 to {self.length(axis) - 1}"
                raise DataError(
                    f"{self.path}: a plane must be one of the file's, {there}, got {axis} {index}; choose another"
                )
        rows, columns = self.shape[-2:]
        if region is None:
            name = self.name_plane(time, channel, z)
            require_bounded(self.path, "an image that is read whole", (rows, columns), name)
        part = region or Region(0, 0, rows, columns)
        if not (0 <= part.top < part.bottom <= rows and 0 <= part.left < part.right <= columns):
            raise DataError(f"{self.path}: a region must lie inside {rows} x {columns} pixels, got {part}; correct it")
        return part

    def name_plane(self, time: int, channel: int, z: int) -> str:
        """The plane as messages name it: of a file of one plane the path, else with the indices that choose it."""
        indices = dict(zip("TCZ", (time, channel, z), strict=True))
        chosen = ", ".join(f"{axis} {index}" for axis, index in indices.items() if self.length(axis) > 1)
        return f"{self.path} ({chosen})" if chosen else str(self.path)

    def length(self, axis: str) -> int:
        """Number of indices along an axis of `TCZYX`, 1 where the file does not have it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
