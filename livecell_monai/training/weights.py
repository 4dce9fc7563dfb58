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
    """An exponential moving average of the weights and batch-norm statistics, as a `network` in evaluation mode.

    `decay` in [0, 1) is the weight of the old average at each iteration; 0 copies the trained network. It is lower in the
    first iterations, so that the initial weights do not persist. But `start_share` in [0, 1) of the average is always
    the network as it is now, the start of the training.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 30, 1992;
    Wortsman et al., "Robust Fine-Tuning of Zero-Shot Models", CVPR 2022.
    """

    def __init__(self, network: nn.Module, decay: float = 0.99, start_share: float = 0.0) -> None:
        self.trained = network
        self.decay = decay
        self.start_share = start_share
        self.steps = 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.start = {name: value.clone() for name, value in network.state_dict().items()} if start_share else {}

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
        target = [now[name] for name in floats]
        if self.start_share:  # averages are linear: this is the share of the start in the average of the trained weights
            target = list(torch._foreach_lerp(target, [self.start[name] for name in floats], self.start_share))
        torch._foreach_lerp_([mean[name] for name in floats], target, weight)
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
    """Copies the weights of a network as a state dictionary after each epoch with a new best value of a metric."""

    network: nn.Module
    metric: str
    score: float | None = field(default=None, init=False)
    weights: dict[str, torch.Tensor] = field(default_factory=dict, init=False)

    def attach(self, evaluator: Engine) -> None:
        """Follow the engine that validates."""
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
    """Compile a network in place, if a compiler is installed; whether it is compiled. Its weights keep their names.

    `auto` compiles nothing: it takes 20 to 60 s and gained nothing on two CPU cores with AVX512-bf16; no GPU was measured.
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
