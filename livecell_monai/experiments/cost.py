"""What a study will cost: the number of trainings, their time and their disk space, in one line before it starts."""

from collections.abc import Mapping
from typing import Any

import torch

from livecell_monai.network import build_network
from livecell_monai.network.start import SHAPE

SCORING_S = 30.0  #: of each training beyond its minutes; 21 trainings of a minute took 32 minutes on two cores
PAGES_MB = 2.5  #: page, figures and tables of a training, in its folder and in MLflow
IN_BUNDLE, IN_MLFLOW = 2, 2  #: copies of the weights that stay
IN_TRAINING = 5  #: copies while a training runs, with its last state and two moments of Adam


def describe_cost(trainings: int, settings: Mapping[str, Any], keeps_weights: bool = True) -> str:
    """One line: so many trainings, about so much time on this machine and so many megabytes.

    Args:
        trainings: their number; finished ones of an interrupted study are counted too.
        settings: all settings of one training.
        keeps_weights: whether the weights of each training are kept.
    """
    minutes, epochs = float(settings["minutes"]), int(settings["epochs"])
    if minutes:
        time = f"of {minutes:g} min each, about {_show_minutes(trainings * (minutes + SCORING_S / 60))} in all"
    else:
        time = f"of {epochs} epochs each; to limit their time, stop this and add --minutes N"
    weights = measure_weights_mb(settings)
    copies = IN_BUNDLE + (IN_MLFLOW if settings["track"] else 0)
    disk = trainings * (PAGES_MB + weights * copies) if keeps_weights else trainings * PAGES_MB + IN_TRAINING * weights
    return f"{trainings} trainings {time}; about {_show_mb(disk)} of disk"


def measure_weights_mb(settings: Mapping[str, Any]) -> float:
    """Megabytes of the weights of one network in float32, without memory for them."""
    with torch.device("meta"):
        network = build_network(channels=1, **{name: settings[name] for name in SHAPE})
    total: int = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    return total / 1e6


def _show_minutes(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _show_mb(megabytes: float) -> str:
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
