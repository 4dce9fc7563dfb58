"""The record of a large image: image, weights and settings that must be the same on resume, and what was measured."""

import math
from collections.abc import Mapping
from typing import Any

from livecell_monai.data.large import LargeImageSource
from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.runs.ledger import STARTED_WITH

Record = dict[str, Any]


def describe_large_image(
    source: LargeImageSource, inferer: WindowInferer, weights: str, settings: Mapping[str, Any]
) -> Record:
    """What must be the same on resume, by name.

    Args:
        source: the image.
        inferer: where windows lie, and in which arithmetic.
        weights: SHA-256 of the network's weights.
        settings: those that change a mask, by name.
    """
    path, plan = source.stack.path, inferer.windows
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    states = [file.stat() for file in files]
    return {
        "image": {
            "file": path.name,
            "plane": source.plane,
            "shape": list(source.shape),
            "bytes": sum(state.st_size for state in states),
            "changed": max(state.st_mtime_ns for state in states),
        },
        "weights": weights,
        **settings,
        "window": {"pixels": math.prod(plan.largest)} if plan.by_area else list(plan.largest),
        "overlap": plan.overlap,
        "tta_views": len(inferer.forward.views),
        "arithmetic": "bf16" if inferer.forward.is_bf16 else "float32",
        "chunk": CHUNK,
    }


def to_record(description: Mapping[str, Any], facts: Mapping[str, Any], pixel_size_um: tuple[float, float] | None) -> Record:
    """The record of the ledger: what must be the same on resume, and what was measured."""
    size = None if pixel_size_um is None else list(pixel_size_um)
    return {STARTED_WITH: dict(description), "facts": dict(facts), "pixel_size_um": size}
