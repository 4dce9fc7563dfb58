"""The trained network: compiled, its weights averaged, and those of the best epoch kept."""

import copy
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from livecell_monai.network.accelerator import Accelerator
from livecell_monai.settings import check_setting


class WeightAverage:
    """An exponential moving average of the weights and batch-norm statistics of a network.

    Args:
        network: the trained network; the attribute `network` is the averaged one, in evaluation mode.
        decay: weight of the old average at each iteration, in [0, 1); 0 copies the network. It is lower in the first
            iterations, so that the initial weights do not persist.

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
        """The state for a checkpoint."""
        return {"network": self.network.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self.network.load_state_dict(state["network"])
        self.steps = state["steps"]


@dataclass(eq=False)
class BestWeights:
    """Copies the weights of a network after each epoch with a new best score.

    Attributes:
        metric: name of the score in the metrics of the validating engine.
        enabled: False keeps no weights.
        weights: a state dictionary; empty before the first epoch.
    """

    network: nn.Module
    metric: str
    enabled: bool = True
    score: float | None = field(default=None, init=False)
    weights: dict[str, torch.Tensor] = field(default_factory=dict, init=False)

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
        """The state for a checkpoint."""
        return {"score": self.score, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self.score, self.weights = state["score"], dict(state["weights"])


def compile_network(network: nn.Module, accelerator: Accelerator, setting: bool | str = "auto") -> bool:
    """Compile a network in place; its weights keep their names. Without a compiler, there is only a warning.

    Args:
        network: the network that is trained.
        accelerator: `compiled` is set here.
        setting: True, False or `auto`. `auto` compiles where a benchmark has shown a gain, which is nowhere so far:
            compiling takes 20 to 60 s and gained nothing on two CPU cores with AVX512-bf16; a GPU has not been measured.

    Returns:
        Whether the network is compiled.
    """
    check_setting("compile", setting)
    if setting is not True:
        return False
    if accelerator.device.type == "cuda":
        compiler, is_installed = "Triton", find_spec("triton") is not None
    else:
        command = os.environ.get("CXX", "g++")
        compiler, is_installed = f"the C++ compiler {command}", shutil.which(command) is not None
    if not is_installed:
        message = "setting compile is true, but %s is missing: training runs without torch.compile"
        logging.getLogger(__name__).warning(message, compiler)
        return False
    network.compile()
    accelerator.compiled = True
    return True
