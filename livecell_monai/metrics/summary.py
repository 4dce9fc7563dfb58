"""What the scores of several images say of the set, with intervals by a bootstrap over images."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecell_monai.metrics.counts import COLUMNS, Counts
from livecell_monai.metrics.registry import Metric, label_of, list_metrics
from livecell_monai.metrics.scores import Scores

EMPTY_RULE = "all but accuracy: 1 where neither mask nor truth has foreground, 0 where one of them has none"

POOLED = "pooled_"  #: how the names of scores over all pixels begin
_INTERVAL = "_interval_95"


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
        By the name of each metric that every image has: its mean over images, the 95 % interval of the mean, median and
        worst; `pooled_iou` over all pixels with `pooled_iou_interval_95`; `images`, how many; `empty_rule`. The intervals
        are None below 3 images, where they would say nothing.

    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7, 1979 (percentile method).
    """
    if not scores:
        raise ValueError("a set must have at least one image, got none")
    summary: dict[str, Any] = {"images": len(scores), "empty_rule": EMPTY_RULE}
    draw = _Bootstrap(range(len(scores)) if groups is None else groups, resamples, seed)
    ones = np.ones(len(scores))
    for metric in list_metrics():
        found = [score.of(metric) for score in scores]
        values = np.array([value for value in found if value is not None], dtype=float)
        if len(values) < len(scores):
            continue
        summary[metric.name] = {
            "mean": float(values.mean()),
            "interval_95": draw.interval(draw.total(values) / draw.total(ones)),
            "median": float(np.median(values)),
            "worst": float(values.min() if metric.higher_is_better else values.max()),
        }
    for metric in list_metrics():
        if metric.is_pooled:
            summary |= _pool(metric, scores, draw)
    return summary


@dataclass(frozen=True)
class SummaryLine:
    """One line of a summary as tables show it.

    Attributes:
        label: of the metric.
        mean: over images, or the value of all pixels together.
        interval_95: (low, high); None where there are too few images.
        median: over images; None of all pixels together.
        worst: likewise.
    """

    label: str
    mean: float
    interval_95: Sequence[float] | None
    median: float | None = None
    worst: float | None = None


def list_lines(summary: Mapping[str, Any]) -> list[SummaryLine]:
    """The lines of what `summarise_scores` gives: a line for each metric, then those of all pixels together.

    Args:
        summary: perhaps with further entries, which are left out.
    """
    keys = ("mean", "interval_95", "median", "worst")
    means = [
        SummaryLine(label_of(name), *(part[key] for key in keys))
        for name, part in summary.items()
        if isinstance(part, Mapping)
    ]
    pooled = [name for name in summary if name.startswith(POOLED) and not name.endswith(_INTERVAL)]
    return means + [
        SummaryLine(f"{label_of(name.removeprefix(POOLED))}, pooled", summary[name], summary[name + _INTERVAL])
        for name in pooled
    ]


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


def _pool(metric: Metric, scores: Sequence[Scores], draw: _Bootstrap) -> dict[str, Any]:
    """A metric of all pixels together, with its interval."""
    from_counts = metric.from_counts
    if from_counts is None:
        return {}
    counts = [np.array([getattr(score, column) for score in scores]) for column in COLUMNS]
    drawn = zip(*(draw.total(values) for values in counts), strict=True)
    resampled = np.array([from_counts(Counts(*map(int, each))) for each in drawn])
    name = POOLED + metric.name
    whole = from_counts(Counts(*(int(values.sum()) for values in counts)))
    return {name: whole, name + _INTERVAL: draw.interval(resampled)}
