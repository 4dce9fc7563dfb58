"""Images per second on workers of this machine, what Dask costs beside a plain loop, and what an image costs by its size.

Run: `python benchmarks/scale.py [BUNDLE]`; without it with one of half a minute on a synthetic set. Ratios are of one run,
with the rounds in turns, on workers that have loaded the model; each worker is bound to one core and has one thread.
"""

import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from page import write_section

from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.distributed.dask.predicting import MOST

ROUNDS = 3
IMAGES = 100
EDGES = (512, 1024, 2048, 4096, 8192)
NULL_TASKS = 5000
TARGET, NODES, CORES = 10_000_000, 20, 32
QUIET = {"show_progress": False, "tiling_min_megapixels": 1000.0}
Seconds = list[float]


def write_images(folder: Path, source: Path, edge: int, count: int) -> Path:
    """Images of so many pixels along an edge, mirrored copies of one, so that each is an image like any other."""
    folder.mkdir(parents=True)
    pixels = tifffile.imread(source)
    pads = [(0, max(0, edge - length)) for length in pixels.shape]
    tiled = np.pad(pixels, pads, mode="symmetric")[:edge, :edge]
    for index in range(count):
        tifffile.imwrite(folder / f"image_{index:04d}.tif", np.roll(tiled, 37 * index, axis=1))
    return folder


@contextmanager
def open_workers(bundle: Path, count: int, folder: Path, images: Path) -> Iterator[Any]:
    """A call that predicts images on so many workers of one core, which have loaded the model; and the workers."""
    from livecell_monai.bundle.open import open_bundle
    from livecell_monai.distributed.dask import Job, connect, predict_distributed

    numbers = iter(range(10_000))

    def predict(path: Path) -> float:
        output = folder / f"on_{count}_{next(numbers)}"
        settings = {**QUIET, "overwrite": True}
        paths = {"dataset_dir": str(path), "output_dir": str(output)}
        workflow = open_bundle(bundle, ["inference"], settings, paths, run_id="inferring")
        workflow.initialize()
        start = time.perf_counter()
        found.threads = 1
        predict_distributed(workflow, Job(str(bundle), str(output), json.dumps(settings)), found)
        return time.perf_counter() - start

    with connect(count) as found:
        cores = sorted(os.sched_getaffinity(0))
        for number, address in enumerate(sorted(found.client.nthreads())):
            found.client.run(os.sched_setaffinity, 0, {cores[number]}, workers=[address])
        predict(images)  # loads the model
        yield predict, found


def time_plain(bundle: Path, images: Path, folder: Path) -> None:
    """A child of one thread that predicts by the plain loop at each line it gets, and prints the seconds."""
    import torch

    from livecell_monai.bundle.open import open_bundle

    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # reading and writing beside the network share its core
    for number, _ in enumerate(sys.stdin):
        output = folder / f"plain_{number}"
        paths = {"dataset_dir": str(images), "output_dir": str(output)}
        workflow = open_bundle(bundle, ["inference"], QUIET, paths, run_id="inferring")
        workflow.initialize()
        start = time.perf_counter()
        workflow.run()
        print(time.perf_counter() - start, flush=True)


