"""A folder of numbered frames, one file each, as a movie."""

import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from livecell_monai.data.paths import list_images, stem_of
from livecell_monai.data.readers.base import Stack, describe_axes
from livecell_monai.errors import DataError, MissingFrameError
from livecell_monai.sample import Pixels, Region

#: days, hours, minutes and seconds in a file name
_TIME = re.compile(r"(?:(\d+)d)?(\d+)h(\d+)m(?:(\d+)s)?(?![a-zA-Z])")
MAX_GAP = 1000  #: missing frames in one place
_Header = tuple[tuple[int, ...], np.dtype[np.generic], tuple[float, float] | None]


class FramesStack(Stack):
    """Numbered frames of one size and type, one plane per file, in the order of their numbers.

    Opening it reads only the headers of TIFF, ND2, CZI and OME-Zarr.

    Args:
        path: the folder of the frames, which holds no other image; or a glob with stars in its last part only.
        open_frame: opens one of them.
        axes: the user's names of the axes; None for TYX.
        allow_gaps: numbers may be missing; their frames count, but cannot be read.

    Raises:
        DataError: the numbers have gaps or come twice, names differ in more than one number, a frame has more than one
            plane, or frames differ in size or type.
        SettingError: axes that are unknown or do not match.
    """

    def __init__(
        self, path: Path, open_frame: Callable[[Path], Stack], axes: str | None = None, allow_gaps: bool = False
    ) -> None:
        self.path, self._open = path, open_frame
        files = list_images([path])
        self.frames = order_frames(path, files, allow_gaps)  #: the files, in their order; None if missing
        self.interval_min = find_interval(self.frames)
        headers = self._read_headers()
        first, (shape, self.dtype, self.pixel_size_um) = next(iter(headers.items()))
        for frame, (other, dtype, _) in headers.items():
            if (other, dtype) != (shape, self.dtype):
                raise DataError(
                    f"{self.frames[frame]}: frames of a movie must be of one size and type, got {_describe(other, dtype)}"
                    f" and {_describe(shape, self.dtype)} in {self._name(first)}; remove it or save it again"
                )
        self.set_axes("TYX", (len(self.frames), *shape), axes)

    def _read_headers(self) -> dict[int, _Header]:
        """Size, type and pixel size of each frame that can be opened; if there is none, the error of the first."""
        headers: dict[int, _Header] = {}
        failure: DataError | None = None
        for index, frame in enumerate(self.frames):
            if frame is None:
                continue
            try:
                with self._open(frame) as stack:
                    headers[index] = (stack.shape[-2:], stack.dtype, stack.pixel_size_um)
            except DataError as error:
                failure = failure or error
                continue
            if any(length != 1 for length in stack.shape[:-2]):
                got = describe_axes(stack.axes, stack.shape)
                raise DataError(f"{frame}: a frame of a movie must be one plane, got {got}; leave out --movie")
        if failure is not None and not headers:
            raise failure
        return headers

    def _name(self, index: int) -> str:
        frame = self.frames[index]
        return f"frame {index}" if frame is None else frame.name

    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """The plane of a frame, or a region of it."""
        part = self.locate(time, channel, z, region)
        index = {"T": time, "C": channel, "Z": z}[self.axes[0]] if len(self.axes) > 2 else 0
        frame = self.frames[index]
        if frame is None:
            raise MissingFrameError(f"{self.path}: frame {index} is missing, it cannot be read; choose another")
        with self._open(frame) as stack:
            if stack.shape[-2:] != self.shape[-2:]:
                raise DataError(f"{frame}: the size of a frame must not change during a run; start it again")
            return stack.read(region=None if region is None else part)


def order_frames(path: Path, files: Sequence[Path], allow_gaps: bool = False) -> list[Path | None]:
    """Files, whose names differ in one number or time only, by this number, `t2` before `t10`; otherwise a DataError.

    The numbers may have a constant step: 0, 10, 20. A time is written as `00d12h30m`. With `allow_gaps`, missing numbers are
    None.
    """
    if len(files) < 2:
        raise DataError(
            f"{path}: a movie of --movie must have two frames or more, got {len(files)} files;"
            " leave out --movie for a file that is a movie itself"
        )
    parts = [_split_name(file) for file in files]  # text and numbers in turn
    differing: set[int] = set()
    for file, part in zip(files, parts, strict=True):
        if len(part) != len(parts[0]) or part[::2] != parts[0][::2]:
            raise _ambiguity(path, files[0], file)
        differing |= {place for place in range(1, len(part), 2) if int(part[place]) != int(parts[0][place])}
    if len(differing) != 1:
        raise _ambiguity(path, files[0], files[1])
    (place,) = differing
    numbered = sorted((int(part[place]), file) for part, file in zip(parts, files, strict=True))
    step = math.gcd(*(following - number for (number, _), (following, _) in pairwise(numbered)))
    placed: list[Path | None] = [numbered[0][1]]
    for (number, file), (following, other) in pairwise(numbered):
        if number == following:
            raise DataError(f"{other}: each frame must have a number of its own, {file.name} has the same; rename one")
        gap = (following - number) // step - 1
        if gap > 0 and not (allow_gaps and gap <= MAX_GAP):
            missing = _describe_time(number + step) if _TIME.search(stem_of(file)) else number + step
            raise DataError(
                f"{path}: numbers of frames must be without gaps, {missing} is missing after {file.name};"
                " add it, renumber the frames, or give --allow-gaps"
            )
        placed += [*[None] * gap, other]
    return placed


def find_interval(frames: Sequence[Path | None]) -> float | None:
    """Minutes between ordered frames whose names are times; None for numbers."""
    found = [(index, _TIME.search(stem_of(frame))) for index, frame in enumerate(frames) if frame is not None]
    (_, first), (last, second) = found[0], found[-1]
    minutes = 0.0 if first is None or second is None else (_seconds(second) - _seconds(first)) / 60 / last
    return minutes or None


def _split_name(file: Path) -> list[str]:
    """Text and numbers of a file name in turn; a time counts as one number, its seconds."""
    return re.split(r"(\d+)", _TIME.sub(lambda time: str(_seconds(time)), stem_of(file)))


def _seconds(time: re.Match[str]) -> int:
    days, hours, minutes, seconds = (int(part or 0) for part in time.groups())
    return 86_400 * days + 3_600 * hours + 60 * minutes + seconds


def _describe_time(seconds: int) -> str:
    return f"{seconds // 86_400:02d}d{seconds // 3_600 % 24:02d}h{seconds // 60 % 60:02d}m"


def _ambiguity(path: Path, file: Path, other: Path) -> DataError:
    return DataError(
        f"{path}: names of frames must differ in one number only, got {file.name} and {other.name};"
        " keep nothing else in the folder, or give a glob in quotes"
    )


def _describe(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> str:
    return f"{' x '.join(map(str, shape))} {dtype}"
