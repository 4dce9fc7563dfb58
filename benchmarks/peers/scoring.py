"""The scorer of all peers: what one left of the test images, against their labels, as `livecell evaluate` scores."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.cells.distance import has_ids
from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.plane_files import write_plane
from livecell_monai.data.readers.kinds import read_label
from livecell_monai.metrics import Scores, measure_scores, summarise_scores
from livecell_monai.plan.fingerprint import measure_fingerprint
from livecell_monai.plan.recipe import plan_training
from livecell_monai.sample import Pixels
from peers.interface import CELLS, SECONDS

SCORES = ("ap50", "pq", "seg", "count_error", "iou")  #: columns of the table
WITH_INTERVAL = ("ap50", "iou")  # in brackets


@dataclass(frozen=True)
class Result:
    """What a peer has reached.

    Attributes:
        summary: as `summarise_scores` gives it.
        separates_cells: whether the peer gave cells, not masks only.
        training_s: wall time of the training, preprocessing included.
        prediction_s: wall time of predicting all test images, and of separating cells in the masks of a peer that does not.
    """

    summary: dict[str, Any]
    separates_cells: bool
    training_s: float
    prediction_s: float


def make_decoder(data: Path) -> CellDecoder:
    """What separates cells at necks of a mask, with the settings that our plan chooses for a folder's training images."""
    plan = plan_training(measure_fingerprint(list_samples(data, "train")))
    return CellDecoder(cells=True, seed_depth=plan["seed_depth"].value, min_area=plan["min_cell_area"].value)


def score_results(results: Path, truths: Mapping[str, Pixels], decoder: CellDecoder) -> Result:
    """Score the masks and the cells that a peer left; if it left masks only, their cells are separated and written there.

    Args:
        results: folder, see `peers.interface`.
        truths: labels (Y, X) of the test images by name.
        decoder: separates the cells of a mask.

    Raises:
        LiveCellError, OSError, ValueError: a file is missing, cannot be read, or has another size than its label.
    """
    seconds = json.loads((results / SECONDS).read_text(encoding="utf-8"))
    separates_cells = any((results / CELLS.format(name)).is_file() for name in truths)
    scores = []
    for name, truth in truths.items():
        mask, path = read_label(results / f"{name}.tif") > 0, results / CELLS.format(name)
        if not separates_cells:
            start = time.monotonic()
            write_plane(path, decoder(mask, {}).astype(np.uint32))
            seconds["prediction"] += time.monotonic() - start
        scores.append(score_image(mask, read_label(path), truth))
    return Result(summarise_scores(scores), separates_cells, seconds["training"], seconds["prediction"])


def score_image(mask: Pixels, cells: Pixels, truth: Pixels) -> Scores:
    """The scores of a mask and of cells against a label, all (Y, X); a label that does not separate cells scores none."""
    return measure_scores(mask, truth > 0, cells=(cells, truth) if has_ids(truth) else None)


def format_score(summary: Mapping[str, Any], name: str) -> str:
    """The mean of a score over images, of some with its 95 % interval; nothing if it was not measured in each image."""
    if name not in summary:
        return ""
    mean, interval = summary[name]["mean"], summary[name]["interval_95"]
    if name not in WITH_INTERVAL or interval is None:
        return f"{mean:.3f}"
    return f"{mean:.3f} ({interval[0]:.3f} .. {interval[1]:.3f})"
