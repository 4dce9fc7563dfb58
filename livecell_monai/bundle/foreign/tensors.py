"""Inputs and outputs of a described model, and the checked reading of their fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livecell_monai.transforms.described import Step, check_step, is_measured

MAX_EDGE = 2**14  # px of a window that a description may ask for
MAX_CHANNELS = 64


@dataclass(frozen=True)
class Tensor:
    """An input or output; its axes are letters of `bcyx`, and others of length 1, in the order of the file."""

    name: str
    axes: str
    channels: tuple[str, ...]  #: names, empty where there is none; one without a channel axis
    description: str = ""
    steps: tuple[Step, ...] = ()  #: before the network for an input, after it for an output
    is_unit: bool = False  #: whether the description states that its values are in [0, 1]


@dataclass(frozen=True)
class Sides:
    """The (Y, X) in px that windows may have: `least` and any number of `step` more; a step of 0 for a fixed size."""

    least: tuple[int, int]
    step: tuple[int, int]

    def fit(self, shape: tuple[int, int]) -> tuple[int, int]:
        """The smallest allowed (Y, X) that holds a window; with a fixed size, that size."""
        found = [
            least + (-(-max(0, edge - least) // step) * step if step else 0)
            for edge, least, step in zip(shape, self.least, self.step, strict=True)
        ]
        return found[0], found[1]


@dataclass(frozen=True)
class Described:
    """What both formats state."""

    input: Tensor
    outputs: tuple[Tensor, ...]
    sides: Sides
    halo: int


def take_list(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of mappings; a ValueError if it is none."""
    found = content.get(name)
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ValueError(f"{name} must be a list of mappings, got {str(found)[:40]!r}")
    return found


def take_int(value: Any, what: str, least: int = 0, most: int = MAX_EDGE) -> int:
    """A whole number within bounds; else a ValueError that names `what`."""
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not is_whole or not least <= value <= most:
        raise ValueError(f"{what} must be a whole number from {least} to {most}, got {str(value)[:40]!r}")
    return int(value)


def take_number(value: Any, what: str) -> float:
    """A number, 0 for null; else a ValueError that names `what`."""
    if isinstance(value, bool) or not isinstance(value, int | float | None) or not abs(value or 0) < MAX_EDGE:
        raise ValueError(f"{what} must be numbers, got {str(value)[:40]!r}")
    return float(value or 0)


def take_only_input(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input of a model; a ValueError if it has several."""
    inputs = take_list(content, "inputs")
    if len(inputs) != 1:
        raise ValueError(f"the model must have one input, an image, it has {len(inputs)}")
    return inputs[0]


def take_steps(content: Mapping[str, Any], key: str, name: str, tensor: Tensor, where: str) -> tuple[Step, ...]:
    """The steps of a tensor, listed under `key`, each with its name under `name`; a ValueError for an unknown one."""
    if content.get(key) is None:
        return ()
    axes = [{"c": "channel", "b": "batch"}.get(axis, axis) for axis in tensor.axes]
    steps = []
    for each in take_list(content, key):
        options = dict(each.get("kwargs") or {}) if isinstance(each.get("kwargs") or {}, Mapping) else each["kwargs"]
        if isinstance(options, dict) and options.get("reference_tensor") in (None, tensor.name):
            options.pop("reference_tensor", None)
        try:
            steps.append(check_step(each.get(name), options, axes, len(tensor.channels)))
        except ValueError as error:
            raise ValueError(f"{where} {tensor.name} {error}") from None
        if key == "postprocessing" and is_measured(steps[-1]):
            raise ValueError(f"{where} {tensor.name} has the step {steps[-1].name}, which needs the whole image at once")
    return tuple(steps)


def is_unit_range(ends: Any) -> bool:
    """Whether a stated range of values is within [0, 1]."""
    if not isinstance(ends, list) or len(ends) != 2:
        return False
    low, high = ends
    is_stated = isinstance(low, int | float) and isinstance(high, int | float)
    return bool(is_stated and 0 <= low < high <= 1)
