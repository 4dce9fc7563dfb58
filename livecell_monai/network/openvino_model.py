"""OpenVINO models of a whole graph: converted from a trace, joined with a network in 8-bit integers, saved and run."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from livecell_monai.network.int8 import build_model, compile_model, get_core, openvino
from livecell_monai.network.map_ranges import Range
from livecell_monai.network.unet import Ensemble, UNet

INPUT, OUTPUT = "image", "maps"  #: names of the tensors


def convert(traced: torch.jit.ScriptModule, *examples: torch.Tensor) -> openvino.Model:
    """The model of a trace whose inputs have four axes of any size; a RuntimeError if OpenVINO lacks an operation."""
    free = openvino.PartialShape([-1, -1, -1, -1])
    given = examples[0] if len(examples) == 1 else examples
    root = logging.getLogger()
    before = root.level, root.handlers[:], root.filters[:]
    try:
        return openvino.convert_model(traced, example_input=given, input=[(free, np.float32)] * len(examples))
    except openvino.frontend.OpConversionFailure as error:
        raise RuntimeError(str(error).split("Summary:")[-1]) from error
    finally:  # it sets up logging of its own, and leaves it so if it fails: warnings of this process would be lost
        root.setLevel(before[0])
        root.handlers[:], root.filters[:] = before[1:]


def join_int8(
    before: openvino.Model, network: UNet | Ensemble, ranges: Mapping[str, Range], after: openvino.Model
) -> openvino.Model:
    """A network in 8-bit integers between what comes before it and after it; a KeyError if the range of a map is missing.

    `before` makes the network's input of the image. `after` makes the maps of the logits and the image, in this order.
    """
    middle = build_model(network, ranges)
    image = before.get_parameters()[0]
    links = (
        (middle.get_parameters()[0], before.get_results()[0].input_value(0)),
        (after.get_parameters()[0], middle.get_results()[0].input_value(0)),
        (after.get_parameters()[1], image.output(0)),
    )
    for parameter, source in links:
        for target in parameter.output(0).get_target_inputs():
            target.replace_source_output(source)
    return openvino.Model(after.get_results(), [image])


def save(model: openvino.Model, path: Path, facts: Mapping[str, str]) -> None:
    """Write a model as PATH (.xml) with its weights beside it (.bin), in float32, and with facts that `rt_info` holds."""
    model.inputs[0].get_tensor().set_names({INPUT})
    model.outputs[0].get_tensor().set_names({OUTPUT})
    for name, value in facts.items():
        model.set_rt_info(value, ["livecell", name])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def open_file(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The model of a file: maps (B, C, Y, X) of images (B, 1, Y, X), on the CPU."""
    request = compile_model(get_core().read_model(str(path)), torch.get_num_threads())

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        maps: NDArray[np.float32] = request.infer({0: images})[0].copy()
        return maps

    return run
