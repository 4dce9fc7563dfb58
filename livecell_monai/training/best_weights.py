"""The weights of the best epoch so far, kept in memory and written once at the end."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn


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
