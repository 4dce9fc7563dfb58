"""MONAI's panoptic quality with the matching of `match_cells`: its own compares whole images once for each pair of cells."""

from typing import Any

import torch
from monai.metrics import PanopticQualityMetric
from monai.utils import MetricReduction

from livecell_monai.metrics.cells import match_cells


class PanopticQuality(PanopticQualityMetric):  # type: ignore[misc]
    """PQ of the cells of all images together, one class; nan without an image.

    Called with `y_pred` and `y` as MONAI's metric: (B, 2, Y, X), or a list of (2, Y, X), of ids and classes 0 and 1. Buffer,
    processes and mean are MONAI's.
    """

    def __init__(self) -> None:
        super().__init__(num_classes=1)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        rows = []
        for predicted, truth in zip(y_pred, y, strict=True):
            (ids, classes), (true_ids, true_classes) = (each.cpu().numpy() for each in (predicted, truth))
            counts = match_cells(ids * (classes == 1), true_ids * (true_classes == 1)).counts
            found = counts.matched[0]
            rows.append([found, counts.predicted_cells - found, counts.true_cells - found, counts.matched_iou])
        return torch.tensor(rows)[:, None]

    def aggregate(self, reduction: MetricReduction | str | None = None) -> Any:
        """PQ in [0, 1] of all images added so far, as a tensor."""
        return super().aggregate(reduction) if len(self) else torch.tensor(float("nan"))
