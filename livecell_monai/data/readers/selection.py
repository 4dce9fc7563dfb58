"""Chooses planes by the settings channel, time and z; an ambiguous choice is rejected, never guessed."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from livecell_monai.data.paths import find_stored_format
from livecell_monai.data.readers.base import Stack, describe_axes
from livecell_monai.data.readers.frames import FramesStack
from livecell_monai.data.readers.open import PlaneAddress, open_stack
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import FRAME, FRAMES, IMAGE, POSITION

MAX_SHOWN = 12  # channel names in a message
Choice = str | int | None


def list_planes(path: Path, channel: Choice, time: Choice, z: Choice, axes: str | None) -> list[dict[str, Any]]:
    """One dictionary for each chosen plane of a file, see `choose_planes`; of a movie, with its position.

    A file of one plane, and one that cannot be opened, is listed as its path; its reader raises the error.
    """
    item: dict[str, Any] = {IMAGE: str(path)}
    if find_stored_format(path) is None:
        choices = {"--channel": channel, "--time": time, "--z": z}
        for option, choice in choices.items():
            if choice is not None and str(choice).strip() != "0":
                raise SettingError(f"{path}: {option} must be 0 for a format of one plane, got {choice!r}; leave it out")
        return [item]
    try:
        with open_stack(path, axes) as stack:
            planes = choose_planes(stack, channel, time, z, axes)
            is_plain = axes is None and all(length == 1 for length in stack.shape[:-2])
    except DataError:
        return [item]
    return [item] if is_plain else _to_items(planes)


def list_frames(
    path: Path, channel: Choice, time: Choice, z: Choice, axes: str | None, allow_gaps: bool = False
) -> list[dict[str, Any]]:
    """One dictionary for each chosen frame of a folder or glob of numbered frames, missing ones too; errors as there."""
    stack = FramesStack(path, open_stack, axes, allow_gaps)  # holds no file open
    planes = choose_planes(stack, channel, time, z, axes)
    if all(stack.frames[plane.time] is None for plane in planes):
        raise DataError(f"{path}: the chosen frames must exist, all are missing; choose others by --time")
    return _to_items([replace(plane, allow_gaps=allow_gaps) for plane in planes])


def _to_items(planes: list[PlaneAddress]) -> list[dict[str, Any]]:
    if len(planes) == 1:
        return [{IMAGE: str(planes[0])}]
    return [
        {IMAGE: str(plane), FRAME: plane.time, POSITION: position, FRAMES: len(planes)}
        for position, plane in enumerate(planes)
    ]


def choose_planes(
    stack: Stack, channel: Choice = None, time: Choice = None, z: Choice = None, axes: str | None = None
) -> list[PlaneAddress]:
    """The planes to use, one per frame, in the order of time.

    Args:
        stack: the open file.
        channel: index or name of the channel; a name takes precedence. None if there is one channel.
        time: index of one frame, or `first:stop`, without stop, either of which may be omitted. None for all.
        z: index of the plane in depth; None if there is one.
        axes: the user's names of the file's axes, for the addresses.

    Raises a SettingError if a plane does not exist, or there are several and none is chosen.
    """
    chosen_channel, chosen_z = _choose_channel(stack, channel), _choose_index(stack, "--z", "Z", z)
    frames = range(stack.length("T")) if time is None else _choose_frames(stack, time)
    return [PlaneAddress(stack.path, frame, chosen_channel, chosen_z, axes) for frame in frames]


def describe_stack(stack: Stack) -> str:
    """The axes of a stack with their lengths, and its channels with index and name."""
    axes = describe_axes(stack.axes, stack.shape)
    if not stack.channels:
        return axes
    shown = ", ".join(f"{index} {name}" for index, name in enumerate(stack.channels[:MAX_SHOWN]))
    return f"{axes}; channels {shown}{', ...' if len(stack.channels) > MAX_SHOWN else ''}"


def _choose_channel(stack: Stack, channel: Choice) -> int:
    if isinstance(channel, str):
        name = channel.strip()
        if stack.channels.count(name) > 1:
            raise _error(stack, "--channel", f"must name one channel, {stack.channels.count(name)} are called {name!r}")
        if name in stack.channels:
            return stack.channels.index(name)
    return _choose_index(stack, "--channel", "C", channel)


def _choose_index(stack: Stack, option: str, axis: str, given: Choice) -> int:
    length = stack.length(axis)
    if given is None:
        if length > 1:
            raise _error(stack, option, f"must choose one of {length}, none is given")
        return 0
    index = int(given) if isinstance(given, str) and re.fullmatch(r"\s*\d+\s*", given) else given
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < length:
        or_name = {"C": " or the name of a channel", "T": " or first:stop"}.get(axis, "")
        allowed = "0" if length == 1 else f"0 to {length - 1}"
        raise _error(stack, option, f"must be {allowed}{or_name}, got {given!r}")
    return index


def _choose_frames(stack: Stack, given: str | int) -> range:
    length = stack.length("T")
    match = re.fullmatch(r"\s*(\d*)\s*:\s*(\d*)\s*", given) if isinstance(given, str) else None
    if match is None:
        index = _choose_index(stack, "--time", "T", given)
        return range(index, index + 1)
    first, stop = int(match[1] or 0), int(match[2] or length)
    if not 0 <= first < stop <= length:
        raise _error(stack, "--time", f"must be first:stop with 0 <= first < stop <= {length}, got {given!r}")
    return range(first, stop)


def _error(stack: Stack, option: str, rule: str) -> SettingError:
    return SettingError(f"{stack.path}: {option} {rule}; there is {describe_stack(stack)}")
