"""Scores in [0, 1] from the numbers of right and wrong pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("tp", "fp", "fn", "tn")  #: of the counts in `scores.csv`


@dataclass(frozen=True)
class Counts:
    """The pixels of an image by prediction: true and false, positive and negative."""

    tp: int
    fp: int
    fn: int
    tn: int


def count_pixels(mask: NDArray[Any], truth: NDArray[Any], weight: NDArray[Any] | None = None) -> Counts:
    """Count the pixels of a mask (Y, X) against the truth, foreground > 0, weight > 0; a ValueError if shapes differ."""
    check_shapes(mask, truth, weight)
    predicted, true, size = mask > 0, truth > 0, mask.size
    if weight is not None:
        is_labelled = weight > 0
        predicted, true, size = predicted & is_labelled, true & is_labelled, int(np.count_nonzero(is_labelled))
    tp = int(np.count_nonzero(predicted & true))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(true)) - tp
    return Counts(tp, fp, fn, size - tp - fp - fn)


def check_shapes(mask: NDArray[Any], truth: NDArray[Any], weight: NDArray[Any] | None = None) -> None:
    """Raise ValueError if the shapes of the planes differ."""
    if mask.shape != truth.shape:
        raise ValueError(f"mask and truth must have one shape, got {mask.shape} and {truth.shape}")
    if weight is not None and weight.shape != mask.shape:
        raise ValueError(f"mask and weight must have one shape, got {mask.shape} and {weight.shape}")


def iou(counts: Counts) -> float:
    """Intersection over union of the foreground."""
    return _ratio(counts, counts.tp, counts.tp + counts.fp + counts.fn)


def dice(counts: Counts) -> float:
    """Dice coefficient of the foreground, also called F1."""
    return _ratio(counts, 2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def accuracy(counts: Counts) -> float:
    """Fraction of pixels that are right."""
    return _ratio(counts, counts.tp + counts.tn, counts.tp + counts.fp + counts.fn + counts.tn)


def precision(counts: Counts) -> float:
    """Fraction of the predicted foreground that is right."""
    return _ratio(counts, counts.tp, counts.tp + counts.fp)


def recall(counts: Counts) -> float:
    """Fraction of the true foreground that was found."""
    return _ratio(counts, counts.tp, counts.tp + counts.fn)


def _ratio(counts: Counts, part: int, whole: int) -> float:
    if whole:
        return part / whole
    return 1.0 if counts.fp + counts.fn == 0 else 0.0
