"""The registry of metrics. Tables, pages, cards, MLflow and comparisons read it.

To add one, write a function in its own file and add an entry to `BUILT_IN`, or register a `Metric` from another package
under the entry-point group `livecell_monai.metrics`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from livecell_monai.metrics import cells, counts
from livecell_monai.metrics.cells import CellCounts
from livecell_monai.metrics.counts import Counts
from livecell_monai.metrics.surface import measure_surface_dice
from livecell_monai.plugins import load_plugins
from livecell_monai.sample import Pixels

GROUP = "metrics"  #: entry points of other packages
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """One score of a mask against the truth; give `measure`, `from_counts` or `from_cells`.

    `measure` is called with mask and truth (Y, X) bool, weight (Y, X) or None, and settings; weight 0 excludes a pixel.
    """

    name: str  #: of the column in `scores.csv` and of the metric in MLflow
    label: str  #: in tables and pages
    description: str  #: one sentence
    measure: Callable[[Pixels, Pixels, Pixels | None, Settings], float] | None = None
    from_counts: Callable[[Counts], float] | None = None  #: called with the counts of pixels, also those of a stored table
    from_cells: Callable[[CellCounts], float] | None = None  #: called with the counts of cells, where labels have ids
    higher_is_better: bool = True
    #: whether summaries also have the value over all pixels or cells together; needs `from_counts` or `from_cells`
    is_pooled: bool = False
    least: float = 0.0  #: lowest possible value
    most: float = 1.0  #: highest possible value


def _surface_dice(mask: Pixels, truth: Pixels, weight: Pixels | None, settings: Settings) -> float:
    return measure_surface_dice(mask, truth, float(settings.get("surface_tolerance_px", 2.0)), weight)


_OURS = (
    Metric("iou", "IoU", "Intersection over union of the foreground.", from_counts=counts.iou, is_pooled=True),
    Metric("dice", "Dice", "Dice coefficient of the foreground, also called F1.", from_counts=counts.dice),
    Metric("accuracy", "accuracy", "Fraction of pixels that are right.", from_counts=counts.accuracy),
    Metric("precision", "precision", "Fraction of the predicted foreground that is right.", from_counts=counts.precision),
    Metric("recall", "recall", "Fraction of the true foreground that was found.", from_counts=counts.recall),
    Metric(
        "surface_dice",
        "surface Dice",
        "Fraction of both outlines that lies within surface_tolerance (2 pixels by default) of the other one.",
        measure=_surface_dice,
    ),
    Metric(
        "ap50",
        "AP50",
        "Cells found over all true and predicted cells; found: an intersection over union of at least 0.5.",
        from_cells=cells.average_precision,
        is_pooled=True,
    ),
    Metric("ap75", "AP75", "As AP50, with at least 0.75.", from_cells=partial(cells.average_precision, threshold=75)),
    Metric("map", "mean AP", "The mean of AP at 0.5, 0.55, ... 0.95.", from_cells=cells.mean_average_precision),
    Metric("cell_f1", "F1 of cells", "Twice the cells found over the true and predicted ones.", from_cells=cells.cell_f1),
    Metric(
        "pq", "PQ", "Panoptic quality: F1 of cells times their mean IoU.", from_cells=cells.panoptic_quality, is_pooled=True
    ),
    Metric(
        "seg", "SEG", "Mean IoU of the true cells with the predicted one that covers most of each.", from_cells=cells.seg
    ),
    Metric("aji", "AJI", "Aggregated Jaccard index of the cells.", from_cells=cells.aji),
    Metric(
        "count_error",
        "count error",
        "Difference of the numbers of cells, as a fraction of the true number.",
        from_cells=cells.count_error,
        higher_is_better=False,
        is_pooled=True,
        most=float("inf"),
    ),
)
BUILT_IN = {metric.name: metric for metric in _OURS}


def list_metrics() -> list[Metric]:
    """All metrics, the built-in ones first; these cannot be replaced."""
    others = [metric for metric in load_plugins(GROUP).values() if metric.name not in BUILT_IN]
    return [*BUILT_IN.values(), *{metric.name: metric for metric in others}.values()]


def list_cell_metrics() -> list[Metric]:
    """The metrics of cells, which need labels with ids."""
    return [metric for metric in list_metrics() if metric.from_cells is not None]


def find_metric(name: str) -> Metric | None:
    """The metric of a name; None if there is none."""
    return next((metric for metric in list_metrics() if metric.name == name), None)


def label_of(name: str) -> str:
    """The label of a metric in tables and pages; any other name is returned unchanged."""
    found = find_metric(name)
    return name if found is None else found.label
