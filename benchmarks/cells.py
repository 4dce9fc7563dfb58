"""What cells cost: a training with their map over one without, a prediction with cells and their table over masks alone.

Run: `python benchmarks/cells.py [EDGE]`; EDGE, 20,000 by default, is that of a large image of repeated synthetic cells. Both
sides take turns in one run. The bundle is trained for a minute at full scale, so that its cells are cells and not noise.
"""

import logging
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tifffile
from large_images import QUIET, measure_command, write_large_image
from page import write_section
from training_speed import open_training, real

from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.tasks import predict, train

ROUNDS = 5
STEP_ROUNDS = 15  # of trainings, which take a second and a half each
MAPS = (["foreground"], ["foreground", "distance"])
IMAGES = 12


def compare_steps(data: Path, folder: Path) -> float:
    """Seconds of a training with the map over those without, median of rounds that take turns."""
    size = {"samples_per_epoch": 96, "epochs": STEP_ROUNDS + 1}
    rounds = [real(open_training(data, folder / f"trained_{len(maps)}", maps=maps, **size)) for maps in MAPS]
    for run in rounds:
        run()  # the first reads the images
    return median_ratio(rounds[1], rounds[0], STEP_ROUNDS)


def median_ratio(one: Callable[[], float], other: Callable[[], float], rounds: int) -> float:
    """Median of the seconds of one over those of the other."""
    return statistics.median(one() / other() for _ in range(rounds))


def compare_predictions(bundle: Path, images: Path, folder: Path) -> float:
    """Images per second with cells and their table over those of masks alone."""

    def run(cells: bool) -> Callable[[], float]:
        def predicted() -> float:
            start = time.perf_counter()
            predict(bundle, [images], folder / "predicted", {**QUIET, "cells": cells})
            took = time.perf_counter() - start
            shutil.rmtree(folder / "predicted")
            return took

        return predicted

    run(True)()
    return median_ratio(run(False), run(True), ROUNDS)


def main() -> None:
    """Measure, print and write the section."""
    logging.disable(logging.WARNING)
    edge = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = write_sample_set(folder / "cells", train=3, test=IMAGES)
        steps = compare_steps(data, folder)
        train(data, folder / "model", settings={**QUIET, "track": False, "minutes": 1.0, "scale": 1.0})
        small = compare_predictions(folder / "model", data / "test" / "images", folder)
        image = write_large_image(folder / "large.tif", edge, tifffile.imread(next((data / "test" / "images").iterdir())))
        found: dict[str, tuple[float, float]] = {}
        for out in ("masks", "cells"):
            found[out] = measure_command(folder / "model", image, folder / out, cells=out == "cells")
        with open(folder / "cells" / "cells.csv", encoding="utf-8") as table:
            count = sum(1 for _ in table) - 1
    lines = [
        "| what | measured | aim |",
        "| --- | --- | --- |",
        f"| seconds of a training step with the map over one without | {steps:.3f} | at most 1.05 |",
        f"| images per second with cells and table over masks alone, {IMAGES} images | {small:.2f} | 0.8 |",
        f"| {edge:,} x {edge:,} with {count:,} cells: resident memory | {found['cells'][0]:.0f} MB | 1600 MB |",
        f"| the same, masks alone | {found['masks'][0]:.0f} MB | |",
        f"| megapixels per second with cells | {edge**2 / 1e6 / found['cells'][1]:.2f} | |",
        f"| megapixels per second with cells over masks alone | {found['masks'][1] / found['cells'][1]:.2f} | 0.7 |",
    ]
    print("\n".join(lines))
    write_section("What cells cost", " ".join(["python benchmarks/cells.py", *sys.argv[1:]]), "\n".join(lines))


if __name__ == "__main__":
    main()
