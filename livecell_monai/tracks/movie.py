"""A movie of label images, or of grey images, opened from whatever form it is stored in and read one frame at a time.

A movie is a file with a time axis (multi-page TIFF, our `NAME_cells.ome.tif`), a folder or glob of numbered frames, a folder
of the Cell Tracking Challenge (`mask000.tif`, `man_track000.tif`), or OME-Zarr: a label image, or an image with one.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from scipy import ndimage

from livecell_monai.data.label_greys import count_greys
from livecell_monai.data.paths import compose, find_zarr, is_frame_series, list_images, stem_of
from livecell_monai.data.readers.base import Stack, UnnamedAxisError, describe_axes
from livecell_monai.data.readers.frames import FramesStack
from livecell_monai.data.readers.open import open_stack
from livecell_monai.data.readers.selection import Choice, choose_planes
from livecell_monai.errors import DataError, LiveCellError
from livecell_monai.sample import Pixels

_ASSUMED = "TYX"  # axes of a stack that names none
_CONNECTED = np.ones((3, 3))  # diagonal neighbours are connected
_OWN_ENDINGS = ("_cells", "_labels", "_tracks")  # of label stacks, after the name of the movie


class Movie:
    """A grey movie as `Frames`; a context manager that closes its file.

    `channel` and `z` choose among several, as in `livecell predict`; labels have one of each.

    Attributes:
        path: the file or folder.
        name: of the movie, without endings such as `_cells`.
        shape: (Y, X) of a frame.
        interval_min: time between frames in minutes, None if unknown.
        pixel_size_um: (Y, X), None if unknown.
        missing: indices of the frames whose numbers are missing, from 0.
        channels: each channel of the movie as `Frames` by its name, or its index without one; empty if there is one.
        planes: (channel, z) that were chosen, from 0.
        notes: what was assumed, in words. Without names, three axes of a file can only be T, Y and X.

    Raises:
        DataError: no such movie, frames of several sizes, no time axis, or damage.
        SettingError: axes that are unknown or do not match; several channels or planes, and none is chosen; the extra of a
            format is missing.
    """

    def __init__(self, path: str | Path, axes: str | None = None, channel: Choice = None, z: Choice = None) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self.assumed_axes: str | None = None  #: given to open the file, whose own axes have no names
        found = self._find(self.path)
        try:
            self._stack = _open(found, axes)
        except UnnamedAxisError:
            self.assumed_axes = _ASSUMED
            self._stack = _open(found, _ASSUMED)
            shown = describe_axes(self._stack.axes, self._stack.shape)
            self.notes.append(f"{self.path} names no axes: they are taken as {shown}; --axes names others")
        try:
            self.planes = self._choose(channel, z)
        except LiveCellError:
            self._stack.close()
            raise
        frames = self._stack.frames if isinstance(self._stack, FramesStack) else []
        self.missing = tuple(index for index, frame in enumerate(frames) if frame is None)
        self.shape = (self._stack.shape[-2], self._stack.shape[-1])
        self.interval_min, self.pixel_size_um = self._stack.interval_min, self._stack.pixel_size_um
        self.name = name_movie(self.path)
        names = self._stack.name_channels()
        self.channels = {name: _Channel(self, place) for place, name in enumerate(names)} if len(names) > 1 else {}

    def _choose(self, channel: Choice, z: Choice) -> tuple[int, int]:
        """The channel and the plane in depth."""
        first = choose_planes(self._stack, channel, None, z)[0]
        return first.channel, first.z

    def _find(self, path: Path) -> Path:
        return path

    def __len__(self) -> int:
        return self._stack.length("T")

    def __getitem__(self, index: int) -> Pixels:
        return self.read(index, self.planes[0])

    def read(self, index: int, channel: int) -> Pixels:
        """A frame (Y, X) of a channel, at the depth that was chosen."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        if index in self.missing:
            return np.zeros(self.shape, self._stack.dtype)
        return self._stack.read(index, channel, self.planes[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class _Channel:
    """One channel of a movie as `Frames`."""

    def __init__(self, movie: Movie, channel: int) -> None:
        self._movie, self._channel = movie, channel

    def __len__(self) -> int:
        return len(self._movie)

    def __getitem__(self, index: int) -> Pixels:
        return self._movie.read(index, self._channel)


class LabelMovie(Movie):
    """A movie of label images as `Frames`: ids of one frame need not be consecutive, nor mean the same cell in another.

    Values that are whole numbers in a type with fractions count as ids.
    """

    _has_parts = False  # the labels are the connected parts of a mask

    def _choose(self, channel: Choice, z: Choice) -> tuple[int, int]:
        stack = self._stack
        if any(axis != "T" and stack.length(axis) > 1 for axis in stack.axes[:-2]):
            named = ", or name the axes, for example --axes TYX" if len(stack.axes) == 3 else ""
            raise DataError(
                f"{self.path}: a movie of labels must have frames (T), rows and columns only, got "
                f"{describe_axes(stack.axes, stack.shape)}; save one channel and one plane{named}"
            )
        return 0, 0

    def number_parts(self) -> None:
        """From now on the connected parts of each frame are its labels, from 1, if the movie is a mask, with a note.

        A mask has one value above 0 in all frames, in several parts in at least one. A movie of labels is read up to the
        first frame with two values, a mask whole. Raises a DataError if that frame holds the greys of an image.
        """
        value, has_parts = 0, False
        for frame in range(len(self)):
            pixels = self[frame]
            inside = pixels > 0
            if not inside.any():
                continue
            highest = int(pixels.max())
            if highest != (value or highest) or (pixels[inside] != highest).any():
                self._check_ids(frame, pixels)
                return
            value, has_parts = highest, has_parts or ndimage.label(inside, _CONNECTED)[1] > 1
        if has_parts:
            self._has_parts = True
            self.notes.append(f"{self.path} is a mask of one value ({value}): its separate parts are taken as cells")

    def _check_ids(self, frame: int, pixels: Pixels) -> None:
        greys = count_greys(pixels, self.path)
        if greys is not None and not greys.is_soft() and greys.is_image():
            raise self._reject(
                frame,
                f"0 for background and an id for each cell, got grey values up to {pixels.max()} that differ everywhere",
                "of a grey movie, name the bundle that segments it before it, such as start",
            )

    def _find(self, path: Path) -> Path:
        """The label image of an OME-Zarr image."""
        labels = path / "labels"
        if find_zarr(path) != path or not labels.is_dir():
            return path
        found = sorted(one.name for one in labels.iterdir() if one.is_dir())
        if len(found) != 1:
            listed = ", ".join(found) or "none"
            raise DataError(f"{path}: one label image must be in labels/, got {listed}; name it: {labels / 'NAME'}")
        return labels / found[0]

    def __getitem__(self, index: int) -> Pixels:
        pixels = super().__getitem__(index)
        if pixels.dtype.kind == "f":
            whole = np.rint(pixels)
            off = ~(np.isfinite(pixels) & (pixels == whole))
            if off.any():
                raise self._reject(index, f"whole numbers, got {pixels[off][0]:g}", "save ids, not grey values or fractions")
            pixels = whole.astype(np.int64)
        if pixels.dtype.kind == "i" and pixels.size and pixels.min() < 0:
            raise self._reject(index, f"0 for background and ids above, got {pixels.min()}", "set it to 0")
        return ndimage.label(pixels, _CONNECTED)[0] if self._has_parts else pixels

    def _reject(self, index: int, rule: str, remedy: str) -> DataError:
        return DataError(f"{self._stack.name_plane(index, 0, 0)}: labels must be {rule}; {remedy}")


def check_same_frames(labels: Movie, images: Movie) -> None:
    """Reject, by a DataError, a movie of images whose frames are others than those of its labels."""
    got, expected = ((len(one), *one.shape) for one in (images, labels))
    if got != expected:
        shown = ["{} frames of {} x {}".format(*one) for one in (expected, got)]
        raise DataError(
            f"{images.path}: it must have the frames of {labels.path}, {shown[0]}, got {shown[1]}; give the movie that was "
            "segmented"
        )


def _open(path: Path, axes: str | None) -> Stack:
    """A stack; the frames of a folder may have gaps, and there may be one only."""
    if find_zarr(path) is None and is_frame_series(path):
        files: Sequence[Path] = list_images([path])
        if len(files) == 1:
            return open_stack(files[0], axes)
    return open_stack(path, axes, allow_gaps=True)


def name_movie(path: Path) -> str:
    """The name of a movie by its path, which need not exist."""
    outer = find_zarr(path)
    is_pattern = any(mark in path.name for mark in "*?[") and not path.exists()
    name = compose(re.split(r"[*?\[]", path.name)[0]) if is_pattern else stem_of(outer or path)
    for ending in _OWN_ENDINGS:
        name = name.removesuffix(ending)
    return name.strip("_- ") or compose(path.absolute().parent.name) or "movie"
