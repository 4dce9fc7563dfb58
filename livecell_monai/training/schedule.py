"""Learning-rate schedules: the step decay of the report, or warm-up and decay over the whole training."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR

from livecell_monai.settings import check_setting
from livecell_monai.training.budget import Budget

KINDS = ("decay", "step")
WARM_UP = 0.05  # fraction of the training in which the rate increases
POWER = 0.9  # of the remaining fraction: nearly linear decay


def build_lr_scheduler(kind: str, optimizer: Optimizer, budget: Budget, step: int = 1, gamma: float = 0.2) -> LRScheduler:
    """Build a scheduler of torch.

    Args:
        kind: `decay`, stepped after each iteration: warm-up, then decay to nearly 0 over the budget; `step`, stepped after
            each epoch: multiplied by gamma every `step` epochs.
        optimizer: its learning rate is set.
        budget: progress of the training.
        step: epochs, for `step`.
        gamma: factor, for `step`.

    Raises:
        SettingError: the kind is unknown.
    """
    check_setting("lr_schedule", kind)
    if kind == "step":
        return StepLR(optimizer, step, gamma)
    return LambdaLR(optimizer, lambda _: decay_factor(budget.done))


def decay_factor(done: float) -> float:
    """Factor on the learning rate after a fraction `done` in [0, 1] of the training; at least 0.001."""
    rise, fall = min(1.0, done / WARM_UP + 0.02), math.pow(1 - done, POWER)
    return max(1e-3, rise * fall)
