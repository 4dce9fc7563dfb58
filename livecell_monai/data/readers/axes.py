"""The names of a file's axes: those that it tells, or those that the user gives; never guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from livecell_monai.data.readers.base import AXES
from livecell_monai.errors import DataError, SettingError


@dataclass(frozen=True)
class NamedAxes:
    """The axes of a file's array by their names.

    Attributes:
        names: for each axis of the array one of `TCZYX`, or "" for one of length 1 that has no meaning here.
        axes: those of `TCZYX` that there are, in this order.
        shape: one length per axis of `axes`.
    """

    names: tuple[str, ...]
    axes: str
    shape: tuple[int, ...]

    def index(self, time: int, channel: int, z: int) -> tuple[int, ...]:
        """The index of a plane along the axes of the array that are not its rows and columns, in their order."""
        chosen = {"T": time, "C": channel, "Z": z}
        return tuple(chosen.get(name, 0) for name in self.names if name not in ("Y", "X"))


def name_axes(path: Path, found: Sequence[str], shape: Sequence[int], given: str | None = None) -> NamedAxes:
    """Name the axes of an array.

    Args:
        path: the file, for messages.
        found: what the file calls each axis.
        shape: one length per axis.
        given: what the user calls them, in the file's order; axes of length 1 may be left out. None to believe the file.

    Raises:
        DataError: where an axis is empty.
        SettingError: where an axis longer than 1 is none of `TCZYX`, one comes twice, or the last two are not `YX`; or
            where what is given does not fit.
    """
    if not shape or min(shape) < 1:
        raise DataError(f"{path}: an image must hold pixels, got axes {describe_axes(found, shape) or 'none'}; save it anew")
    # a letter of another meaning, such as S for samples, is of no account where there is only one of it
    known = [place for place, name in enumerate(found) if name in tuple(AXES) or shape[place] != 1]
    long = [place for place in known if shape[place] != 1 or found[place] in ("Y", "X")]
    there = describe_axes([found[place] for place in long], [shape[place] for place in long])
    names = [""] * len(found)
    if given is None:
        for place in known:
            names[place] = found[place]
    else:
        letters = require_axes(given)
        places = next((places for places in (known, long) if len(places) == len(letters)), None)
        if places is None:
            raise SettingError(
                f"{path}: --axes must name the file's axes, {there}, got {letters!r};"
                f" give {len(long)} letters of {', '.join(AXES)}"
            )
        for place, letter in zip(places, letters, strict=True):
            names[place] = letter
    kept = [name for name in names if name]
    if not set(kept) <= set(AXES) or len(set(kept)) < len(kept) or kept[-2:] != ["Y", "X"]:
        raise SettingError(
            f"{path}: its axes must be of {', '.join(AXES)}, each once, rows (Y) and columns (X) the last, got"
            f" {there}; name them in the file's order, for example --axes TYX, or save it anew"
        )
    lengths = {name: length for name, length in zip(names, shape, strict=True) if name}
    axes = "".join(axis for axis in AXES if axis in lengths)
    return NamedAxes(tuple(names), axes, tuple(int(lengths[axis]) for axis in axes))


def require_axes(given: object) -> str:
    """The value of --axes, letters of `TCZYX`, in upper case.

    Raises:
        SettingError: where it is none, one comes twice, or the last two are not `YX`.
    """
    letters = given.upper() if isinstance(given, str) else ""
    if not set(letters) <= set(AXES) or len(set(letters)) < len(letters) or letters[-2:] != "YX":
        raise SettingError(
            f"--axes must be letters of {', '.join(AXES)}, each once, YX the last, got {given!r}; for example --axes TYX"
        )
    return letters


def describe_axes(axes: Sequence[str], shape: Sequence[int]) -> str:
    """The axes with their lengths, as messages give them: `T 3, Y 40, X 36`."""
    return ", ".join(f"{axis} {length}" for axis, length in zip(axes, shape, strict=True))
