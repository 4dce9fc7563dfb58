"""What values the maps of a trained network take: what integers of 8 bits are to stand for."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

Range = tuple[float, float]
RANGES = "map_ranges"  #: key under `training` in metadata.json

STEPS = 255  # from the least to the greatest of the values that 8 bits stand for
NARROW = 16  # channels in: with as few, integers gain little time and do most of the harm


def is_rounded(module: nn.Module) -> bool:
    """Whether a module is a convolution that is worth running in integers: of many channels and of more than 1 x 1.

    Those of 1 x 1 are a tenth of the work and would do half of the harm; transposed ones OpenVINO runs in float32 anyway.
    """
    return isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1) and module.in_channels > NARROW


def measure_ranges(network: nn.Module, look: Callable[[], Any]) -> dict[str, Range]:
    """Least and greatest value of the maps that enter each convolution that is worth running in integers, by its name.

    Args:
        network: in evaluation mode.
        look: runs the network over some images.
    """
    seen: dict[str, Range] = {}

    def note(name: str, module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        low, high = (float(end) for end in given[0].aminmax())
        before = seen.get(name, (low, high))
        seen[name] = min(low, before[0]), max(high, before[1])

    rounded = [(name, module) for name, module in network.named_modules() if is_rounded(module)]
    hooks = [module.register_forward_pre_hook(partial(note, name)) for name, module in rounded]
    try:
        look()
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def step_of(ends: Range) -> tuple[float, float]:
    """(least value, step from one to the next) of the 256 values of a range, moved by so little that 0 is one of them."""
    low, high = min(ends[0], 0.0), max(ends[1], 1e-6)
    step = (high - low) / STEPS
    return step * round(low / step), step
