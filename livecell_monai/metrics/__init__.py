"""Scores of a mask (Y, X) bool and of a set of masks, with their intervals; built-in scores are in [0, 1].

If truth and prediction are both empty, every score is 1; otherwise a ratio without a denominator is 0.
"""

from livecell_monai.metrics.baseline import segment_by_otsu
from livecell_monai.metrics.registry import Metric, find_metric, label_of, list_cell_metrics, list_metrics
from livecell_monai.metrics.scores import (
    Scores,
    describe_unscored,
    measure_scores,
    read_scores,
    score_mask,
    tabulate_scores,
)
from livecell_monai.metrics.summary import (
    POOLED,
    PairedDifference,
    SummaryLine,
    list_lines,
    measure_mean,
    measure_paired_difference,
    note_unscored_cells,
    summarise_scores,
)
from livecell_monai.metrics.surface import measure_surface_dice
from livecell_monai.metrics.usable import describe_unusable

__all__ = [
    "POOLED",
    "Metric",
    "PairedDifference",
    "Scores",
    "SummaryLine",
    "describe_unscored",
    "describe_unusable",
    "find_metric",
    "label_of",
    "list_cell_metrics",
    "list_lines",
    "list_metrics",
    "measure_mean",
    "measure_paired_difference",
    "measure_scores",
    "measure_surface_dice",
    "note_unscored_cells",
    "read_scores",
    "score_mask",
    "segment_by_otsu",
    "summarise_scores",
    "tabulate_scores",
]
