"""PNG, JPEG and NIfTI as a stack of one plane."""

from pathlib import Path

from livecell_monai.data.readers.axes import name_axes
from livecell_monai.data.readers.base import Stack
from livecell_monai.data.readers.single_plane import read_single
from livecell_monai.sample import Pixels, Region


class PlaneStack(Stack):
    """One plane, which is read when it is opened; `axes` is `YX` or None.

    Raises:
        DataError: as `read_single`.
        SettingError: axes that do not match.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        plane = read_single(path)
        self.path, self.pixel_size_um, self._pixels = path, plane.pixel_size_um, plane.pixels
        self.axes, self.shape, self.dtype = "YX", plane.pixels.shape, plane.pixels.dtype
        name_axes(path, self.axes, self.shape, axes)

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane or a region of it."""
        return self.locate(time, channel, z, region).crop(self._pixels).copy()

    def close(self) -> None:
        """Do nothing: no file is open."""
