"""The record of a large image: image, weights and settings that must be the same on resume, and what was measured."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from livecell_monai.data.large.source import LargeImageSource
from livecell_monai.data.large.survey import Survey, count_others
from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.prediction.large.band import IntensityRange
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.runs.ledger import STARTED_WITH
from livecell_monai.transforms import IntensityScale, NormaliseContrast

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
    path = source.stack.path
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
        "window": {"pixels": math.prod(inferer.window)} if inferer.by_area else list(inferer.window),
        "overlap": inferer.shared,
        "tta_views": len(inferer.views),
        "arithmetic": "bf16" if inferer.forward.accelerator.bf16 else "float32",
        "chunk": CHUNK,
    }


def measure_grey(source: LargeImageSource, survey: Survey, normalise: NormaliseContrast | None) -> IntensityRange:
    """How grey values become what the network sees, as of the whole image in memory.

    Args:
        source: the image.
        survey: what one pass over it has found.
        normalise: None leaves values in [0, 1].
    """
    unit = IntensityRange(survey.low, survey.high)
    if normalise is None:
        return unit

    def others(middle: float) -> tuple[torch.Tensor, torch.Tensor]:
        values, counts = count_others(source, unit.to_unit, middle)
        return torch.from_numpy(values), torch.from_numpy(counts)

    some = torch.from_numpy(unit.to_unit(survey.sample)).flatten()
    return IntensityRange(survey.low, survey.high, normalise.measure(some, others))


def grey_of(record: Mapping[str, Any]) -> IntensityRange:
    """The grey scale that a record holds under `grey`."""
    grey = record["grey"]
    return IntensityRange(grey["low"], grey["high"], None if grey["scale"] is None else IntensityScale(**grey["scale"]))


def to_record(description: Mapping[str, Any], grey: IntensityRange, pixel_size_um: tuple[float, float] | None) -> Record:
    """The record of the ledger: what must be the same on resume, and what was measured."""
    size = None if pixel_size_um is None else list(pixel_size_um)
    return {STARTED_WITH: dict(description), "grey": asdict(grey), "pixel_size_um": size}
