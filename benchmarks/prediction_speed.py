"""Masks per second from files to files with both backends, against plain MONAI in one run; FLOP/s; memory; growth.

Run: `python benchmarks/prediction_speed.py [BUNDLE IMAGES]`; without them on a synthetic set, with a bundle of half a minute
at full scale. Plain MONAI is the same network in float32 and torch's own memory format under `SlidingWindowInferer`, windows
of 256 with an overlap of 0.5, one image at a time, as its tutorials have it.
"""

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose
from page import measure_memory, measure_product, write_section
from torch.utils.flop_counter import FlopCounterMode

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.metrics import score_mask
from livecell_monai.tasks import predict, train
from livecell_monai.transforms import restore_grid

BACKENDS = ("torch", "int8")
ROUNDS = 3
QUIET = {"show_progress": False}
EDGES = (512, 1024, 2048, 4096, 8192)


def open_inference(bundle: Path, images: Path, **settings: Any) -> Any:
    """The bundle's parser with its weights loaded."""
    paths = {"dataset_dir": str(images), "output_dir": str(bundle / "unused")}
    workflow = open_bundle(bundle, ["inference"], {**QUIET, **settings}, paths, run_id="inferring")
    workflow.initialize()
    return workflow.workflow.parser


def predict_plainly(bundle: Path, images: Path, output: Path) -> None:
    """Plain MONAI: fp32, small windows, read, predict and write in turn."""
    parser = open_inference(bundle, images, accelerator="cpu-fp32")
    read = Compose(parser.get_parsed_content("preprocessing").transforms)
    segmenter = parser.get_parsed_content("segmenter")
    network = parser.get_parsed_content("network_def").to(memory_format=torch.contiguous_format).eval()
    inferer = SlidingWindowInferer((256, 256), sw_batch_size=1, overlap=0.5, mode="gaussian", padding_mode="replicate")
    output.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        for item in parser.get_parsed_content("items"):
            sample = read(dict(item))
            logits = inferer(sample["image"].as_tensor()[None], network)[0]
            mask = segmenter.mask_of(torch.sigmoid(restore_grid(logits, tuple(sample["grid"].tolist()))))[0].numpy()
            tifffile.imwrite(output / f"{item['name']}.tif", mask.astype(np.uint8) * 255, compression="zlib")


def compare(bundle: Path, images: Path, folder: Path) -> dict[str, tuple[float, float, float]]:
    """By backend (images per second, ratio to plain MONAI's, IoU of their masks), rounds in turns."""

    def by(backend: str) -> Callable[[Path], Any]:
        return lambda output: predict(bundle, [images], output, {**QUIET, "backend": backend, "overwrite": True})

    ways: dict[str, Callable[[Path], Any]] = {backend: by(backend) for backend in BACKENDS}
    ways["plain"] = lambda output: predict_plainly(bundle, images, output)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for index in range(ROUNDS + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way(folder / name)
            if index > 0:
                seconds[name].append(time.perf_counter() - start)
    masks = sorted((folder / "plain").glob("*.tif"))
    found = {}
    for backend in BACKENDS:
        same = [score_mask(tifffile.imread(folder / backend / path.name) > 0, tifffile.imread(path)).iou for path in masks]
        ratio = statistics.median(b / a for a, b in zip(seconds[backend], seconds["plain"], strict=True))
        found[backend] = len(masks) / statistics.median(seconds[backend]), ratio, statistics.mean(same)
    return found


def measure_flops(parser: Any) -> float:
    """Share of a large bf16 matrix product's FLOP/s that the network reaches on 1024 x 1024."""
    network, inferer = parser.get_parsed_content("network"), parser.get_parsed_content("inferer")
    image = torch.rand(1, 1, 1024, 1024)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        inferer(image, network)
    operations = float(counter.get_total_flops())
    shares = []
    for _ in range(ROUNDS):
        product = measure_product() * 1e9
        start = time.perf_counter()
        with torch.no_grad():
            for _ in range(5):
                inferer(image, network)
        shares.append(5 * operations / (time.perf_counter() - start) / product)
    return statistics.median(shares)


def measure_growth(parser: Any) -> list[tuple[float, float]]:
    """(megapixels, milliseconds per megapixel) of the network over images of growing size."""
    network, inferer = parser.get_parsed_content("network"), parser.get_parsed_content("inferer")
    found = []
    for edge in EDGES:
        image = torch.rand(1, 1, edge, edge)
        times = []
        with torch.no_grad():
            for _ in range(1 + max(3, 4096 // edge)):
                start = time.perf_counter()
                inferer(image, network)
                times.append(time.perf_counter() - start)
        found.append((edge**2 / 1e6, 1e9 * min(times[1:]) / edge**2))
    return found


def main() -> None:
    """Measure, print and write the section."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if len(sys.argv) > 2:
            bundle, images = Path(sys.argv[1]), Path(sys.argv[2])
        else:
            data = write_sample_set(folder / "cells", train=3, test=12)
            bundle, images = folder / "model", data / "test" / "images"
            train(data, bundle, settings={**QUIET, "track": False, "minutes": 0.5, "scale": 1.0})
        command = "predict", str(bundle), str(next(images.iterdir())), "--output", str(folder / "one")
        memory = measure_memory(sys.executable, "-m", "livecell_monai.cli", *command)
        compared = compare(bundle, images, folder)
        parser = open_inference(bundle, images)
        flops, growth = measure_flops(parser), measure_growth(parser)
    slopes = [cost for _, cost in growth]
    lines = [
        "| what | measured | aim |",
        "| --- | --- | --- |",
        *(
            row
            for backend, (rate, ratio, same) in compared.items()
            for row in (
                f"| images per second, files in and masks out, `backend: {backend}` | {rate:.1f} | |",
                f"| times as fast as plain MONAI | {ratio:.1f} | 5 |",
                f"| IoU between the two masks | {same:.4f} | 0.995 |",
            )
        ),
        f"| FLOP/s relative to a large bf16 matrix product | {flops:.2f} | 0.5 |",
        f"| resident memory, one image | {memory:.0f} MB | 1000 MB |",
        *(f"| ms per megapixel at {size:.2f} megapixels | {cost:.0f} | |" for size, cost in growth),
        f"| largest of these over smallest | {max(slopes) / min(slopes):.2f} | 1.15 |",
    ]
    print("\n".join(lines))
    write_section("Speed of prediction", "python benchmarks/prediction_speed.py", "\n".join(lines))


if __name__ == "__main__":
    main()
