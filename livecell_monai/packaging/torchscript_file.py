"""TorchScript: one file, which `torch.jit.load` and libtorch read without our package."""

import json
import warnings
from pathlib import Path

import torch

from livecell_monai.packaging.facts import ModelFacts
from livecell_monai.packaging.model import TracedModel, run_torch
from livecell_monai.packaging.parity import Run

FACTS = "livecell.json"  #: name of the extra file with the facts


def write_torchscript(model: TracedModel, facts: ModelFacts, path: Path) -> None:
    """Write a model as TorchScript, with its facts as JSON in an extra file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces an end of TorchScript, which other programs still read
        torch.jit.save(model.traced, str(path), _extra_files={FACTS: json.dumps(facts.texts(), indent=2)})


def open_torchscript(path: Path) -> Run:
    """The model of a file that we have written, run by torch on the CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    return run_torch(loaded.eval())
