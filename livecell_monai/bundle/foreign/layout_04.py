"""The fields of format 0.4: axes as one text such as `bcyx`, shapes as lists beside it."""

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
    take_number,
    take_only_input,
    take_steps,
)


def read(content: Mapping[str, Any]) -> Described:
    """Input and outputs of a description; a ValueError if a field is missing or cannot be used."""
    given = take_only_input(content)
    tensor, least, step = _read_input(given)
    for axis, edge in zip(tensor.axes, least, strict=True):
        if axis not in "bcyx" and edge != 1:
            raise ValueError(f"the input must be one plane, its axis {axis} has {edge}")
    rows, columns = (tensor.axes.index(axis) for axis in "yx")
    sides = Sides((least[rows], least[columns]), (step[rows], step[columns]))
    channels = least[tensor.axes.index("c")] if "c" in tensor.axes else 1
    tensor = replace(tensor, channels=("",) * channels)
    tensor = replace(tensor, steps=take_steps(given, "preprocessing", "name", tensor, "the input"))
    outputs = [_read_output(one, least) for one in take_list(content, "outputs")]
    return Described(tensor, tuple(one for one, _ in outputs), sides, max((halo for _, halo in outputs), default=0))


def _read_input(given: Mapping[str, Any]) -> tuple[Tensor, list[int], list[int]]:
    """The input without channels and steps, and the least length and the step of each axis."""
    tensor = _read_tensor(given, "the input")
    shape = given.get("shape")
    both = (shape.get("min"), shape.get("step")) if isinstance(shape, Mapping) else (shape, None)
    least = _read_lengths(both[0], tensor, "the shape of the input")
    step = [0] * len(least) if both[1] is None else _read_lengths(both[1], tensor, "the step of the input", 0)
    return tensor, least, step


def _read_output(given: Mapping[str, Any], input_shape: list[int]) -> tuple[Tensor, int]:
    """An output and its halo in px."""
    tensor = _read_tensor(given, "the output")
    what = f"the output {tensor.name}"
    shape, halo = given.get("shape"), given.get("halo") or [0] * len(tensor.axes)
    place = tensor.axes.find("c")
    if isinstance(shape, Mapping):
        channels = _read_reference(shape, tensor, input_shape, what)
    else:
        lengths = _read_lengths(shape, tensor, f"the shape of {what}")
        channels = take_int(lengths[place], f"the channels of {what}", 1, MAX_CHANNELS) if place >= 0 else 1
    edges = _read_lengths(halo, tensor, f"the halo of {what}", 0)
    tensor = replace(tensor, channels=("",) * channels, is_unit=is_unit_range(given.get("data_range")))
    tensor = replace(tensor, steps=take_steps(given, "postprocessing", "name", tensor, "the output"))
    return tensor, max(edges[tensor.axes.index(axis)] for axis in "yx")


def _read_reference(shape: Mapping[str, Any], tensor: Tensor, input_shape: list[int], what: str) -> int:
    """The number of channels of an output whose shape is stated by that of the input."""
    both = [shape.get(name) for name in ("scale", "offset")]
    if not all(isinstance(one, list) and len(one) == len(tensor.axes) for one in both):
        raise ValueError(f"{what} must have a scale and an offset for each axis")
    stated: dict[str, tuple[Any, Any]] = dict(zip(tensor.axes, zip(*both, strict=True), strict=True))
    for axis in "yx":
        scale, offset = stated[axis]
        if scale != 1 or offset:
            raise ValueError(f"{what} must have the size of the input, its {axis} has scale {scale} and offset {offset}")
    if "c" not in stated:
        return 1
    scale, offset = (take_number(value, f"scale and offset of {what}") for value in stated["c"])
    place = tensor.axes.index("c")
    before = input_shape[place] if place < len(input_shape) else 1
    return take_int(before * scale + 2 * offset, f"the channels of {what}", 1, MAX_CHANNELS)


def _read_tensor(given: Mapping[str, Any], what: str) -> Tensor:
    name, axes = str(given.get("name", ""))[:80], given.get("axes")
    if not isinstance(axes, str) or not {"y", "x"} <= set(axes) or len(set(axes)) != len(axes):
        raise ValueError(f"{what} {name} must have axes such as bcyx, got {str(axes)[:40]!r}")
    return Tensor(name, axes, ("",), str(given.get("description") or "")[:400])


def _read_lengths(given: Any, tensor: Tensor, what: str, least: int = 1) -> list[int]:
    """The length of each axis of a tensor."""
    if not isinstance(given, list) or len(given) != len(tensor.axes):
        raise ValueError(f"{what} must have a length for each of the axes {tensor.axes}, got {str(given)[:60]}")
    return [take_int(one, what, least) for one in given]
