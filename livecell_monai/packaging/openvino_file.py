"""OpenVINO: NAME.xml with its weights NAME.bin; with a bundle's map ranges, most convolutions run in integers of 8 bits."""

from pathlib import Path
from typing import cast

import torch

from livecell_monai.errors import BundleError, describe_error
from livecell_monai.network import Ensemble, UNet
from livecell_monai.packaging.facts import ModelFacts
from livecell_monai.packaging.model import TracedModel, to_batch, trace
from livecell_monai.packaging.parity import Run
from livecell_monai.sample import Pixels


def write_openvino(model: TracedModel, facts: ModelFacts, path: Path) -> None:
    """Write a model for OpenVINO; a BundleError if it has an operation that OpenVINO lacks, or a range is missing."""
    from livecell_monai.network import openvino_model

    image = model.example_batch
    try:
        made = openvino_model.convert(model.traced, image) if model.ranges is None else _join(model, image)
    except KeyError as error:
        raise BundleError(
            f"backend=int8 needs the range of each map in configs/metadata.json, {error.args[0]} has none; add --set "
            "backend=torch, or train again"
        ) from error
    except (RuntimeError, TypeError, ValueError) as error:  # openvino's own errors are RuntimeErrors
        raise BundleError(
            f"the network of the bundle must have operations of OpenVINO only, got: {describe_error(error)}; export it as "
            "onnx"
        ) from error
    openvino_model.save(made, path, facts.texts())


def _join(model: TracedModel, image: torch.Tensor):  # type: ignore[no-untyped-def]  # openvino has no types
    from livecell_monai.network import openvino_model

    graph = model.graph
    with torch.no_grad():
        logits = graph.network(graph.prepare(image))
    before, after = (
        openvino_model.convert(trace(part, *given), *given)
        for part, given in ((graph.prepare, (image,)), (graph.finish, (logits, image)))
    )
    return openvino_model.join_int8(before, cast(UNet | Ensemble, graph.network), model.ranges or {}, after)


def open_openvino(path: Path) -> Run:
    """The model of a file, run by OpenVINO on the CPU."""
    from livecell_monai.network import openvino_model

    infer = openvino_model.open_file(path)

    def run(image: Pixels) -> Pixels:
        maps: Pixels = infer(to_batch(image).numpy())[0]
        return maps

    return run
