"""The model that all formats hold: the graph of a bundle, traced once."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from livecell_monai.errors import BundleError, SettingError, describe_error
from livecell_monai.network import Range
from livecell_monai.packaging.example import Example
from livecell_monai.packaging.graph import Finish, Graph, Prepare
from livecell_monai.packaging.parity import Run
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import Pixels


@dataclass(frozen=True)
class TracedModel:
    """A model ready to be written."""

    graph: Graph  #: in evaluation mode, on the CPU
    traced: torch.jit.ScriptModule  #: the same for images of any size
    example: Example
    ranges: Mapping[str, Range] | None = None  #: of the maps of convolutions, where they are to run in integers of 8 bits

    @property
    def example_batch(self) -> torch.Tensor:
        """The test image as the input (1, 1, Y, X) float32."""
        return to_batch(self.example.image)


def trace_model(
    segmenter: Segmenter, settings: Mapping[str, Any], example: Example, ranges: Mapping[str, Range] | None = None
) -> TracedModel:
    """The model of a bundle's segmenter, whose network runs on the CPU in float32.

    Raises:
        SettingError: a setting cannot be part of a graph.
        BundleError: the network cannot be traced.
    """
    check_settings(settings)
    scale, network = float(settings["scale"]), segmenter.network
    percentiles = settings["percentiles"] if settings["normalise"] else None
    multiple = int(network.multiple)  # type: ignore[arg-type]
    graph = Graph(Prepare(percentiles, scale, multiple), network, Finish(segmenter.head, scale)).eval()
    try:
        traced = trace(graph, to_batch(example.image))
    except (RuntimeError, TypeError, ValueError) as error:
        raise BundleError(
            f"the network of the bundle must be one that torch can trace, got: {describe_error(error)}; train another one"
        ) from error
    return TracedModel(graph, traced, example, ranges)


def trace(module: torch.nn.Module, *given: torch.Tensor) -> torch.jit.ScriptModule:
    """A module as TorchScript, whose operations hold for tensors of any Y and X."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that tracing will be replaced, by what cannot write these sizes
        traced: torch.jit.ScriptModule = torch.jit.trace(module, given, check_trace=False)  # type: ignore[no-untyped-call]
    return traced


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise a SettingError if the settings of a prediction cannot be part of a graph."""
    if not isinstance(settings["scale"], int | float):
        raise SettingError(
            f"setting scale must be a factor to export a model, got the size {settings['scale']}; train with a factor"
        )
    if settings["tta_views"] != 1:
        raise SettingError(
            f"setting tta_views must be 1 to export a model, got {settings['tta_views']}; add --set tta_views=1, for masks "
            "without test-time augmentation"
        )


def to_batch(image: Pixels) -> torch.Tensor:
    """Grey values (Y, X) as (1, 1, Y, X) float32."""
    return torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None]


def run_torch(module: torch.nn.Module) -> Run:
    """A module as a function from grey values to maps."""

    def run(image: Pixels) -> Pixels:
        with torch.no_grad():
            maps: Pixels = module(to_batch(image))[0].numpy()
        return maps

    return run
