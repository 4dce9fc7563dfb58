"""ONNX: one file with weights and facts, of opset 18, for ONNX Runtime and whatever reads ONNX.

Input `image` (batch, 1, y, x) float32, output `maps` (batch, channels, y, x) float32; batch, y and x are free.
"""

import warnings
from pathlib import Path

import torch

from livecell_monai.errors import BundleError, describe_error
from livecell_monai.packaging.facts import ModelFacts
from livecell_monai.packaging.model import TracedModel, to_batch
from livecell_monai.packaging.parity import Run
from livecell_monai.sample import Pixels

OPSET = 18
INPUT, OUTPUT = "image", "maps"  #: names of the tensors
FREE = {0: "batch", 2: "y", 3: "x"}  #: axes of any size


def write_onnx(model: TracedModel, facts: ModelFacts, path: Path) -> None:
    """Write a model as ONNX; a BundleError if it has an operation that ONNX lacks."""
    import onnx

    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter; what it writes is checked below
            torch.onnx.export(
                model.traced,
                (model.example_batch,),
                str(path),
                dynamo=False,  # the other one fixes the sizes that depend on the image
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: FREE, OUTPUT: FREE},
            )
    except (RuntimeError, TypeError, ValueError) as error:  # torch.onnx's errors are RuntimeErrors
        raise BundleError(
            f"the network of the bundle must have operations of ONNX only, got: {describe_error(error)}; export it as "
            "torchscript"
        ) from error
    written = onnx.load(str(path))
    texts = facts.texts()
    written.producer_name, written.doc_string = texts["producer"], texts["description"]
    onnx.helper.set_model_props(written, texts)
    onnx.checker.check_model(written)
    onnx.save(written, str(path))


def open_onnx(path: Path) -> Run:
    """The model of a file, run by ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(image: Pixels) -> Pixels:
        maps: Pixels = session.run([OUTPUT], {INPUT: to_batch(image).numpy()})[0][0]
        return maps

    return run
