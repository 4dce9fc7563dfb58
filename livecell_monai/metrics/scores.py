"""Pixel scores of a mask against the truth, and what they say of a set of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = ("iou", "dice", "accuracy", "precision", "recall")
SURFACE = "surface_dice"
EMPTY_RULE = "all but accuracy: 1 where neither mask nor truth has foreground, 0 where one of them has none"


@dataclass(frozen=True)
class Scores:
    """The pixels of one image by what was said of them: true and false, positive and negative.

    Attributes:
        surface_dice: normalised surface Dice, which the counts do not tell; None where it was not measured.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    surface_dice: float | None = None

    @property
    def iou(self) -> float:
        """Intersection over union of the foreground."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def dice(self) -> float:
        """Dice coefficient of the foreground, also called F1."""
        return self._ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def accuracy(self) -> float:
        """Share of pixels that are right."""
        return (self.tp + self.tn) / (self.tp + self.fp + self.fn + self.tn)

    @property
    def precision(self) -> float:
        """Share of the predicted foreground that is foreground."""
        return self._ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the foreground that was found."""
        return self._ratio(self.tp, self.tp + self.fn)

    def _ratio(self, part: int, whole: int) -> float:
        if whole:
            return part / whole
        return 1.0 if self.fp + self.fn == 0 else 0.0


def score_mask(mask: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """Count the pixels of a predicted mask against the truth, both (Y, X), foreground where > 0.

    Raises:
        ValueError: where the shapes differ.
    """
    if mask.shape != truth.shape:
        raise ValueError(f"mask and truth must have one shape, got {mask.shape} and {truth.shape}")
    said, true = mask > 0, truth > 0
    tp = int(np.count_nonzero(said & true))
    fp = int(np.count_nonzero(said)) - tp
    fn = int(np.count_nonzero(true)) - tp
    return Scores(tp, fp, fn, mask.size - tp - fp - fn)


def tabulate_scores(name: str, scores: Scores) -> dict[str, Any]:
    """The row that an image has in `scores.csv`.

    Args:
        name: of the image.
        scores: its scores; the surface Dice is left out where it was not measured.
    """
    ratios = NAMES if scores.surface_dice is None else (*NAMES, SURFACE)
    counts = {count: getattr(scores, count) for count in ("tp", "fp", "fn", "tn")}
    return {"image": name, **{ratio: getattr(scores, ratio) for ratio in ratios}, **counts}


def summarise_scores(scores: Sequence[Scores], resamples: int = 10_000, seed: int = 0) -> dict[str, Any]:
    """What the scores of several images say of the set.

    Args:
        scores: one for each image, at least one.
        resamples: number of bootstrap samples over images.
        seed: of the bootstrap.

    Returns:
        By score: its mean over images, the 95 % interval of the mean, median and worst; `pooled_iou` over all pixels with
        `pooled_iou_interval_95`; `images`, how many; `empty_rule`. `surface_dice` is there where every image has it. The
        intervals are None below 3 images, where they would say nothing.

    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7, 1979 (percentile method).
    """
    if not scores:
        raise ValueError("a set must have at least one image, got none")
    summary: dict[str, Any] = {"images": len(scores), "empty_rule": EMPTY_RULE}
    draws = np.random.default_rng(seed).integers(len(scores), size=(resamples, len(scores)))
    names = NAMES if any(score.surface_dice is None for score in scores) else (*NAMES, SURFACE)
    for name in names:
        values = np.array([getattr(score, name) for score in scores], dtype=float)
        summary[name] = {
            "mean": float(values.mean()),
            "interval_95": _interval(values[draws].mean(axis=1), len(scores)),
            "median": float(np.median(values)),
            "worst": float(values.min()),
        }
    counts = np.array([(score.tp, score.fp + score.fn) for score in scores])
    summary["pooled_iou"] = _pool(counts.sum(axis=0))
    pooled = np.array([_pool(total) for total in counts[draws].sum(axis=1)])
    summary["pooled_iou_interval_95"] = _interval(pooled, len(scores))
    return summary


def measure_mean(
    values: Sequence[float] | NDArray[Any], resamples: int = 10_000, seed: int = 0
) -> tuple[float, list[float] | None]:
    """The mean of one value for each image, and its 95 % interval by a bootstrap over images, None below 3 images.

    Args:
        values: at least one.
        resamples: number of bootstrap samples.
        seed: of the bootstrap.
    """
    given = np.asarray(values, dtype=float)
    draws = np.random.default_rng(seed).integers(len(given), size=(resamples, len(given)))
    return float(given.mean()), _interval(given[draws].mean(axis=1), len(given))


def _interval(resampled: NDArray[np.float64], images: int) -> list[float] | None:
    """The middle 95 % of a score's bootstrap values."""
    return None if images < 3 else [float(end) for end in np.percentile(resampled, [2.5, 97.5])]


def _pool(counts: NDArray[np.int64]) -> float:
    """IoU of (true positives, all that is wrong)."""
    right, wrong = (int(count) for count in counts)
    return Scores(right, wrong, 0, 0).iou
