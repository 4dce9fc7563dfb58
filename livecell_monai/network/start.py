"""Weights that trainings start from: a safetensors file in half precision that states its network in the header."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from livecell_monai.errors import DataError
from livecell_monai.runs.atomic import write_file


@dataclass(frozen=True)
class Start:
    """Weights, and the network that they fit."""

    weights: dict[str, torch.Tensor]  #: float32 by name, counters as they are
    network: dict[str, Any]  #: arguments of the U-Net
    head: list[str]  #: its maps
    diameter: float  #: px on the working grid, of the typical cell that the start expects


def write_start(path: Path, start: Start, facts: Mapping[str, str]) -> None:
    """Write a start in half precision; the header has its network and the facts, JSON strings by name."""
    halves = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in start.weights.items()
    }
    header = {name: json.dumps(value) for name, value in asdict(start).items() if name != "weights"}
    write_file(path, save(halves, {**header, "facts": json.dumps(dict(facts))}))


def read_start(path: Path) -> Start:
    """Read a start, its weights in single precision; a DataError if the file is none."""
    try:
        with safe_open(path, "pt") as file:
            header = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
            read = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        weights = {name: value.float() if value.is_floating_point() else value for name, value in read.items()}
        return Start(weights, dict(header["network"]), list(header["head"]), float(header["diameter"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: must be a file written by livecell pretrain, got: {reason}; make it again") from error
