"""Trainings of a second: few draws, two levels, small patches."""

import csv
from pathlib import Path
from typing import Any

from tests.support.worlds import write_folder

#: the settings of a training that shows that everything runs, not that anything is learned
SMALL: dict[str, Any] = {
    "accelerator": "cpu",
    "track": False,
    "show_progress": False,
    "scale": 1.0,
    "checkpoint_selection": "best",
    "epochs": 2,
    "samples_per_epoch": 8,
    "batch_size": 4,
    "filters": [4, 8],
    "patch_size": [64, 64],
    "window": [64, 64],
}
QUIET: dict[str, Any] = {"show_progress": False}
CELL_MAPS = ["foreground", "distance"]  #: of a network that separates touching cells


def train_small(data: Path, output: Path, *overlays: str, **settings: Any) -> dict[str, Any]:
    """Train on a data folder into a new one, with SMALL under the settings given."""
    from livecell_monai.tasks import train

    return train(data, output, overlays, {**SMALL, **settings})


def write_trained(root: Path, **settings: Any) -> tuple[Path, Path]:
    """A data folder with borders and a bundle trained on it for four epochs."""
    data, bundle = write_folder(root / "data", borders=True), root / "model"
    # enough steps that masks are neither empty nor full at any scale; with obstacles it would take more
    rate = {"lr": 0.02, "lr_schedule": "step", "lr_gamma": 0.1, "obstacles": 0.0}
    train_small(data, bundle, epochs=4, samples_per_epoch=64, pos_weight="auto", **rate, **settings)
    return data, bundle


def read_history(bundle: Path) -> list[dict[str, float]]:
    """The rows of a training's `history.csv`, one for each epoch."""
    with open(bundle / "docs" / "history.csv", newline="", encoding="utf-8") as stream:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(stream)]
