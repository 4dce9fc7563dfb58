"""The scores of one mask against the truth, and its row in `scores.csv`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecell_monai.metrics.counts import COLUMNS, Counts, check_shapes, count_pixels, iou
from livecell_monai.metrics.registry import Metric, find_metric, list_metrics


@dataclass(frozen=True)
class Scores(Counts):
    """The counts of pixels of one image, and the scores that were measured on its mask.

    Attributes:
        measured: by the name of the metric, those that the counts do not tell.
    """

    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def iou(self) -> float:
        """Intersection over union of the foreground."""
        return iou(self)

    def get(self, name: str) -> float | None:
        """A score by the name of its metric; None where it was not measured."""
        metric = find_metric(name)
        return None if metric is None else self.of(metric)

    def of(self, metric: Metric) -> float | None:
        """A score; None where it was not measured."""
        return self.measured.get(metric.name) if metric.from_counts is None else metric.from_counts(self)


def score_mask(mask: NDArray[Any], truth: NDArray[Any], weight: NDArray[Any] | None = None) -> Scores:
    """The scores that follow from counts of pixels.

    Args:
        mask: (Y, X), foreground where > 0.
        truth: (Y, X), foreground where > 0.
        weight: (Y, X), pixels of weight 0 do not count; None for all pixels.

    Args:
        mask: the prediction.
        truth: the annotation.
        weight: (Y, X) of each pixel; those of weight 0 are unlabelled and do not count. None where all count.

    Raises:
        ValueError: where the shapes differ, or no pixel is labelled.
    """
    return Scores(**asdict(count_pixels(mask, truth, weight)))


def measure_scores(
    mask: NDArray[Any],
    truth: NDArray[Any],
    weight: NDArray[Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Scores:
    """All scores of the registry.

    Args:
        mask: (Y, X), foreground where > 0.
        truth: (Y, X), foreground where > 0.
        weight: (Y, X), pixels of weight 0 do not count; None for all pixels.
        settings: of the metrics, by name; such as `surface_tolerance_px`.

    Raises:
        ValueError: where the shapes differ.
    """
    check_shapes(mask, truth, weight)
    planes = (np.asarray(mask) > 0, np.asarray(truth) > 0, weight)
    measured = {
        metric.name: float(metric.measure(*planes, settings or {}))
        for metric in list_metrics()
        if metric.measure is not None
    }
    return Scores(**asdict(count_pixels(*planes)), measured=measured)


def tabulate_scores(name: str, scores: Scores) -> dict[str, Any]:
    """The row that an image has in `scores.csv`: its name, its scores by metric, its counts of pixels.

    Args:
        name: of the image.
        scores: its scores; those that were not measured are left out.
    """
    values = {metric.name: scores.of(metric) for metric in list_metrics()}
    known = {metric: value for metric, value in values.items() if value is not None}
    return {"image": name, **known, **{column: getattr(scores, column) for column in COLUMNS}}


def read_scores(row: Mapping[str, Any]) -> Scores:
    """The scores that a row of `scores.csv` stands for.

    Args:
        row: values by column, numbers or their text; a column of a metric may be missing or empty.

    Raises:
        ValueError: a value is no number.
        KeyError: a count is missing.
    """
    columns = [metric.name for metric in list_metrics() if metric.from_counts is None]
    measured = {column: float(row[column]) for column in columns if row.get(column) not in (None, "")}
    tp, fp, fn, tn = (int(row[column]) for column in COLUMNS)
    return Scores(tp, fp, fn, tn, measured)
