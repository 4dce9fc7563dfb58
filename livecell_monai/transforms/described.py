"""Steps before and after a network, as the description of a bioimage.io model names them.

A step that depends on the whole image, such as `scale_range`, is measured once; what is measured then changes any part.

Source: the bioimage.io model description, formats 0.4 and 0.5 (https://github.com/bioimage-io/spec-bioimage-io).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from livecell_monai.sample import Pixels

Measured = dict[str, Any]  #: what changes pixels in place of a step, for a JSON file
EPS = 1e-6  # the default of both formats
TYPES = ("float32", "float64", "bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))


@dataclass(frozen=True)
class Step:
    """One step by its name in the description, with its options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def check_step(name: Any, options: Any, axes: Sequence[str], channels: int) -> Step:
    """A step of a tensor with such axes by name (of `y`, `x`, `channel`, ...) and so many channels.

    Raises a ValueError, with a text that follows the name of the tensor, for an unknown step or option.
    """
    if not isinstance(name, str) or name not in _STEPS:
        raise ValueError(f"has the step {str(name)[:40]!r}, supported are {', '.join(_STEPS)}")
    options = {} if options is None else options
    known = _STEPS[name]
    if not isinstance(options, Mapping) or not set(options) <= set(known):
        unknown = [str(one) for one in options if one not in known] if isinstance(options, Mapping) else [str(options)]
        raise ValueError(f"has the step {name} with {unknown[0][:40]!r}, supported are {', '.join(known) or 'no options'}")
    given = {key: value for key, value in options.items() if value is not None}
    mode = given.pop("mode", None)
    if name == "zero_mean_unit_variance" and (mode == "fixed" or "mean" in given):
        if not {"mean", "std"} <= set(given):
            raise ValueError(f"has the step {name} of mode fixed, which must have mean and std")
        name = "fixed_zero_mean_unit_variance"
    joined = _list_axes(given.pop("axes", None))
    if name in MEASURED and joined is not None and not {"y", "x"} <= joined:
        raise ValueError(f"has the step {name} over {', '.join(sorted(joined))}, it must be over y and x")
    if name in MEASURED and channels > 1 and (joined is None or "channel" in joined):
        raise ValueError(f"has the step {name} over {channels} channels, it must be over one")
    along = given.pop("axis", "channel")
    if along != "channel" or (name == "softmax" and "channel" not in axes):
        raise ValueError(f"has the step {name} along {along!r}, it must be along a channel axis")
    if missing := _REQUIRED.get(name, set()) - set(given):
        raise ValueError(f"has the step {name} without {sorted(missing)[0]}")
    try:
        step = Step(name, {key: known[key](value, channels) for key, value in given.items()})
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(f"has the step {name} with an option that cannot be used: {error}") from error
    low, high = (step.options.get(f"{end}_percentile", default) for end, default in (("min", 0), ("max", 100)))
    if low >= high:
        raise ValueError(f"has the step {name} with min_percentile {low:g}, it must be below max_percentile {high:g}")
    return step


def measure_step(step: Step, values: Pixels) -> Measured:
    """What a step does to an image with these grey values, or with a sample of them; values of any shape."""
    options = step.options
    if step.name == "scale_range":
        ends = options.get("min_percentile", 0.0), options.get("max_percentile", 100.0)
        low, high = np.percentile(values, ends).tolist()
        return {"kind": "normal", "middle": low, "divisor": high - low + options.get("eps", EPS)}
    if step.name == "zero_mean_unit_variance":
        mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        return {"kind": "normal", "middle": mean, "divisor": deviation + options.get("eps", EPS)}
    if step.name == "clip":
        low, high = (_find_end(options, end, values) for end in ("min", "max"))
        return {"kind": "clip", "low": low, "high": high}
    if step.name == "fixed_zero_mean_unit_variance":
        divisor = np.asarray(options["std"]) + options.get("eps", 0.0)
        return {"kind": "normal", "middle": options["mean"], "divisor": divisor.tolist()}
    return {"kind": step.name, **options}


def apply_step(measured: Measured, values: Pixels) -> Pixels:
    """Values (C, Y, X) float32 after a measured step; new values, also float32."""
    options = dict(measured)
    changed = _APPLY[options.pop("kind")](values, **options)
    return np.asarray(changed, np.float32)


class DescribedStepsd(MapTransform):  # type: ignore[misc]
    """The steps before a network for keys (1, Y, X) of a sample, measured on the whole image."""

    def __init__(self, keys: KeysCollection, steps: Sequence[Step]) -> None:
        super().__init__(keys)
        self.steps = tuple(steps)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The sample with its keys as float32."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            image = sample[key]
            plain = image.as_tensor() if isinstance(image, MetaTensor) else image
            changed = self.apply(plain, self.measure(plain.flatten()))
            sample[key] = MetaTensor(changed, meta=image.meta) if isinstance(image, MetaTensor) else changed
        return sample

    def measure(self, some: torch.Tensor, find_others: Callable[[float], Any] | None = None) -> Measured:
        """What all steps do to an image with these grey values (N,), of all or of some of its pixels."""
        values: Pixels = some.float().cpu().numpy()[None, None]
        measured = []
        for step in self.steps:
            measured.append(measure_step(step, values))
            values = apply_step(measured[-1], values)
        return {"steps": measured}

    def apply(self, part: torch.Tensor, measured: Measured) -> torch.Tensor:
        """Any part of the image, after all steps, as float32; of the shape of the part."""
        values: Pixels = part.float().cpu().numpy()
        for one in measured["steps"]:
            values = apply_step(one, values)
        return torch.from_numpy(np.ascontiguousarray(values))


