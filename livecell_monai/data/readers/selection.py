"""Which planes of a stack are meant: by the settings channel, time and z; what they leave open is refused, never guessed."""

import re

from livecell_monai.data.readers.address import PlaneAddress
from livecell_monai.data.readers.axes import describe_axes
from livecell_monai.data.readers.base import Stack
from livecell_monai.errors import SettingError

MAX_SHOWN = 12  # names in a message


def choose_planes(
    stack: Stack,
    channel: str | int | None = None,
    time: str | int | None = None,
    z: str | int | None = None,
    axes: str | None = None,
) -> list[PlaneAddress]:
    """The planes to use, one a frame, in the order of time.

    Args:
        stack: the open file.
        channel: index or name of the channel; a name goes before an index. None where there is one channel.
        time: index of one frame, or `first:stop` for those from first to before stop, either of which may be left out.
            None for all.
        z: index of the plane in depth; None where there is one.
        axes: what the user calls the file's axes, for the addresses.

    Raises:
        SettingError: where something is not there, or there are several and none is chosen.
    """
    chosen_channel, chosen_z = _choose_channel(stack, channel), _choose_index(stack, "--z", "Z", z)
    frames = range(stack.length("T")) if time is None else _choose_frames(stack, time)
    return [PlaneAddress(stack.path, frame, chosen_channel, chosen_z, axes) for frame in frames]


def describe_stack(stack: Stack) -> str:
    """What there is in a stack, in words: its axes with their lengths, its channels with index and name."""
    words = describe_axes(stack.axes, stack.shape)
    if not stack.channels:
        return words
    shown = ", ".join(f"{index} {name}" for index, name in enumerate(stack.channels[:MAX_SHOWN]))
    return f"{words}; channels {shown}{', ...' if len(stack.channels) > MAX_SHOWN else ''}"


def _choose_channel(stack: Stack, channel: str | int | None) -> int:
    if isinstance(channel, str):
        name = channel.strip()
        if stack.channels.count(name) > 1:
            raise _refusal(stack, "--channel", f"must name one channel, {stack.channels.count(name)} are called {name!r}")
        if name in stack.channels:
            return stack.channels.index(name)
    return _choose_index(stack, "--channel", "C", channel)


def _choose_index(stack: Stack, option: str, axis: str, given: str | int | None) -> int:
    length = stack.length(axis)
    if given is None:
        if length > 1:
            raise _refusal(stack, option, f"must choose one of {length}, none is given")
        return 0
    index = _as_index(given)
    if index is None or index >= length:
        or_name = {"C": " or the name of a channel", "T": " or first:stop"}.get(axis, "")
        there = "0" if length == 1 else f"0 to {length - 1}"
        raise _refusal(stack, option, f"must be {there}{or_name}, got {given!r}")
    return index


def _choose_frames(stack: Stack, given: str | int) -> range:
    length = stack.length("T")
    match = re.fullmatch(r"\s*(\d*)\s*:\s*(\d*)\s*", given) if isinstance(given, str) else None
    if match is None:
        index = _choose_index(stack, "--time", "T", given)
        return range(index, index + 1)
    first, stop = int(match[1] or 0), int(match[2] or length)
    if not 0 <= first < stop <= length:
        raise _refusal(stack, "--time", f"must be first:stop with 0 <= first < stop <= {length}, got {given!r}")
    return range(first, stop)


def _as_index(given: object) -> int | None:
    """An index from 0, None where it is none."""
    if isinstance(given, str) and re.fullmatch(r"\s*\d+\s*", given):
        return int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else None


def _refusal(stack: Stack, option: str, rule: str) -> SettingError:
    return SettingError(f"{stack.path}: {option} {rule}; there is {describe_stack(stack)}")
