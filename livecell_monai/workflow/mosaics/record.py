"""What a mosaic is: image, weights and settings, and what was measured of the whole; plain values for a file in JSON."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from livecell_monai.data.mosaics import CHUNK, MosaicSource, Survey, count_others
from livecell_monai.transforms import GreyScale, NormaliseContrast
from livecell_monai.workflow.inferers import WindowInferer
from livecell_monai.workflow.mosaics.band import Grey

Record = dict[str, Any]


def describe_mosaic(source: MosaicSource, inferer: WindowInferer, weights: str, settings: Mapping[str, Any]) -> Record:
    """What must be the same when a mosaic is gone on with, by the name that a refusal gives it.

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
        "views": len(inferer.views),
        "arithmetic": "bf16" if inferer.forward.accelerator.bf16 else "float32",
        "chunk": CHUNK,
    }


def measure_grey(source: MosaicSource, survey: Survey, normalise: NormaliseContrast | None) -> Grey:
    """How grey values become what the network sees, as of the whole image in memory.

    Args:
        source: the image.
        survey: what one pass over it has found.
        normalise: None leaves values in [0, 1].
    """
    unit = Grey(survey.low, survey.high)
    if normalise is None:
        return unit

    def others(middle: float) -> tuple[torch.Tensor, torch.Tensor]:
        values, counts = count_others(source, unit.to_unit, middle)
        return torch.from_numpy(values), torch.from_numpy(counts)

    some = torch.from_numpy(unit.to_unit(survey.sample)).flatten()
    return Grey(survey.low, survey.high, normalise.measure(some, others))


def grey_of(record: Mapping[str, Any]) -> Grey:
    """The grey scale that a record holds under `grey`."""
    grey = record["grey"]
    return Grey(grey["low"], grey["high"], None if grey["scale"] is None else GreyScale(**grey["scale"]))


def to_record(description: Mapping[str, Any], grey: Grey, pixel_size_um: tuple[float, float] | None) -> Record:
    """The description with what was measured."""
    size = None if pixel_size_um is None else list(pixel_size_um)
    return {**description, "grey": asdict(grey), "pixel_size_um": size}
