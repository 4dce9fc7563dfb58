"""Scores of one mask and of a set of masks, with their intervals; the metrics are listed in `registry.py`.

Masks are (Y, X) bool; our own scores lie in [0, 1].

The rule for empty masks: where truth and prediction are both empty, every score is 1; where a ratio has no denominator
otherwise (false positives on an empty image, nothing found where cells are), it is 0.
"""

from livecell_monai.metrics.baseline import segment_by_otsu
from livecell_monai.metrics.paired import PairedDifference, measure_paired_difference
from livecell_monai.metrics.registry import Metric, find_metric, label_of, list_metrics
from livecell_monai.metrics.scores import Scores, measure_scores, read_scores, score_mask, tabulate_scores
from livecell_monai.metrics.summary import POOLED, SummaryLine, list_lines, measure_mean, summarise_scores
from livecell_monai.metrics.surface import measure_surface_dice

__all__ = [
    "POOLED",
    "Metric",
    "PairedDifference",
    "Scores",
    "SummaryLine",
    "find_metric",
    "label_of",
    "list_lines",
    "list_metrics",
    "measure_mean",
    "measure_paired_difference",
    "measure_scores",
    "measure_surface_dice",
    "read_scores",
    "score_mask",
    "segment_by_otsu",
    "summarise_scores",
    "tabulate_scores",
]
