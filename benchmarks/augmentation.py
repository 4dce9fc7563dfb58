"""What one augmented sample costs: the bundle's single resampling against MONAI's transforms one by one, in one run.

Run: `python benchmarks/augmentation.py`. Both draw patches of 256 x 256 from the same cached image of 1024 x 1024 with its
label, on one thread, in turns.
"""

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandAffined, RandRotated, RandSpatialCropd, RandZoomd

from livecell_monai.data.sample_set import write_sample_set
from livecell_monai.workflow.opening import find_template, open_bundle

ROUNDS = 10
DRAWS = 20
KEYS = ("image", "label")
MODES = ("bilinear", "nearest")


def bundle_augmentation(folder: Path) -> tuple[Callable[[dict[str, Any]], Any], dict[str, Any]]:
    """The spatial part of the bundle's own augmentation, and a cached sample to draw from."""
    write_sample_set(folder / "cells", train=1, test=1)
    paths = {"dataset_dir": str(folder / "cells"), "output_dir": str(folder / "model")}
    settings = {"track": False, "use_borders": False}
    parser = open_bundle(find_template(), ["inference", "train"], settings, paths, workflow_type="train").parser
    parser.parse(True)
    item = parser.get_parsed_content("train#dataset")._cache[0]
    spatial: Callable[[dict[str, Any]], Any] = Compose(parser.get_parsed_content("train#augmentation")[:2])
    return spatial, item


def one_by_one() -> Callable[[dict[str, Any]], Any]:
    """Rotation, zoom and shear of the whole image, each resampling, then the crop."""
    common: dict[str, Any] = {"keys": KEYS, "mode": MODES, "prob": 1.0}
    steps: Callable[[dict[str, Any]], Any] = Compose(
        [
            RandRotated(**common, range_x=3.14159, padding_mode="reflection"),
            RandZoomd(**common, min_zoom=0.8, max_zoom=1.25, padding_mode="reflect"),
            RandAffined(**common, shear_range=(0.1, 0.1), padding_mode="reflection"),
            RandSpatialCropd(KEYS, roi_size=(256, 256), random_size=False),
        ]
    )
    return steps


def main() -> None:
    """Print both times and their ratio."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bundled, item = bundle_augmentation(Path(folder))
    sample = {key: MetaTensor(item[key].as_tensor()) for key in KEYS}
    times: dict[str, list[float]] = {"one resampling": [], "one by one": []}
    for _ in range(ROUNDS):
        for values, transform in zip(times.values(), (bundled, one_by_one()), strict=True):
            start = time.perf_counter()
            for _ in range(DRAWS):
                transform(dict(sample))
            values.append((time.perf_counter() - start) / DRAWS)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name}: {median * 1000:.1f} ms a sample, median of {ROUNDS} x {DRAWS}")
    print(f"ratio: {medians['one by one'] / medians['one resampling']:.1f}")


if __name__ == "__main__":
    main()
