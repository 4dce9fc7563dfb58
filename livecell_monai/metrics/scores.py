"""The scores of one mask against the truth, and their row in `scores.csv`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecell_monai.metrics.cells import CellCounts, match_cells, read_counts, tabulate_counts
from livecell_monai.metrics.counts import COLUMNS, Counts, count_pixels, iou
from livecell_monai.metrics.registry import Metric, find_metric, list_metrics
from livecell_monai.sample import Pixels


@dataclass(frozen=True)
class Scores(Counts):
    """The counts of pixels and of cells of one image; `measured` has the metrics that do not follow from them, by name."""

    measured: Mapping[str, float] = field(default_factory=dict)
    cells: CellCounts | None = None  #: None if the label has no ids

    @property
    def iou(self) -> float:
        """Intersection over union of the foreground."""
        return iou(self)

    def get(self, name: str) -> float | None:
        """A score by the name of its metric; None if it was not measured."""
        metric = find_metric(name)
        return None if metric is None else self.of(metric)

    def of(self, metric: Metric) -> float | None:
        """A score; None if it was not measured."""
        if metric.from_cells is not None:
            return None if self.cells is None else metric.from_cells(self.cells)
        return self.measured.get(metric.name) if metric.from_counts is None else metric.from_counts(self)


def score_mask(mask: NDArray[Any], truth: NDArray[Any], weight: NDArray[Any] | None = None) -> Scores:
    """The scores of a mask that follow from counts of pixels; arguments and errors as for `measure_scores`."""
    return Scores(**asdict(count_pixels(mask, truth, weight)))


def measure_scores(
    mask: NDArray[Any],
    truth: NDArray[Any],
    weight: NDArray[Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    cells: tuple[Pixels, Pixels] | None = None,
) -> Scores:
    """All scores of a mask (Y, X) against the truth (Y, X), foreground > 0; pixels of weight 0 do not count.

    `settings` are those of the metrics, by name, as `surface_tolerance_px`. `cells` are the predicted and the true label
    image (Y, X); None to leave out the scores of cells.
    Raises a ValueError if the shapes differ.
    """
    counted = count_pixels(mask, truth, weight)
    planes = (np.asarray(mask) > 0, np.asarray(truth) > 0, weight)
    measured = {
        metric.name: float(metric.measure(*planes, settings or {}))
        for metric in list_metrics()
        if metric.measure is not None
    }
    matched = None if cells is None else match_cells(*cells, weight).counts
    return Scores(**asdict(counted), measured=measured, cells=matched)


def describe_unscored(scores: Sequence[Scores]) -> str | None:
    """Why the cells of a set of images are not scored, in words; None if they are."""
    without_ids = sum(one.cells is None for one in scores)
    return f"{without_ids} of {len(scores)} labels do not tell cells apart" if without_ids else None


def tabulate_scores(name: str, scores: Scores) -> dict[str, Any]:
    """The row of an image in `scores.csv`: its name, the measured scores by metric, the counts of pixels."""
    values = {metric.name: scores.of(metric) for metric in list_metrics()}
    known = {metric: value for metric, value in values.items() if value is not None}
    cells = {} if scores.cells is None else tabulate_counts(scores.cells)
    return {"image": name, **known, **{column: getattr(scores, column) for column in COLUMNS}, **cells}


def read_scores(row: Mapping[str, Any]) -> Scores:
    """The scores of a row of `scores.csv`, numbers or their text; a metric may be missing or empty.

    Raises a ValueError if a value is no number, and a KeyError if a count is missing.
    """
    columns = [metric.name for metric in list_metrics() if metric.measure is not None]
    measured = {column: float(row[column]) for column in columns if row.get(column) not in (None, "")}
    tp, fp, fn, tn = (int(row[column]) for column in COLUMNS)
    return Scores(tp, fp, fn, tn, measured, read_counts(row))
