"""Names the axes of a file, by its metadata or by the user; never guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from livecell_monai.data.readers.base import AXES
from livecell_monai.errors import DataError, SettingError


@dataclass(frozen=True)
class NamedAxes:
    """The named axes of a file's array.

    Attributes:
        names: for each axis of the array one of `TCZYX`, or "" for an unknown axis of length 1.
        axes: those of `TCZYX` that exist, in this order.
        shape: one length per axis of `axes`.
    """

    names: tuple[str, ...]
    axes: str
    shape: tuple[int, ...]

    def index(self, time: int, channel: int, z: int) -> tuple[int, ...]:
        """The index of a plane along the array's axes other than rows and columns, in their order."""
        chosen = {"T": time, "C": channel, "Z": z}
        return tuple(chosen.get(name, 0) for name in self.names if name not in ("Y", "X"))


def name_axes(path: Path, found: Sequence[str], shape: Sequence[int], given: str | None = None) -> NamedAxes:
    """Name the axes of an array.

    Args:
        path: the file, for messages.
        found: the file's names.
        shape: one length per axis.
        given: the user's names in the file's order, which override the file's; axes of length 1 may be omitted.

    Raises:
        DataError: an axis is empty.
        SettingError: an axis longer than 1 is none of `TCZYX`, an axis comes twice, the last two are not `YX`, or `given`
            does not match.
    """
    if not shape or min(shape) < 1:
        got = describe_axes(found, shape) or "none"
        raise DataError(f"{path}: an image must hold pixels, got axes {got}; save it again")
    # an unknown axis of length 1, such as S for samples, does not count
    known = [place for place, name in enumerate(found) if name in tuple(AXES) or shape[place] != 1]
    long = [place for place in known if shape[place] != 1 or found[place] in ("Y", "X")]
    described = describe_axes([found[place] for place in long], [shape[place] for place in long])
    names = [""] * len(found)
    if given is None:
        for place in known:
            names[place] = found[place]
    else:
        letters = parse_axes(given)
        places = next((places for places in (known, long) if len(places) == len(letters)), None)
        if places is None:
            raise SettingError(
                f"{path}: --axes must name the file's axes, {described}, got {letters!r}; give {len(long)} letters of "
                f"{', '.join(AXES)}"
            )
        for place, letter in zip(places, letters, strict=True):
            names[place] = letter
    kept = [name for name in names if name]
    if not _are_valid(kept):
        raise SettingError(
            f"{path}: its axes must be of {', '.join(AXES)}, each once, rows (Y) and columns (X) last, got {described}; "
            "name them in the file's order, for example --axes TYX, or save the file again"
        )
    lengths = {name: length for name, length in zip(names, shape, strict=True) if name}
    axes = "".join(axis for axis in AXES if axis in lengths)
    return NamedAxes(tuple(names), axes, tuple(int(lengths[axis]) for axis in axes))


def parse_axes(given: object) -> str:
    """The value of --axes, letters of `TCZYX`, in upper case.

    Raises:
        SettingError: another letter, one comes twice, or the last two are not `YX`.
    """
    letters = given.upper() if isinstance(given, str) else ""
    if not _are_valid(letters):
        raise SettingError(
            f"--axes must be letters of {', '.join(AXES)}, each once, YX last, got {given!r}; for example --axes TYX"
        )
    return letters


def describe_axes(axes: Sequence[str], shape: Sequence[int]) -> str:
    """The axes with their lengths for messages: `T 3, Y 40, X 36`."""
    return ", ".join(f"{axis} {length}" for axis, length in zip(axes, shape, strict=True))


def _are_valid(names: Sequence[str]) -> bool:
    return set(names) <= set(AXES) and len(set(names)) == len(names) and list(names[-2:]) == ["Y", "X"]
