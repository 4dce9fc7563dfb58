"""A folder of numbered frames, one file each, as a movie."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from livecell_monai.data.paths import list_images, stem_of
from livecell_monai.data.readers.base import Stack, describe_axes
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

_Header = tuple[tuple[int, ...], np.dtype[np.generic], tuple[float, float] | None]


class FramesStack(Stack):
    """Numbered frames of one size and type, one plane per file, in the order of their numbers.

    Opening it reads only the headers of TIFF, ND2, CZI and OME-Zarr.

    Args:
        path: the folder of the frames, which holds no other image; or a glob with stars in its last part only.
        open_frame: opens one of them.
        axes: the user's names of the axes; None for TYX.

    Raises:
        DataError: the numbers have gaps or come twice, names differ in more than one number, a frame has more than one
            plane, or frames differ in size or type.
        SettingError: axes that are unknown or do not match.
    """

    def __init__(self, path: Path, open_frame: Callable[[Path], Stack], axes: str | None = None) -> None:
        self.path, self._open = path, open_frame
        self.frames = order_frames(path, list_images([path]))  #: the files, in their order
        self.broken: int | None = None  #: index of the first frame whose header cannot be read
        headers = self._read_headers()
        first, (shape, self.dtype, self.pixel_size_um) = next(iter(headers.items()))
        for frame, (other, dtype, _) in headers.items():
            if (other, dtype) != (shape, self.dtype):
                raise DataError(
                    f"{self.frames[frame]}: frames of a movie must be of one size and type, got {_describe(other, dtype)}"
                    f" and {_describe(shape, self.dtype)} in {self.frames[first].name}; remove it or save it again"
                )
        self.set_axes("TYX", (len(self.frames), *shape), axes)

    def _read_headers(self) -> dict[int, _Header]:
        """Size, type and pixel size of each frame that can be opened."""
        headers: dict[int, _Header] = {}
        errors: dict[int, DataError] = {}
        for index, frame in enumerate(self.frames):
            try:
                with self._open(frame) as stack:
                    headers[index] = (stack.shape[-2:], stack.dtype, stack.pixel_size_um)
            except DataError as error:
                errors[index] = error
                continue
            if any(length != 1 for length in stack.shape[:-2]):
                got = describe_axes(stack.axes, stack.shape)
                raise DataError(f"{frame}: a frame of a movie must be one plane, got {got}; leave out --movie")
        if errors:
            self.broken = min(errors)
        if not headers:
            raise errors[0]
        return headers

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane of a frame, or a region of it."""
        part = self.locate(time, channel, z, region)
        index = {"T": time, "C": channel, "Z": z}[self.axes[0]] if len(self.axes) > 2 else 0
        with self._open(self.frames[index]) as stack:
            if stack.shape[-2:] != self.shape[-2:]:
                raise DataError(f"{self.frames[index]}: the size of a frame must not change during a run; start it again")
            return stack.read(region=None if region is None else part)


def order_frames(path: Path, files: Sequence[Path]) -> list[Path]:
    """Files, whose names differ in one number only, by this number, `t2` before `t10`; otherwise a DataError."""
    if len(files) < 2:
        raise DataError(
            f"{path}: a movie of --movie must have two frames or more, got {len(files)} files;"
            " leave out --movie for a file that is a movie itself"
        )
    parts = [re.split(r"(\d+)", stem_of(file)) for file in files]  # text and numbers in turn
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
                f"{path}: numbers of frames must be without gaps, {number + 1} is missing after {file.name};"
                " add it, or renumber the frames"
            )
    return [file for _, file in numbered]


def _ambiguity(path: Path, file: Path, other: Path) -> DataError:
    return DataError(
        f"{path}: names of frames must differ in one number only, got {file.name} and {other.name};"
        " keep nothing else in the folder, or give a glob in quotes"
    )


def _describe(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> str:
    return f"{' x '.join(map(str, shape))} {dtype}"
