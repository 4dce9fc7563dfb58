"""The predicted and the annotated cells of a sample, for scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from livecell_monai.cells.distance import has_ids
from livecell_monai.metrics.cells import keep_labelled
from livecell_monai.prediction.prepared import plane_of
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import CELLS, LABEL, LABELLED, MAPS, PRED, TRUE_CELLS, Pixels


def pair_cells(segmenter: Segmenter, sample: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The keys `cells` and `true_cells` (1, Y, X) of a predicted sample; empty if its label does not tell cells apart.

    `output` is what `predict_sample` returned.
    """
    label = take_ids(sample)
    if label is None:
        return {}
    cells = segmenter.cells_of(sample, plane_of(output[PRED]) > 0, output[MAPS])
    return {CELLS: torch.from_numpy(cells)[None], TRUE_CELLS: torch.from_numpy(label)[None]}


def take_ids(sample: Mapping[str, Any]) -> Pixels | None:
    """The cells (Y, X) int64 of a sample's label, 0 where it is not annotated; None if it does not tell cells apart."""
    label = np.maximum(plane_of(sample[LABEL]).astype(np.int64), 0) if LABEL in sample else None
    return label if label is not None and has_ids(label) else None


def list_pairs(outputs: Sequence[Mapping[str, Any]]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Predictions and truths of an engine's output as MONAI's panoptic metrics take them, of the samples with cells.

    Each is (2, Y, X) int32, or int64 for larger ids: ids, and the class of each pixel, which is 1 in cells. Unlabelled
    pixels are background.
    """
    both = [_keep_labelled(output) for output in outputs if CELLS in output]
    return [_add_class(predicted) for predicted, _ in both], [_add_class(truth) for _, truth in both]


def _keep_labelled(output: Mapping[str, Any]) -> tuple[Pixels, Pixels]:
    predicted, truth = plane_of(output[CELLS]), plane_of(output[TRUE_CELLS])
    return keep_labelled(predicted, truth, plane_of(output[LABELLED]) > 0) if LABELLED in output else (predicted, truth)


def _add_class(labels: Pixels) -> torch.Tensor:
    ids = labels.astype(np.int32) if labels.max() < 2**31 else labels  # copied in a tenth of the time
    return torch.from_numpy(np.stack([ids, labels > 0], dtype=ids.dtype, casting="unsafe"))
