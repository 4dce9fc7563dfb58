"""Memory of the command that predicts a large image, at two sizes; its pixels per second over those of the network alone.

Run: `python benchmarks/large_images.py`. The images are repeated synthetic cells, uint16, in uncompressed tiled BigTIFFs (4
GB of disk). The bundle is trained for a minute, so that masks are cells and not noise. For the network alone, as many
windows of the same size are in memory already, in the same process, in turns with the large image: with all cores on one
window, and with two windows at once on half of the cores each; the faster of the two counts. Its size is 10,000 x 10,000,
the least favourable of the three: fixed costs, such as opening the bundle, weigh most on it.
"""

import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from page import write_section

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.prediction.streams import STREAMS, shared_cores
from livecell_monai.sample import Pixels
from livecell_monai.tasks import predict, train

EDGES = (20_000, 40_000)
SPEED_EDGE = 10_000
ROUNDS = 5
TILE = 512
QUIET: dict[str, Any] = {"show_progress": False}


def write_large_image(path: Path, edge: int, cells: Pixels) -> Path:
    """A tiled BigTIFF of cells (Y, X) uint16, repeated."""
    repeated = np.tile(cells, [-(-(TILE + size) // size) for size in cells.shape])

    def tiles() -> Iterator[Pixels]:
        for top in range(0, edge, TILE):
            for left in range(0, edge, TILE):
                first, start = top % cells.shape[0], left % cells.shape[1]
                yield repeated[first : first + TILE, start : start + TILE]

    resolution: dict[str, Any] = {"resolution": (1e4, 1e4), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        tif.write(tiles(), shape=(edge, edge), dtype=np.uint16, tile=(TILE, TILE), metadata=None, **resolution)
    return path


def measure_command(bundle: Path, image: Path, output: Path, **settings: Any) -> tuple[float, float]:
    """(MB of resident memory at most, seconds) of the command that predicts one large image."""
    given = [option for name, value in {**QUIET, **settings}.items() for option in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "livecell_monai.cli", "predict", str(bundle), str(image), "-o", str(output), *given]
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:  # of the process by itself: what a wait reports holds the memory of its parent too
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
            time.sleep(0.1)
    assert process.returncode == 0, command
    return peak / 1024, time.perf_counter() - start


def measure_alone(network: Any, inferer: Any, streams: int) -> float:
    """Megapixels per second of the network on as many windows in memory as the large image has, so many at once."""
    rows, columns = inferer.windows.cover((SPEED_EDGE, SPEED_EDGE))
    window, count = torch.rand(1, 1, rows.size, columns.size), len(rows.starts) * len(columns.starts)

    @torch.no_grad()
    def look(_: int) -> None:
        inferer.forward(window, network)

    start = time.perf_counter()
    with shared_cores(streams), ThreadPoolExecutor(streams) as threads:
        deque(threads.map(look, range(count)), maxlen=0)
    return count * window.numel() / (time.perf_counter() - start) / 1e6


def measure_speed(bundle: Path, image: Path, folder: Path) -> list[tuple[float, float]]:
    """(megapixels per second of the large image, of the network alone) by round."""
    paths = {"dataset_dir": str(image), "output_dir": str(folder / "unused")}
    workflow = open_bundle(bundle, ["inference"], {**QUIET, "tiling_min_megapixels": 1e9}, paths)
    workflow.initialize()
    network, inferer = workflow.network, workflow.segmenter.inferer
    found = []
    for index in range(ROUNDS):
        start = time.perf_counter()
        predict(bundle, [image], folder / f"round_{index}", QUIET)
        large = SPEED_EDGE**2 / (time.perf_counter() - start) / 1e6
        found.append((large, max(measure_alone(network, inferer, streams) for streams in (1, STREAMS))))
    return found


def main() -> None:
    """Measure, print and write the section."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = write_sample_set(folder / "cells", train=3, test=1)
        train(data, folder / "model", settings={**QUIET, "track": False, "minutes": 1.0, "scale": 1.0})
        cells = tifffile.imread(next((data / "test" / "images").iterdir()))
        speeds = measure_speed(folder / "model", write_large_image(folder / "speed.tif", SPEED_EDGE, cells), folder)
        rows = []
        for edge in EDGES:
            image = write_large_image(folder / f"edge_{edge}.tif", edge, cells)
            memory, seconds = measure_command(folder / "model", image, folder / f"out_{edge}")
            rows.append((edge, memory, seconds))
            image.unlink()
            shutil.rmtree(folder / f"out_{edge}")
    ratio = sorted(large / alone for large, alone in speeds)[ROUNDS // 2]
    large, alone = (sorted(speed[which] for speed in speeds)[ROUNDS // 2] for which in (0, 1))
    lines = [
        "| what | measured | aim |",
        "| --- | --- | --- |",
        *(
            f"| resident memory, {edge:,} x {edge:,} uint16 ({took:.0f} s) | {memory:.0f} MB | |"
            for edge, memory, took in rows
        ),
        f"| larger image over smaller image | {rows[-1][1] / rows[0][1]:.3f} | at most 1.1, and 1500 MB |",
        f"| megapixels per second, file in and mask out, {SPEED_EDGE:,} x {SPEED_EDGE:,} | {large:.1f} | |",
        f"| megapixels per second of the network alone, windows in memory | {alone:.1f} | |",
        f"| large image over network alone, median of {ROUNDS} rounds | {ratio:.2f} | 0.8 |",
    ]
    print("\n".join(lines))
    write_section("Large images", "python benchmarks/large_images.py", "\n".join(lines))


if __name__ == "__main__":
    main()
