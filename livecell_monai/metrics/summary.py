"""Summaries of the scores of several images and differences of two networks, with intervals by a bootstrap over images.

Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7, 1979 (percentile method).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecell_monai.metrics.cells import add_counts, parse_counts, tabulate_counts
from livecell_monai.metrics.counts import COLUMNS, Counts
from livecell_monai.metrics.registry import Metric, label_of, list_metrics
from livecell_monai.metrics.scores import Scores, describe_unscored

EMPTY_RULE = "all but accuracy: 1 where neither mask nor truth has foreground, 0 where one of them has none"

POOLED = "pooled_"  #: prefix of scores over all pixels
BLOCK = 1 << 20  # drawn images at a time
_INTERVAL = "_interval_95"


def summarise_scores(
    scores: Sequence[Scores], resamples: int = 10_000, seed: int = 0, groups: Sequence[Hashable] | None = None
) -> dict[str, Any]:
    """Summarise the scores of several images.

    Args:
        scores: one for each image, at least one.
        resamples: number of bootstrap samples.
        seed: of the bootstrap.
        groups: the group of each image (a dish, a day), drawn as a whole because its images are alike; None for none.

    Returns:
        By the name of each metric that every image has: mean over images, 95 % interval of the mean, median and worst;
        `pooled_iou` over all pixels with `pooled_iou_interval_95`; `images`, the number; `empty_rule`. Intervals are None
        below 3 groups.
    """
    if not scores:
        raise ValueError("a set must have at least one image, got none")
    summary: dict[str, Any] = {"images": len(scores), "empty_rule": EMPTY_RULE}
    bootstrap = _Bootstrap(range(len(scores)) if groups is None else groups, resamples, seed)
    ones = np.ones(len(scores))
    for metric in list_metrics():
        found = [value for score in scores if (value := score.of(metric)) is not None]
        if len(found) < len(scores):
            continue
        values = np.array(found, dtype=float)
        summary[metric.name] = {
            "mean": float(values.mean()),
            "interval_95": bootstrap.interval(bootstrap.total(values) / bootstrap.total(ones)),
            "median": float(np.median(values)),
            "worst": float(values.min() if metric.higher_is_better else values.max()),
        }
    for metric in list_metrics():
        if metric.is_pooled and metric.name in summary:
            value, interval = _pool(metric, scores, bootstrap)
            summary |= {POOLED + metric.name: value, POOLED + metric.name + _INTERVAL: interval}
    return summary


def note_unscored_cells(scores: Sequence[Scores]) -> dict[str, str]:
    """The entry `cells_not_scored` of a summary; none if every label tells cells apart."""
    unscored = describe_unscored(scores)
    return {} if unscored is None else {"cells_not_scored": unscored}


@dataclass(frozen=True)
class SummaryLine:
    """One line of a summary in tables, over images or over all pixels; median and worst are None over pixels."""

    label: str
    mean: float
    interval_95: Sequence[float] | None
    median: float | None = None
    worst: float | None = None


def list_lines(summary: Mapping[str, Any]) -> list[SummaryLine]:
    """A line for each metric of a summary, then those over all pixels; other entries are skipped."""
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
    """The mean of one value for each image, and its 95 % interval, None below 3 images."""
    given = np.asarray(values, dtype=float)
    bootstrap = _Bootstrap(range(len(given)), resamples, seed)
    return float(given.mean()), bootstrap.interval(bootstrap.total(given) / len(given))


@dataclass(frozen=True)
class PairedDifference:
    """What a score gains from the first network to the other on the same images."""

    images: int  #: number of images
    mean: float  #: of the other's score less the first's, in [-1, 1]
    interval_95: tuple[float, float] | None  #: (low, high) of the mean; None below 3 images
    better: int  #: images with a higher score of the other
    worse: int  #: images with a lower score of the other
    equal: int  #: images with the same score


def measure_paired_difference(
    first: NDArray[Any], other: NDArray[Any], resamples: int = 10_000, seed: int = 0
) -> PairedDifference:
    """The mean difference of two scores by image, with its interval by a bootstrap over images.

    The interval is narrower than the two intervals of the means suggest, because images that are hard for both cancel out.
    It holds for other images of the same kind, not for other trainings.

    `first` and `other` are (images,) finite scores of the same images in the same order, higher is better.
    Raises a ValueError if the shapes differ, or there are no images.
    """
    before, after = np.asarray(first, dtype=float), np.asarray(other, dtype=float)
    if before.ndim != 1 or before.shape != after.shape or not before.size:
        raise ValueError(f"must be two scores of each image, of one or more, got {before.shape} and {after.shape}")
    gains = after - before
    gains[np.isclose(gains, 0.0, rtol=0.0, atol=1e-12)] = 0.0  # the last bit of a ratio is no difference
    mean, interval = measure_mean(gains, resamples, seed)
    better, worse = int(np.count_nonzero(gains > 0)), int(np.count_nonzero(gains < 0))
    low_high = None if interval is None else (interval[0], interval[1])
    return PairedDifference(gains.size, mean, low_high, better, worse, gains.size - better - worse)


class _Bootstrap:
    """Draws of groups with replacement, each with all its images."""

    def __init__(self, groups: Sequence[Hashable], resamples: int, seed: int) -> None:
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        self.group = np.array([numbers[group] for group in groups])
        self.groups = len(numbers)
        most = max(1, BLOCK // max(1, self.groups))  # draws at a time
        blocks = [min(most, resamples - start) for start in range(0, resamples, most)]
        draw = np.random.default_rng(seed).integers
        narrow = np.min_scalar_type(self.groups)
        self.draws = [draw(self.groups, size=(rows, self.groups)).astype(narrow) for rows in blocks]

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The sum (resamples,) of one value for each image."""
        sums = np.bincount(self.group, values, self.groups)
        return np.concatenate([sums[draws].sum(axis=1) for draws in self.draws])

    def interval(self, resampled: NDArray[np.float64]) -> list[float] | None:
        """The middle 95 % of bootstrap values; None below 3 groups."""
        return None if self.groups < 3 else [float(end) for end in np.percentile(resampled, [2.5, 97.5])]


def _pool(metric: Metric, scores: Sequence[Scores], bootstrap: _Bootstrap) -> tuple[float, list[float] | None]:
    """A score over all pixels or cells together, and its interval."""
    of_cells = [score.cells for score in scores if score.cells is not None]
    if metric.from_cells is not None:
        from_cells = metric.from_cells
        rows = [tabulate_counts(counts) for counts in of_cells]
        drawn = {name: bootstrap.total(np.array([row[name] for row in rows])) for name in rows[0]}
        resampled = [
            from_cells(parse_counts(dict(zip(drawn, row, strict=True)))) for row in zip(*drawn.values(), strict=True)
        ]
        return from_cells(add_counts(of_cells)), bootstrap.interval(np.array(resampled))
    assert metric.from_counts is not None
    counts = [np.array([getattr(score, column) for score in scores]) for column in COLUMNS]
    draws = zip(*(bootstrap.total(values) for values in counts), strict=True)
    values = np.array([metric.from_counts(Counts(*map(int, each))) for each in draws])
    return metric.from_counts(Counts(*(int(values.sum()) for values in counts))), bootstrap.interval(values)
