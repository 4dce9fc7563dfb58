"""The interface of every format with more than one plane."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from livecell_monai.data.checks.limits import check_decoded_size, reading_errors
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

AXES = "TCZYX"  #: time, channel, depth, row, column, always in this order


class Stack(ABC):
    """An image file with named axes, open for reading; a context manager that closes it.

    Attributes:
        path: the file or folder.
        axes: the file's axes, letters of `TCZYX` in this order; the last two are `YX`. Named axes of length 1 are kept.
        shape: one length per axis.
        dtype: of the pixels, as stored.
        pixel_size_um: (Y, X) size of a pixel in µm, None if the file does not state it.
        z_step_um: distance of planes in µm, None if the file does not state it or has one plane.
        interval_min: time between frames in minutes, None if the file does not state it, has one frame, or frames are not
            evenly spaced.
        channels: one name per channel; empty if the file does not name them.
        tile: (Y, X) pixels that are decoded at once, a strip is as wide as the plane; None if any part can be read.
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
        """One plane (Y, X), or a region of it, C-contiguous, writable and of native byte order.

        Indices are 0 for axes that the file does not have; `region` lies inside the plane, and only its tiles are decoded.

        Raises:
            DataError: the part cannot be read or decoded.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file; may be called again."""

    @contextmanager
    def opening(self, kind: str) -> Iterator[None]:
        """Close the file if the block fails; errors as `reading_errors`."""
        try:
            with reading_errors(self.path, kind):
                yield
        except BaseException:
            self.close()
            raise

    def set_metadata(self, z_step_um: float, interval_min: float | None, channels: Sequence[str]) -> None:
        """Set what the file states, if it is valid and its axis is longer than 1; NaN and None are unknown."""
        self.z_step_um = z_step_um if self.length("Z") > 1 and 0 < z_step_um < math.inf else None
        self.interval_min = interval_min if self.length("T") > 1 else None
        self.channels = tuple(channels) if all(channels) and len(channels) == self.length("C") else ()

    def locate(self, time: int, channel: int, z: int, region: Region | None) -> Region:
        """The region that `read` returns, checked; None becomes the whole plane.

        Raises:
            DataError: the plane or a part of the region does not exist.
        """
        for axis, index in zip("TCZ", (time, channel, z), strict=True):
            if not 0 <= index < self.length(axis):
                rule = f"a plane must be one of the file's, {axis} 0 to {self.length(axis) - 1}"
                raise DataError(f"{self.path}: {rule}, got {axis} {index}; choose another")
        rows, columns = self.shape[-2:]
        if region is None:
            name = self.name_plane(time, channel, z)
            check_decoded_size(self.path, "an image that is read whole", (rows, columns), name)
        part = region or Region(0, 0, rows, columns)
        if not (0 <= part.top < part.bottom <= rows and 0 <= part.left < part.right <= columns):
            raise DataError(f"{self.path}: a region must lie inside {rows} x {columns} pixels, got {part}; correct it")
        return part

    def name_plane(self, time: int, channel: int, z: int) -> str:
        """The plane as messages name it: the path, with the indices along axes longer than 1."""
        indices = dict(zip("TCZ", (time, channel, z), strict=True))
        chosen = ", ".join(f"{axis} {index}" for axis, index in indices.items() if self.length(axis) > 1)
        return f"{self.path} ({chosen})" if chosen else str(self.path)

    def length(self, axis: str) -> int:
        """Length of an axis of `TCZYX`, 1 if the file does not have it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
