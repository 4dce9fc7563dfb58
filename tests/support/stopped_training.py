"""Trainings that are stopped at a chosen moment; what they leave is compared by the means of the benchmarks."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from livecell_monai.network import SegmentationLoss

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from soak.comparing import list_differences

__all__ = ["at_loss", "foreground", "list_differences", "press_ctrl_c"]


@contextmanager
def at_loss(number: int, act: Callable[[], Any]) -> Iterator[list[int]]:
    """Do something as the loss is computed for the nth time, in training and validation together."""
    whole, calls = SegmentationLoss.forward, []

    def forward(self: SegmentationLoss, *planes: torch.Tensor) -> torch.Tensor:
        calls.append(len(calls) + 1)
        if calls[-1] == number:
            act()
        return whole(self, *planes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationLoss, "forward", forward)
        yield calls
    assert len(calls) >= number, "the training was over by then"


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def foreground() -> Iterator[None]:
    """Ctrl-C does what it does in a shell's foreground: jobs of its background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
