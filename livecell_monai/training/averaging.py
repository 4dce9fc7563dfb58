"""The mean of the weights over the last iterations: what is validated, kept and used."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn


class WeightAverage:
    """An exponential moving average of a network's weights and of the statistics of its batch norms.

    Args:
        network: what is trained.
        decay: share of the average that stays at each iteration, in [0, 1); 0 follows the network itself. In the first
            iterations it is lower, so that the random weights of the start are soon forgotten.

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
        """Follow a trainer; to be attached ahead of what validates."""
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self.update)

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the network by one step."""
        self.steps += 1
        share = 1 - min(self.decay, self.steps / (10 + self.steps))
        mean, now = self.network.state_dict(), self.trained.state_dict()
        floats = [name for name, value in mean.items() if value.is_floating_point()]
        torch._foreach_lerp_([mean[name] for name in floats], [now[name] for name in floats], share)
        for name in mean.keys() - set(floats):
            mean[name].copy_(now[name])

    def state_dict(self) -> dict[str, Any]:
        """The mean, and of how many steps it is."""
        return {"network": self.network.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a mean."""
        self.network.load_state_dict(state["network"])
        self.steps = state["steps"]
