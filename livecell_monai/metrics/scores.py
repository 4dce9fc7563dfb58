"""Pixel scores of a mask against the truth, and what they say of a set of images."""

from collections.abc import Hashable, Sequence
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


def score_mask(mask: NDArray[Any], truth: NDArray[Any], weight: NDArray[Any] | None = None) -> Scores:
    """Count the pixels of a predicted mask against the truth, both (Y, X), foreground where > 0.

    Args:
        mask: the prediction.
        truth: the annotation.
        weight: (Y, X) of each pixel; those of weight 0 are unlabelled and do not count. None where all count.

    Raises:
        ValueError: where the shapes differ, or no pixel is labelled.
    """
    if mask.shape != truth.shape or (weight is not None and weight.shape != truth.shape):
        shapes = f"{mask.shape} and {truth.shape}" + ("" if weight is None else f", and of the weight {weight.shape}")
        raise ValueError(f"mask and truth must have one shape, got {shapes}")
    said, true = mask > 0, truth > 0
    if weight is not None:
        labelled = weight > 0
        if not labelled.any():
            raise ValueError("an image to score must have a labelled pixel, the weight is 0 in all of them")
        said, true = said[labelled], true[labelled]
    tp = int(np.count_nonzero(said & true))
    fp = int(np.count_nonzero(said)) - tp
    fn = int(np.count_nonzero(true)) - tp
    return Scores(tp, fp, fn, said.size - tp - fp - fn)


def tabulate_scores(name: str, scores: Scores) -> dict[str, Any]:
    """The row that an image has in `scores.csv`.

    Args:
        name: of the image.
        scores: its scores; the surface Dice is left out where it was not measured.
    """
    ratios = NAMES if scores.surface_dice is None else (*NAMES, SURFACE)
    counts = {count: getattr(scores, count) for count in ("tp", "fp", "fn", "tn")}
    return {"image": name, **{ratio: getattr(scores, ratio) for ratio in ratios}, **counts}


def summarise_scores(
    scores: Sequence[Scores], resamples: int = 10_000, seed: int = 0, groups: Sequence[Hashable] | None = None
) -> dict[str, Any]:
    """What the scores of several images say of the set.

    Args:
        scores: one for each image, at least one.
        resamples: number of bootstrap samples over images.
        seed: of the bootstrap.
        groups: of each image the group (a dish, a day) that is drawn as a whole, since its images are alike; None where each
            image stands for itself.

    Returns:
        By score: its mean over images, the 95 % interval of the mean, median and worst; `pooled_iou` over all pixels with
        `pooled_iou_interval_95`; `images`, how many; `empty_rule`. `surface_dice` is there where every image has it. The
        intervals are None below 3 images, where they would say nothing.

    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7, 1979 (percentile method).
    """
    if not scores:
        raise ValueError("a set must have at least one image, got none")
    summary: dict[str, Any] = {"images": len(scores), "empty_rule": EMPTY_RULE}
    draw = _Bootstrap(range(len(scores)) if groups is None else groups, resamples, seed)
    names = NAMES if any(score.surface_dice is None for score in scores) else (*NAMES, SURFACE)
    ones = np.ones(len(scores))
    for name in names:
        values = np.array([getattr(score, name) for score in scores], dtype=float)
        summary[name] = {
            "mean": float(values.mean()),
            "interval_95": draw.interval(draw.total(values) / draw.total(ones)),
            "median": float(np.median(values)),
            "worst": float(values.min()),
        }
    right, wrong = (np.array(counts) for counts in zip(*((score.tp, score.fp + score.fn) for score in scores), strict=True))
    summary["pooled_iou"] = _pool(right.sum(), wrong.sum())
    pooled = np.array([_pool(*counts) for counts in zip(draw.total(right), draw.total(wrong), strict=True)])
    summary["pooled_iou_interval_95"] = draw.interval(pooled)
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
    draw = _Bootstrap(range(len(given)), resamples, seed)
    return float(given.mean()), draw.interval(draw.total(given) / len(given))


class _Bootstrap:
    """Draws of groups with replacement, each with all its images."""

    def __init__(self, groups: Sequence[Hashable], resamples: int, seed: int) -> None:
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        self.group = np.array([numbers[group] for group in groups])
        self.groups = len(numbers)
        self.draws = np.random.default_rng(seed).integers(self.groups, size=(resamples, self.groups))

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The sum of a value of each image, (resamples,)."""
        sums: NDArray[np.float64] = np.bincount(self.group, values, self.groups)[self.draws].sum(axis=1)
        return sums

    def interval(self, resampled: NDArray[np.float64]) -> list[float] | None:
        """The middle 95 % of a score's bootstrap values; None below 3 groups."""
        return None if self.groups < 3 else [float(end) for end in np.percentile(resampled, [2.5, 97.5])]


def _pool(right: float, wrong: float) -> float:
    """IoU of pixels that are right, and of those that are wrong."""
    return Scores(int(right), int(wrong), 0, 0).iou
