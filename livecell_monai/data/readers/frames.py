"""A folder of numbered frames, one file each, as the movie that it is."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from livecell_monai.data.paths import list_images, stem_of
from livecell_monai.data.readers.axes import describe_axes, name_axes
from livecell_monai.data.readers.base import Stack
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region


class FramesStack(Stack):
    """Numbered frames of one size and type, one plane a file, in the order of their numbers.

    Only the headers of TIFF, ND2, CZI and OME-Zarr are read as it is opened.

    Args:
        path: the folder of the frames, of which nothing else is an image; or a glob, whose last part alone may have stars.
        open_frame: opens one of them.
        axes: what the user calls the axes of the whole; None for TYX.

    Attributes:
        frames: the files, in their order.
        broken: index of the first frame whose header cannot be read, None where there is none.

    Raises:
        DataError: the numbers have gaps or come twice, names differ in more than one number, a frame has more than one
            plane, or frames differ in size or type.
        SettingError: axes that are unknown, or do not fit.
    """

    def __init__(self, path: Path, open_frame: Callable[[Path], Stack], axes: str | None = None) -> None:
        self.path, self._open = path, open_frame
        self.frames = order_frames(path, list_images([path]))
        self.broken: int | None = None
        headers = self._read_headers()
        first, (shape, self.dtype, self.pixel_size_um) = next(iter(headers.items()))
        for frame, (other, dtype, _) in headers.items():
            if (other, dtype) != (shape, self.dtype):
                raise DataError(
                    f"{self.frames[frame]}: frames of a movie must be of one size and type, got {_describe(other, dtype)}"
                    f" and {_describe(shape, self.dtype)} in {self.frames[first].name}; take it out or save it anew"
                )
        named = name_axes(path, "TYX", (len(self.frames), *shape), axes)
        self.axes, self.shape = named.axes, named.shape

    def _read_headers(self) -> dict[int, tuple[tuple[int, ...], np.dtype[np.generic], tuple[float, float] | None]]:
        """Size, type and size of a pixel of each frame that can be opened."""
        headers, error = {}, None
        for index, frame in enumerate(self.frames):
            try:
                with self._open(frame) as stack:
                    shape, planes = stack.shape[-2:], stack.shape[:-2]
                    headers[index] = (shape, stack.dtype, stack.pixel_size_um)
                    words = describe_axes(stack.axes, stack.shape)
            except DataError as unread:
                self.broken = index if self.broken is None else self.broken
                error = error or unread
                continue
            if any(length != 1 for length in planes):
                raise DataError(f"{frame}: a frame of a movie must be one plane, got {words}; leave out --movie")
        if not headers:
            assert error is not None
            raise error
        return headers

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane of a frame, or a part of it."""
        part = self.locate(time, channel, z, region)
        index = {"T": time, "C": channel, "Z": z}[self.axes[0]] if len(self.axes) > 2 else 0
        with self._open(self.frames[index]) as stack:
            if stack.shape[-2:] != self.shape[-2:]:
                raise DataError(f"{self.frames[index]}: its size must stay that which it had; let go of it and start anew")
            return stack.read(region=None if region is None else part)

    def close(self) -> None:
        """Nothing is held open."""


def order_frames(path: Path, files: Sequence[Path]) -> list[Path]:
    """Files by the number in their names, `t2` ahead of `t10`.

    Args:
        path: what the files were found by, for messages.
        files: their names differ in one number alone.

    Raises:
        DataError: fewer than two, names that differ otherwise, and numbers that have gaps or come twice.
    """
    if len(files) < 2:
        raise DataError(
            f"{path}: a movie of --movie must have two frames or more, got {len(files)} files;"
            " leave out --movie for a file that is a movie itself"
        )
    parts = [re.split(r"(\d+)", stem_of(file)) for file in files]  # words and numbers by turns
    differing: set[int] = set()
    for file, part in zip(files, parts, strict=True):
        if len(part) != len(parts[0]) or part[::2] != parts[0][::2]:
            raise _ambiguity(path, files[0], file)
        differing |= {place for place in range(1, len(part), 2) if int(part[place]) != int(parts[0][place])}
    if len(differing) != 1:
        raise _ambiguity(path, files[0], files[1])
    (place,) = differing
    numbered = sorted((int(part[place]), file) for part, file in zip(parts, files, strict=True))
    for (number, file), (following, other) in pairwise(numbered):
        if number == following:
            raise DataError(f"{other}: each frame must have a number of its own, {file.name} has the same; rename one")
        if following != number + 1:
            raise DataError(
                f"{path}: numbers of frames must be without gaps, {number + 1} is missing behind {file.name};"
                " add it, or number them anew"
            )
    return [file for _, file in numbered]


def _ambiguity(path: Path, file: Path, other: Path) -> DataError:
    return DataError(
        f"{path}: names of frames must differ in one number alone, got {file.name} and {other.name};"
        " leave the frames alone in their folder, or give a glob in quotes"
    )


def _describe(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> str:
    return f"{' x '.join(map(str, shape))} {dtype}"
