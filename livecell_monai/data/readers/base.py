"""The interface of every format with more than one plane, and what its readers share."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from livecell_monai.data.checks.limits import check_decoded_size, reading_errors
from livecell_monai.data.units import is_size
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Pixels, Region

AXES = "TCZYX"  #: time, channel, depth, row, column, always in this order
_UNNAMED = ("", "Q", "I")  # TIFF: an axis of an array, a series of pages
_WORDS = {"T": "frame", "C": "channel", "Z": "z plane"}  # for messages


class UnnamedAxisError(SettingError):
    """An array of three axes has rows and columns last, and a first one without a name."""


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
        is_label: whether `read` keeps ids, such as those of a palette, see `read_plane`.
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
    is_label: bool = False
    _file: Any = None  # of the library that reads the format

    @abstractmethod
    def read(self, time: int = 0, channel: int = 0, z: int = 0, region: Region | None = None) -> Pixels:
        """One plane (Y, X), or a region inside it, C-contiguous, writable and of native byte order.

        Indices are 0 for axes that the file does not have; only tiles of the region are decoded. Damage raises a DataError.
        """

    def close(self) -> None:
        """Close the file; may be called again."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    @contextmanager
    def opening(self, kind: str) -> Iterator[None]:
        """Close the file if the block fails; errors as `reading_errors`."""
        try:
            with reading_errors(self.path, kind):
                yield
        except BaseException:
            self.close()
            raise

    def set_axes(self, found: Sequence[str], shape: Sequence[int], given: str | None) -> None:
        """Set `axes` and `shape` from those of the file's array, see `name_axes`."""
        self._names = name_axes(self.path, found, shape, given)
        lengths = dict(zip(self._names, map(int, shape), strict=True))
        self.axes = "".join(axis for axis in AXES if axis in lengths)
        self.shape = tuple(lengths[axis] for axis in self.axes)

    def index(self, time: int, channel: int, z: int) -> tuple[int, ...]:
        """The index of a plane along the axes of the file's array other than rows and columns, in their order."""
        chosen = {"T": time, "C": channel, "Z": z}
        return tuple(chosen.get(name, 0) for name in self._names if name not in ("Y", "X"))

    def set_metadata(self, z_step_um: float, interval_min: float | None, channels: Sequence[str]) -> None:
        """Set what the file states, if it is valid and its axis is longer than 1; NaN and None are unknown."""
        self.z_step_um = z_step_um if self.length("Z") > 1 and is_size(z_step_um) else None
        self.interval_min = interval_min if self.length("T") > 1 else None
        self.channels = tuple(channels) if all(channels) and len(channels) == self.length("C") else ()

    def locate(self, time: int, channel: int, z: int, region: Region | None) -> Region:
        """The region that `read` returns, None becomes the whole plane; a DataError if it does not exist or is too large."""
        for axis, index in zip("TCZ", (time, channel, z), strict=True):
            if not 0 <= index < self.length(axis):
                rule = f"a plane must be one of the file's, {_WORDS[axis]} 0 to {self.length(axis) - 1}"
                raise DataError(f"{self.path}: {rule}, got {_WORDS[axis]} {index}; choose another")
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
        chosen = ", ".join(f"{_WORDS[axis]} {index}" for axis, index in indices.items() if self.length(axis) > 1)
        return f"{self.path} ({chosen})" if chosen else str(self.path)

    def length(self, axis: str) -> int:
        """Length of an axis of `TCZYX`, 1 if the file does not have it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def name_channels(self) -> tuple[str, ...]:
        """A different name for each channel: its own, with its index after it if others have the same, else its index."""
        indices = tuple(map(str, range(self.length("C"))))
        own = self.channels or indices
        named = tuple(name if own.count(name) == 1 else f"{name}_{index}" for name, index in zip(own, indices, strict=True))
        return named if len(set(named)) == len(named) else indices

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def name_axes(path: Path, found: Sequence[str], shape: Sequence[int], given: str | None) -> tuple[str, ...]:
    """The name of each axis of an array: one of `TCZYX`, or "" for an unknown axis of length 1; never guessed.

    `given` are the user's names in the file's order, which override those found; axes of length 1 may be omitted.

    Raises:
        DataError: an axis is empty.
        SettingError: an axis longer than 1 is none of `TCZYX`, an axis comes twice, the last two are not `YX`, or `given`
            does not match; an UnnamedAxisError for Y, X and one more that has no name.
    """
    if not shape or min(shape) < 1:
        got = describe_axes(found, shape) or "none"
        raise DataError(f"{path}: an image must hold pixels, got axes {got}; save it again")
    # an unknown axis of length 1, such as S for samples, does not count
    known = [place for place, name in enumerate(found) if name in tuple(AXES) or shape[place] != 1]
    long = [place for place in known if shape[place] != 1 or found[place] in ("Y", "X")]
    described = describe_axes([found[place] for place in long], [shape[place] for place in long])
    places, letters = known, [found[place] for place in known]
    if given is not None:
        letters = list(parse_axes(given))
        places = known if len(known) == len(letters) else long
        if len(places) != len(letters):
            raise SettingError(
                f"{path}: --axes must name the file's axes, {described}, got {''.join(letters)!r}; "
                f"give {len(long)} letters of {', '.join(AXES)}"
            )
    if not _are_valid(letters):
        is_unnamed = given is None and letters[1:] == ["Y", "X"] and letters[0] in _UNNAMED
        raise (UnnamedAxisError if is_unnamed else SettingError)(
            f"{path}: its axes must be of {', '.join(AXES)}, each once, rows (Y) and columns (X) last, got {described}; "
            "name them in the file's order, for example --axes TYX, or save the file again"
        )
    names = dict(zip(places, letters, strict=True))
    return tuple(names.get(place, "") for place in range(len(shape)))


def parse_axes(given: object) -> str:
    """The value of --axes, in upper case; a SettingError unless it has letters of `TCZYX`, each once, YX last."""
    letters = given.upper() if isinstance(given, str) else ""
    if not _are_valid(letters):
        raise SettingError(
            f"--axes must be letters of {', '.join(AXES)}, each once, YX last, got {given!r}; for example --axes TYX"
        )
    return letters


def _are_valid(names: Sequence[str]) -> bool:
    return set(names) <= set(AXES) and len(set(names)) == len(names) and list(names[-2:]) == ["Y", "X"]


def describe_axes(axes: Sequence[str], shape: Sequence[int]) -> str:
    """The axes with their lengths for messages: `T 3, Y 40, X 36`."""
    return ", ".join(f"{axis} {length}" for axis, length in zip(axes, shape, strict=True))


def import_extra(path: Path, module: str, extra: str) -> Any:
    """The library that reads a format; a SettingError names the extra of this package that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingError(
            f"{path}: this format needs the library {module.partition('.')[0]}, which cannot be imported"
            f" ({' '.join(str(error).split())[:100]}); pip install 'livecell-monai[{extra}]'"
        ) from error
