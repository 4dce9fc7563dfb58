"""The moving average of the weights, which is validated and kept."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn


class WeightAverage:
    """An exponential moving average of the weights and batch-norm statistics of a network.

    Args:
        network: the trained network.
        decay: weight of the old average at each iteration, in [0, 1); 0 copies the network. It is lower in the first
            iterations, so that the initial weights do not persist.

    Attributes:
        network: the averaged network, in evaluation mode.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 30, 1992.
    """

    def __init__(self, network: nn.Module, decay: float = 0.99) -> None:
        self.trained = network
        self.decay = decay
        self.steps = 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def attach(self, trainer: Engine) -> None:
        """Update after each iteration of a trainer. Attach before the handler that validates."""
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self.update)

    @torch.no_grad()
    def update(self) -> None:
        """Update the average once."""
        self.steps += 1
        weight = 1 - min(self.decay, self.steps / (10 + self.steps))
        mean, now = self.network.state_dict(), self.trained.state_dict()
        floats = [name for name, value in mean.items() if value.is_floating_point()]
        torch._foreach_lerp_([mean[name] for name in floats], [now[name] for name in floats], weight)
        for name in mean.keys() - set(floats):
            mean[name].copy_(now[name])

    def state_dict(self) -> dict[str, Any]:
        """The average and its number of updates."""
        return {"network": self.network.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore an average."""
        self.network.load_state_dict(state["network"])
        self.steps = state["steps"]