@contextmanager
def open_plain(bundle: Path, images: Path, folder: Path) -> Iterator[Any]:
    """A call that predicts the images by the plain loop, in a process of one thread that stays."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--plain", str(bundle), str(images), str(folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **one})
    asked, told = child.stdin, child.stdout
    assert asked is not None
    assert told is not None

    def predict() -> float:
        asked.write("again\n")
        asked.flush()
        return float(told.readline())

    predict()
    yield predict
    asked.close()
    child.wait()


def compare(bundle: Path, images: Path, folder: Path) -> dict[str, Seconds]:
    """Seconds for all images by the plain loop and on one worker, then on one and on two, rounds in turns."""
    found: dict[str, Seconds] = {"plain": [], "one": [], "beside": [], "two": []}
    with open_workers(bundle, 1, folder, images) as (one, _):
        with open_plain(bundle, images, folder) as plain:
            for _ in range(ROUNDS):
                found["plain"].append(plain())
                found["one"].append(one(images))
        with open_workers(bundle, 2, folder, images) as (two, _):  # later: idle ones would share the core of the others
            for _ in range(ROUNDS):
                found["beside"].append(one(images))
                found["two"].append(two(images))
    return found


def measure_sizes(bundle: Path, source: Path, folder: Path) -> tuple[list[tuple[float, float]], float]:
    """(megapixels, seconds for an image) on one worker, and tasks per second of a model that does nothing."""
    found = []
    small = write_images(folder / "warm", source, EDGES[0], 2)
    with open_workers(bundle, 1, folder, small) as (predict, workers):
        for edge in EDGES:
            count = max(1, min(32, 2 * 4096 * 4096 // edge**2 // 2))
            images = write_images(folder / f"edge_{edge}", source, edge, count)
            predict(images)
            found.append((edge**2 / 1e6, min(predict(images) for _ in range(2)) / count))
        start = time.perf_counter()
        futures = workers.client.map(_do_nothing, range(NULL_TASKS), pure=False)
        workers.client.gather(futures)
        return found, NULL_TASKS / (time.perf_counter() - start)


def _do_nothing(number: int) -> int:
    return number


def describe(times: dict[str, Seconds], sizes: list[tuple[float, float]], rate: float) -> str:
    """The tables, the line through the sizes, and what ten million images need by them."""
    speed = {name: IMAGES / statistics.median(seconds) for name, seconds in times.items()}
    gain = statistics.median(one / two for one, two in zip(times["beside"], times["two"], strict=True))
    overhead = statistics.median(one / plain - 1 for plain, one in zip(times["plain"], times["one"], strict=True))
    pixels, seconds = np.array(sizes).T
    slope, offset = np.polyfit(pixels, seconds, 1, w=1 / seconds)
    cores = TARGET / speed["one"] / 3600
    hours = TARGET / (speed["two"] / 2 * NODES * CORES) / 3600
    tasks = speed["two"] / 2 * NODES * CORES / MOST
    return "\n".join(
        [
            f"| {IMAGES} images of 1024 x 1024, uint16, files in and masks out | measured | aim |",
            "| --- | --- | --- |",
            f"| plain loop, one thread | {speed['plain']:.2f} images/s | |",
            f"| one worker of one core | {speed['one']:.2f} images/s | |",
            f"| two workers of one core each | {speed['two']:.2f} images/s | |",
            f"| two workers over one, median of {ROUNDS} rounds | {gain:.2f} | 1.7 |",
            f"| one worker's time relative to the plain loop | {100 * overhead:+.1f} % | at most +5 % |",
            f"| tasks per second with a model that does nothing, one worker | {rate:.0f} | |",
            "",
            "| megapixels | s for an image, one worker of one core | s per megapixel |",
            "| --- | --- | --- |",
            *(f"| {size:.2f} | {cost:.3f} | {cost / size:.3f} |" for size, cost in sizes),
            "",
            f"Linear fit: {offset:.3f} s per image and {slope:.4f} s per megapixel.",
            "",
            f"{TARGET:,} images of 1024 x 1024 would take {cores:,.0f} hours of one core that works alone. On {NODES} nodes "
            f"of {CORES} cores each they would take {hours:.1f} hours, if the cores there slow each other as these two do. "
            f"The scheduler would then hand out {tasks:.0f} tasks of {MOST} images per second.",
        ]
    )


def main() -> None:
    """Measure, print and write the section."""
    if sys.argv[1:2] == ["--plain"]:
        time_plain(*(Path(part) for part in sys.argv[2:5]))
        return
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = write_sample_set(folder / "cells", train=3, test=1)
        source = next((data / "test" / "images").iterdir())
        bundle = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else folder / "model"
        if len(sys.argv) < 2:
            from livecell_monai.tasks import train

            train(data, bundle, settings={"show_progress": False, "track": False, "minutes": 0.5, "scale": 1.0})
        images = write_images(folder / "images", source, 1024, IMAGES)
        times = compare(bundle, images, folder)
        sizes, rate = measure_sizes(bundle, source, folder)
    text = describe(times, sizes, rate)
    print(text)
    write_section("Many images", "python benchmarks/scale.py", text)


if __name__ == "__main__":
    main()
