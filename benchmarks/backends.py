"""The network on 1024 x 1024 with both backends and with libraries that are not built in, in turns and in one run.

Run: `python benchmarks/backends.py [BUNDLE IMAGE]`, where `openvino`, `onnx` and `onnxruntime` are installed; without a
bundle on a synthetic image, with a bundle of half a minute. A backend must be 1.3 times as fast as PyTorch to be built in.
"""

import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from page import write_section

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.metrics import score_mask
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.sample import Pixels
from livecell_monai.tasks import train

BACKENDS = ("torch", "int8")
ROUNDS, PASSES = 7, 6
QUIET = {"show_progress": False}


def export(bundle: Path, image: torch.Tensor) -> Path:
    """Write the network with its weights as ONNX, in float32, beside the bundle."""
    opened = open_bundle(bundle, ["inference"], {**QUIET, "accelerator": "cpu-fp32"}, run_id="inferring")
    network = opened.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (image,), bundle / "network.onnx", dynamo=False)
    return bundle / "network.onnx"


def _open(bundle: Path, backend: str) -> Callable[[torch.Tensor], Pixels]:
    """The network as `predict` uses it."""
    opened = open_bundle(bundle, ["inference"], {**QUIET, "backend": backend}, run_id="inferring")
    network, inferer = opened.network, opened.segmenter.inferer
    return lambda image: np.asarray(inferer(image, network))


def build(bundle: Path, image: torch.Tensor) -> dict[str, Callable[[], Pixels]]:
    """By name, what gives the logits of the image."""
    own = {name: _open(bundle, name) for name in BACKENDS}
    import openvino  # not ahead of the package's own import, which keeps it from telling its makers

    exported, array = export(bundle, image), image.numpy()
    threads = torch.get_num_threads()
    hint = "bf16" if Accelerator().bf16 else "f32"
    precision = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(exported), "CPU", precision).create_infer_request()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(exported, options)
    name = session.get_inputs()[0].name
    return {
        "PyTorch, `backend: torch`": lambda: own["torch"](image),
        "OpenVINO in 8-bit integers, `backend: int8`": lambda: own["int8"](image),
        f"OpenVINO, {hint}": lambda: np.array(compiled.infer({0: array})[0]),
        "ONNX Runtime, float32": lambda: np.asarray(session.run(None, {name: array})[0]),
    }


def main() -> None:
    """Measure, print and write the section."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if len(sys.argv) > 2:
            bundle, images = Path(sys.argv[1]), Path(sys.argv[2])
        else:
            data = write_sample_set(folder / "cells", train=3, test=1)
            bundle, images = folder / "model", data / "test" / "images"
            train(data, bundle, settings={**QUIET, "track": False, "minutes": 0.5, "scale": 1.0})
        paths = {"dataset_dir": str(images), "output_dir": str(folder / "unused")}
        opened = open_bundle(bundle, ["inference"], QUIET, paths, run_id="inferring")
        item = opened.segmenter.preprocessing(opened.images[0])
        image = item["image"].as_tensor()[None, :, :1024, :1024].contiguous()
        backends = build(bundle, image)
    torch.set_grad_enabled(False)
    seconds: dict[str, list[float]] = {name: [] for name in backends}
    masks = {name: run() > 0 for name, run in backends.items()}
    for _ in range(ROUNDS):
        for name, run in backends.items():
            start = time.perf_counter()
            for _ in range(PASSES):
                run()
            seconds[name].append((time.perf_counter() - start) / PASSES)
    own = next(iter(backends))
    lines = ["| backend | ms | times as fast | IoU with PyTorch's mask |", "| --- | --- | --- | --- |"]
    for name, found in seconds.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(seconds[own], found, strict=True))
        same = score_mask(masks[name], masks[own]).iou
        lines.append(f"| {name} | {1000 * statistics.median(found):.0f} | {ratio:.2f} | {same:.4f} |")
    print("\n".join(lines))
    write_section("Backends", "python benchmarks/backends.py", "\n".join(lines))


if __name__ == "__main__":
    main()
