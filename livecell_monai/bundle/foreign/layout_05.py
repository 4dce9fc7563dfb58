"""The fields of format 0.5: axes as a list of mappings, each with its type, size and halo."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from livecell_monai.bundle.foreign.tensors import (
    MAX_CHANNELS,
    Described,
    Sides,
    Tensor,
    is_unit_range,
    take_int,
    take_list,
    take_only_input,
    take_steps,
)

Axes = dict[str, Mapping[str, Any]]  #: by letter, in order
LETTERS = {"batch": "b", "channel": "c", "time": "t", "index": "i"}


def read(content: Mapping[str, Any]) -> Described:
    """Input and outputs of a description; a ValueError if a field is missing or cannot be used."""
    given = take_only_input(content)
    tensor, axes = _read_tensor(given, "the input")
    rows, columns = (_read_size(axes, axis, tensor) for axis in "yx")
    for axis in axes:
        if axis not in "bcyx" and (size := _read_size(axes, axis, tensor))[0] != 1:
            raise ValueError(f"the input must be one plane, its axis {axis} has {size[0]}")
    tensor = replace(tensor, steps=take_steps(given, "preprocessing", "id", tensor, "the input"))
    scales = {axis: one.get("scale", 1) for axis, one in axes.items()}
    outputs = [_read_output(one, tensor, scales) for one in take_list(content, "outputs")]
    sides = Sides((rows[0], columns[0]), (rows[1], columns[1]))
    return Described(tensor, tuple(one for one, _ in outputs), sides, max((halo for _, halo in outputs), default=0))


def _read_output(given: Mapping[str, Any], source: Tensor, scales: Mapping[str, Any]) -> tuple[Tensor, int]:
    """An output and its halo in px; of the input, a tensor, the scale of each axis is given."""
    tensor, axes = _read_tensor(given, "the output")
    halo = 0
    for axis in "yx":
        size, what = axes[axis].get("size"), f"the output {tensor.name}"
        if isinstance(size, Mapping):
            is_same = size.get("axis_id") == axis and size.get("tensor_id") == source.name
            offset = size.get("offset") or 0
            if not is_same or offset:
                raise ValueError(f"{what} must have the size of the input, its {axis} has offset {offset}")
        if axes[axis].get("scale", 1) != scales[axis]:
            raise ValueError(
                f"{what} must have the pixel size of the input, its {axis} has scale {axes[axis].get('scale', 1)}"
            )
        halo = max(halo, take_int(axes[axis].get("halo") or 0, f"the halo of {what}"))
    data = given.get("data")
    is_unit = isinstance(data, Mapping) and is_unit_range(data.get("range"))
    tensor = replace(tensor, is_unit=is_unit)
    return replace(tensor, steps=take_steps(given, "postprocessing", "id", tensor, "the output")), halo


def _read_tensor(given: Mapping[str, Any], what: str) -> tuple[Tensor, Axes]:
    """A tensor without steps, and its axes by letter."""
    name = str(given.get("id", "input"))[:80]
    axes: Axes = {}
    for one in take_list(given, "axes"):
        kind = one.get("type")
        letter = str(one.get("id", "x")) if kind == "space" else LETTERS.get(str(kind), "")
        if len(letter) != 1 or letter in axes:
            got = f"{kind} {one.get('id', '')}"
            raise ValueError(f"{what} {name} must have different axes of known types, got {got[:40]!r}")
        axes[letter] = one
    if not {"y", "x"} <= set(axes):
        raise ValueError(f"{what} {name} must have y and x among its axes, got {', '.join(axes)}")
    channels: list[Any] = [""]
    if "c" in axes:
        found = axes["c"].get("channel_names")
        if not isinstance(found, list) or not 1 <= len(found) <= MAX_CHANNELS:
            raise ValueError(f"{what} {name} must have from 1 to {MAX_CHANNELS} channel_names, got {str(found)[:40]}")
        channels = found
    names = tuple(str(one)[:80] for one in channels)
    return Tensor(name, "".join(axes), names, str(given.get("description") or "")[:400]), axes


def _read_size(axes: Axes, axis: str, tensor: Tensor) -> tuple[int, int]:
    """Least length and step of an axis of the input; of an axis of the size of another one, those of that one."""
    what = f"the size of the axis {axis} of the input"
    size = axes[axis].get("size")
    if isinstance(size, Mapping) and "axis_id" in size:
        other = axes.get(str(size.get("axis_id")), {}).get("size")
        is_reference = isinstance(other, Mapping) and "axis_id" in other
        if size.get("tensor_id") != tensor.name or size.get("offset") or other is None or is_reference:
            raise ValueError(f"{what} must be a number, a least size and a step, or that of another axis of it")
        size = other
    if isinstance(size, Mapping):
        return take_int(size.get("min"), what, 1), take_int(size.get("step"), what, 1)
    return take_int(size, what, 1), 0
