"""Ranges of a trained network's maps, and the 8-bit integers that represent them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

Range = tuple[float, float]
RANGES = "map_ranges"  #: key under `training` in metadata.json

STEPS = 255  # between the 256 values of 8 bits
NARROW = 16  # input channels: with so few, integers save little time and cause most of the error


def is_rounded(module: nn.Module) -> bool:
    """Whether a module is a convolution that runs in integers: many channels, and larger than 1 x 1.

    Those of 1 x 1 are a tenth of the work and would cause half of the error; OpenVINO runs transposed ones in float32.
    """
    return isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1) and module.in_channels > NARROW


def measure_ranges(network: nn.Module, run: Callable[[], Any]) -> dict[str, Range]:
    """Least and greatest input of each convolution that runs in integers, by its name, while `run` runs the network."""
    seen: dict[str, Range] = {}

    def update(name: str, module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        low, high = (float(end) for end in given[0].aminmax())
        before = seen.get(name, (low, high))
        seen[name] = min(low, before[0]), max(high, before[1])

    rounded = [(name, module) for name, module in network.named_modules() if is_rounded(module)]
    hooks = [module.register_forward_pre_hook(partial(update, name)) for name, module in rounded]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def step_of(ends: Range) -> tuple[float, float]:
    """(least value, step) of 256 values for a range, shifted slightly so that 0 is one of them."""
    low, high = min(ends[0], 0.0), max(ends[1], 1e-6)
    step = (high - low) / STEPS
    return step * round(low / step), step
