"""Weights that are kept beside the trained network: their moving average, and those of the best epoch."""

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


class BestWeights:
    """Copies the weights of a network after each epoch with a new best score.

    Args:
        network: the network that is validated.
        metric: name of the score in the metrics of the engine.
        enabled: False keeps no weights.

    Attributes:
        weights: the state dictionary; empty before the first epoch.
    """

    def __init__(self, network: nn.Module, metric: str, enabled: bool = True) -> None:
        self.network = network
        self.metric = metric
        self.enabled = enabled
        self.score: float | None = None
        self.weights: dict[str, torch.Tensor] = {}

    def attach(self, evaluator: Engine) -> None:
        """Follow the engine that validates."""
        if self.enabled:
            evaluator.add_event_handler(Events.EPOCH_COMPLETED, self._compare)

    def _compare(self, evaluator: Engine) -> None:
        score = float(evaluator.state.metrics[self.metric])
        if self.score is None or score > self.score:
            self.score = score
            self.weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Score and weights."""
        return {"score": self.score, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore score and weights."""
        self.score, self.weights = state["score"], dict(state["weights"])
