"""A predicted frame on disk, for another process to write in its turn: arrays and JSON in one NumPy archive, no pickle."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from livecell_monai.outputs.base import Frame, Prediction
from livecell_monai.runs.atomic import writing_errors

MASK, CELLS, FACTS, MAP = "mask", "cells", "facts", "map."


def keep_frame(path: Path, prediction: Prediction) -> None:
    """Write a frame of a movie; a DataError names the file if the disk is full."""
    facts = {
        "name": prediction.name,
        "source": str(prediction.source),
        "pixel_size_um": prediction.pixel_size_um,
        "seconds": prediction.seconds,
        "frame": None if prediction.frame is None else asdict(prediction.frame),
        "problem": prediction.problem,
        "own": dict(prediction.own),
        "maps": list(prediction.maps),
    }
    arrays = {f"{MAP}{index}": plane for index, plane in enumerate(prediction.maps.values())}
    arrays |= {MASK: prediction.mask, FACTS: np.array(json.dumps(facts))}
    if prediction.cells is not None:
        arrays[CELLS] = prediction.cells
    with writing_errors(path), open(path, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_frame(path: Path) -> Prediction:
    """The frame that `keep_frame` has written."""
    with np.load(path, allow_pickle=False) as archive:
        facts = json.loads(str(archive[FACTS]))
        size, frame = facts["pixel_size_um"], facts["frame"]
        return Prediction(
            name=facts["name"],
            source=Path(facts["source"]),
            mask=archive[MASK],
            maps={name: archive[f"{MAP}{index}"] for index, name in enumerate(facts["maps"])},
            pixel_size_um=None if size is None else (size[0], size[1]),
            seconds=facts["seconds"],
            frame=None if frame is None else Frame(**frame),
            cells=archive.get(CELLS),
            problem=facts["problem"],
            own=facts["own"],
        )
