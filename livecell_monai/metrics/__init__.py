"""Scores of one mask and of a set of masks, with their intervals. Masks are (Y, X) bool, scores lie in [0, 1].

The rule for empty masks: where truth and prediction are both empty, every score is 1; where a ratio has no denominator
otherwise (false positives on an empty image, nothing found where cells are), it is 0.
"""

from livecell_monai.metrics.baseline import segment_by_otsu
from livecell_monai.metrics.paired import PairedDifference, measure_paired_difference
from livecell_monai.metrics.scores import NAMES, SURFACE, Scores, measure_mean, score_mask, summarise_scores, tabulate_scores
from livecell_monai.metrics.surface import measure_surface_dice

__all__ = [
    "NAMES",
    "SURFACE",
    "PairedDifference",
    "Scores",
    "measure_mean",
    "measure_paired_difference",
    "measure_surface_dice",
    "score_mask",
    "segment_by_otsu",
    "summarise_scores",
    "tabulate_scores",
]