def _number(value: Any, channels: int) -> float:
    """A finite number; the only one of a list."""
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"expected a number, got {str(value)[:40]!r}")
    return float(value)


def _numbers(value: Any, channels: int) -> Any:
    """A number, or one for each of several channels, as nested lists that broadcast over (C, Y, X)."""
    if not isinstance(value, list) or len(value) == 1:
        return _number(value, channels)
    if len(value) != channels:
        raise ValueError(f"expected {channels} numbers, got {len(value)}")
    return [[[_number(one, channels)]] for one in value]


def _percentile(value: Any, channels: int) -> float:
    found = _number(value, channels)
    if not 0 <= found <= 100:
        raise ValueError(f"expected a percentile from 0 to 100, got {found:g}")
    return found


def _divisor(value: Any, channels: int) -> Any:
    found = _numbers(value, channels)
    if np.min(found) <= 0:
        raise ValueError(f"expected numbers above 0, got {np.min(found):g}")
    return found


def _type(value: Any, channels: int) -> str:
    if value not in TYPES:
        raise ValueError(f"expected one of {', '.join(TYPES)}, got {str(value)[:40]!r}")
    return str(value)


def _any(value: Any, channels: int) -> Any:
    return value


MEASURED = ("scale_range", "zero_mean_unit_variance")  #: steps that depend on all values of a tensor
_JOINED = {"axes": _any, "mode": _any, "eps": _divisor}
#: the steps by name, each with its options and what checks them
_STEPS: dict[str, dict[str, Callable[[Any, int], Any]]] = {
    "scale_range": {**_JOINED, "min_percentile": _percentile, "max_percentile": _percentile},
    "zero_mean_unit_variance": {**_JOINED, "mean": _numbers, "std": _divisor},
    "fixed_zero_mean_unit_variance": {"mean": _numbers, "std": _divisor, "axis": _any},
    "scale_linear": {"gain": _numbers, "offset": _numbers, "axes": _any, "axis": _any},
    "clip": dict.fromkeys(("min", "max"), _number)
    | {"min_percentile": _percentile, "max_percentile": _percentile, "axes": _any},
    "binarize": {"threshold": _numbers, "axis": _any},
    "sigmoid": {},
    "softmax": {"axis": _any},
    "ensure_dtype": {"dtype": _type},
}
_REQUIRED = {
    "fixed_zero_mean_unit_variance": {"mean", "std"},
    "binarize": {"threshold"},
    "ensure_dtype": {"dtype"},
}


def is_measured(step: Step) -> bool:
    """Whether a step depends on all values of a tensor, so that it cannot be applied window by window."""
    return step.name in MEASURED or any(name.endswith("percentile") for name in step.options)


def _list_axes(axes: Any) -> set[str] | None:
    """Axes of a step by name, from a text such as `xy` (0.4) or a list (0.5); None for all."""
    if axes is None:
        return None
    if not isinstance(axes, str | list):
        raise ValueError(f"has a step over {str(axes)[:40]!r}, it must be over axes by name")
    names = {"c": "channel", "b": "batch"}
    return {names.get(str(one), str(one)) for one in axes}


def _find_end(options: Mapping[str, Any], end: str, values: Pixels) -> float | None:
    percentile = options.get(f"{end}_percentile")
    return options.get(end) if percentile is None else float(np.percentile(values, percentile))


def _sigmoid(values: Pixels) -> Pixels:
    return torch.sigmoid(torch.from_numpy(np.ascontiguousarray(values))).numpy()


def _softmax(values: Pixels) -> Pixels:
    return torch.softmax(torch.from_numpy(np.ascontiguousarray(values)), dim=-3).numpy()


def _cast(values: Pixels, dtype: str) -> Pixels:
    if dtype.startswith("float") or dtype == "bool":
        return values.astype(dtype)
    ends = np.iinfo(dtype)  # a float outside of these is cast to a number that depends on the processor
    return np.clip(np.trunc(values.astype(np.float64)), ends.min, ends.max)


_APPLY: dict[str, Callable[..., Any]] = {
    "normal": lambda values, middle, divisor: (values - np.asarray(middle, np.float32)) / np.asarray(divisor, np.float32),
    "scale_linear": lambda values, gain=1.0, offset=0.0: (
        values * np.asarray(gain, np.float32) + np.asarray(offset, np.float32)
    ),
    "clip": lambda values, low, high: values if low is None and high is None else np.clip(values, low, high),
    "binarize": lambda values, threshold: values > np.asarray(threshold, np.float32),
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "ensure_dtype": _cast,
}
