"""The learning rate over a training: the step decay of the report, or a rise and a fall over the time that there is."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR

from livecell_monai.settings import check_setting
from livecell_monai.training.budget import Budget

WARM_UP = 0.05  # share of the training in which the rate rises
POWER = 0.9  # of what is left, for the fall: nearly a straight line


def build_lr_scheduler(kind: str, optimizer: Optimizer, budget: Budget, step: int = 1, gamma: float = 0.2) -> LRScheduler:
    """A scheduler of torch.

    Args:
        kind: `decay`, to be stepped after every iteration, rises and then falls to 0 as the budget goes; `step`, to be
            stepped after every epoch, falls by a factor again and again.
        optimizer: whose rate is set.
        budget: tells how far the training is.
        step: epochs, for `step`.
        gamma: factor, for `step`.

    Raises:
        SettingError: where the kind is unknown.
    """
    check_setting("lr_schedule", kind)
    if kind == "step":
        return StepLR(optimizer, step, gamma)
    return LambdaLR(optimizer, lambda _: decay_factor(budget.done))


def decay_factor(done: float) -> float:
    """Factor on the learning rate where a part `done` in [0, 1] of the training is behind; never quite 0."""
    rise, fall = min(1.0, done / WARM_UP + 0.02), math.pow(1 - done, POWER)
    return max(1e-3, rise * fall)
