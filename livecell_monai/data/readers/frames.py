"""A folder of numbered frames, one file each, as a movie."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from livecell_monai.data.paths import list_images, stem_of
from livecell_monai.data.readers.base import Stack, describe_axes
from livecell_monai.data.readers.frame_names import NamePart, count_steps, split_name
from livecell_monai.errors import DataError, MissingFrameError
from livecell_monai.sample import Pixels, Region

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
        #: the files, in their order; None if missing
        self.frames, self.interval_min = order_frames(path, files, allow_gaps)
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


def order_frames(path: Path, files: Sequence[Path], allow_gaps: bool = False) -> tuple[list[Path | None], float | None]:
    """Files, whose names differ in one number or time only, by this number, `t2` before `t10`; otherwise a DataError.

    The numbers may have a constant step: 0, 10, 20. With `allow_gaps`, missing numbers are None. Returns also the minutes
    between frames, None if their names are no times.
    """
    if len(files) < 2:
        raise DataError(
            f"{path}: a movie of --movie must have two frames or more, got {len(files)} files;"
            " leave out --movie for a file that is a movie itself"
        )
    names = [split_name(stem_of(file)) for file in files]
    texts, parts = names[0]
    differing: set[int] = set()
    for file, (text, found) in zip(files, names, strict=True):
        if text != texts or [part.kind for part in found] != [part.kind for part in parts]:
            raise _ambiguity(path, files[0], file)
        differing |= {place for place, part in enumerate(found) if part != parts[place]}
    if len(differing) > 1 or not parts:
        raise _ambiguity(path, files[0], files[1])
    place = differing.pop() if differing else 0
    numbered = sorted(((found[place], file) for (_, found), file in zip(names, files, strict=True)), key=_by_value)
    return _place_frames(path, numbered, allow_gaps)


def _by_value(pair: tuple[NamePart, Path]) -> int:
    return pair[0].value


def _place_frames(
    path: Path, numbered: Sequence[tuple[NamePart, Path]], allow_gaps: bool
) -> tuple[list[Path | None], float | None]:
    """Frames in order of their numbers with None for each missing one, and the minutes between frames."""
    values, kind = [part.value for part, _ in numbered], numbered[0][0].kind
    for (part, file), (following, other) in pairwise(numbered):
        if part == following:
            raise DataError(f"{other}: each frame must have a number of its own, {file.name} has the same; rename one")
    steps = count_steps(values, kind)
    if steps is None:
        raise DataError(
            f"{path}: the times in names of frames must have a constant step, got {numbered[0][1].name}, "
            f"{numbered[1][1].name}, {numbered[2][1].name} ...; number the frames instead"
        )
    step = (values[-1] - values[0]) / sum(steps)
    placed: list[Path | None] = [numbered[0][1]]
    for ((part, file), (_, other)), count in zip(pairwise(numbered), steps, strict=True):
        if count > 1 and not (allow_gaps and count - 1 <= MAX_GAP):
            missing = replace(part, value=part.value + round(step))
            remedy = f"of which at most {MAX_GAP} may be missing" if allow_gaps else "or give --allow-gaps"
            raise DataError(
                f"{path}: numbers of frames must be without gaps, {missing} is missing after {file.name};"
                f" add it, renumber the frames, {remedy}"
            )
        placed += [*[None] * (count - 1), other]
    # a counter after a date looks like a time of day: 20240131_000001
    is_time = kind == "duration" or (kind == "date" and step > 1)
    return placed, step / 60 if is_time else None


def _ambiguity(path: Path, file: Path, other: Path) -> DataError:
    return DataError(
        f"{path}: names of frames must differ in one number only, got {file.name} and {other.name};"
        " keep nothing else in the folder, or give a glob in quotes"
    )


def _describe(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> str:
    return f"{' x '.join(map(str, shape))} {dtype}"
