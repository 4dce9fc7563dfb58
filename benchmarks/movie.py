"""Share of a movie's time that reading and writing take: 100 frames of 1024 x 1024, from file to stack of masks.

Run: `python benchmarks/movie.py [BUNDLE]`; without it with a bundle of half a minute at full scale. The same evaluator runs
over the same frames from files with its writer, and from memory without one, by turns; the share is what the first takes
longer.
"""

import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from monai.data import ThreadDataLoader
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose, LoadImaged
from page import write_section

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.data.samples.synthetic import draw_field
from livecell_monai.prediction.datasets import ReadableDataset
from livecell_monai.prediction.evaluation_step import EvaluationStep
from livecell_monai.sample import IMAGE, Pixels
from livecell_monai.tasks import train

FRAMES, DRAWN, EDGE = 100, 10, 1024  # frames, of which so many differ; pixels
ROUNDS = 3
AIM = 0.15
QUIET = {"show_progress": False}


def write_movie(path: Path, fields: list[Pixels], compression: str | None) -> None:
    """An OME-TIFF of FRAMES frames, the fields by turns."""
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as writer:
        writer.write(
            (fields[frame % len(fields)] for frame in range(FRAMES)),
            shape=(FRAMES, EDGE, EDGE),
            dtype=np.uint16,
            compression=compression,
            photometric="minisblack",
            metadata={"axes": "TYX", "TimeIncrement": 5.0, "TimeIncrementUnit": "min"},
        )


def open_movie(bundle: Path, movie: Path, output: Path) -> Any:
    """The bundle opened for a movie, its weights loaded."""
    paths = {"dataset_dir": str(movie), "output_dir": str(output)}
    workflow = open_bundle(bundle, ["inference"], {**QUIET, "overwrite": True}, paths, run_id="inferring")
    workflow.initialize()
    return workflow


def hold(parser: Any) -> Any:
    """The evaluator over the same frames in memory, as they were read, and without a writer."""
    steps = parser.get_parsed_content("preprocessing").transforms
    load = Compose([step for step in steps if isinstance(step, LoadImaged)])
    rest = Compose([step for step in steps if not isinstance(step, LoadImaged)])
    frames = [load(dict(item)) for item in parser.get_parsed_content("items")]
    return SupervisedEvaluator(
        device=parser.get_parsed_content("device"),
        val_data_loader=ThreadDataLoader(ReadableDataset(frames, rest), batch_size=1, num_workers=0),
        network=parser.get_parsed_content("network"),
        inferer=parser.get_parsed_content("inferer"),
        iteration_update=EvaluationStep(parser.get_parsed_content("segmenter")),
        decollate=False,
    )


def time_network(parser: Any, images: list[torch.Tensor]) -> float:
    """Seconds of the network alone, on what it is given of each frame."""
    network, inferer = parser.get_parsed_content("network"), parser.get_parsed_content("inferer")
    start = time.perf_counter()
    with torch.no_grad():
        for image in images:
            inferer(image[None], network)
    return time.perf_counter() - start


def measure(bundle: Path, movie: Path, folder: Path) -> list[float]:
    """Seconds from file to file, in memory, of the network alone; share of reading and writing: medians of the rounds."""
    parser = open_movie(bundle, movie, folder / "unused").workflow.parser
    in_memory = hold(parser)
    images = [item[IMAGE].as_tensor() for item in parser.get_parsed_content("dataset")]
    rows = []
    for index in range(ROUNDS + 1):
        workflow = open_movie(bundle, movie, folder / "masks")
        start = time.perf_counter()
        workflow.run()
        whole = time.perf_counter() - start
        start = time.perf_counter()
        in_memory.run()
        alone = time.perf_counter() - start
        if index > 0:
            rows.append((whole, alone, time_network(parser, images), 1 - alone / whole))
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def main() -> None:
    """Measure, print and write the section."""
    logging.disable(logging.WARNING)
    kinds = {"deflated": "zlib", "not compressed": None}
    lines = [
        "| movie, OME-TIFF | files to files | in memory | network alone | reading and writing | aim |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if len(sys.argv) > 1:
            bundle = Path(sys.argv[1])
        else:
            bundle = folder / "model"
            data = write_sample_set(folder / "cells", train=3, test=1)
            train(data, bundle, settings={**QUIET, "track": False, "minutes": 0.5, "scale": 1.0})
        rng = np.random.default_rng(0)
        fields: list[Pixels] = [draw_field((EDGE, EDGE), rng=rng).image for _ in range(DRAWN)]
        for words, compression in kinds.items():
            movie = folder / "movie.ome.tif"
            write_movie(movie, fields, compression)
            *seconds, share = measure(bundle, movie, folder)
            times = " | ".join(f"{number:.2f} s" for number in seconds)
            lines.append(f"| {words} | {times} | {100 * share:.1f} % | {100 * AIM:.0f} % |")
    print("\n".join(lines))
    write_section("Movies", "python benchmarks/movie.py", "\n".join(lines))


if __name__ == "__main__":
    main()
