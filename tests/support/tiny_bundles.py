"""Bundles of a tiny network with random weights, whose masks are neither empty nor full: no training is needed."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from livecell_monai.bundle.export import write_bundle
from livecell_monai.bundle.weights import write_weights
from livecell_monai.network import Head, build_network, measure_ranges
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.settings import list_settings
from livecell_monai.transforms.intensity import NormaliseContrast
from tests.support.worlds import picture_of, some_cells

MAPS = ["foreground", "distance"]
SHAPE = ("filters", "convolutions", "down", "dropout", "residual", "stem_stride", "norm", "ensemble_size")


def write_tiny_bundle(folder: Path, **settings: Any) -> Path:
    """A bundle with other settings if some are given; half of the pixels of a picture are foreground."""
    values = {**list_settings(["inference"]), "filters": [4, 24], "maps": MAPS, "cell_diameter": 20.0, **settings}
    torch.manual_seed(0)
    network = build_network(channels=len(Head(values["maps"]).outputs), **{name: values[name] for name in SHAPE})
    image = NormaliseContrast()(torch.from_numpy(picture_of(some_cells()).astype(np.float32))[None])[None]
    network.train()(image.repeat(2, 1, 1, 1))  # the batch norms have seen something
    with torch.no_grad():
        for member in getattr(network, "members", [network]):
            logits = member.eval()(image)[0, 0]
            member.output.bias[: values["stem_stride"] ** 2] -= logits.median()
            member.output.weight *= 20  # few pixels are so close to the threshold that rounding decides
            member.output.bias *= 20
        ranges = measure_ranges(network, lambda: network(image))
    training = {**write_weights(network.state_dict(), folder / "models"), RANGES: ranges, "created": "2026-11-30"}
    write_bundle(folder, values, training, "# Model card\n\nRandom weights.\n", network.multiple)
    return folder
