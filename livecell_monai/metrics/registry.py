"""The scores of a mask by name: what each one is called, what it says and how it is computed.

To add one, write a function in a file of its own and add an entry to `BUILT_IN`, or register the entry from another package
under the entry-point group `livecell_monai.metrics`. Tables, pages, cards, MLflow and comparisons take it from here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livecell_monai.metrics import counts
from livecell_monai.metrics.counts import Counts
from livecell_monai.metrics.surface import measure_surface_dice
from livecell_monai.plugins import load_plugins
from livecell_monai.sample import Pixels

GROUP = "metrics"  #: entry points of other packages
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """One score of a mask against the truth.

    Give `measure` or `from_counts`. A score from counts is also known where the counts of pixels alone were kept.

    Attributes:
        name: of the column in `scores.csv` and of the metric in MLflow.
        label: for people, in tables and pages.
        description: what it is, in one sentence.
        measure: called with mask and truth (Y, X) bool, weight (Y, X) or None, and settings by name; pixels of weight 0 do
            not count. None for a score from counts.
        from_counts: called with the counts of pixels; None for a score that needs the masks.
        higher_is_better: whether a higher value is a better one.
        is_pooled: whether the summary of a set also has the value over all pixels together; from counts only.
        least: the lowest value that it can have.
        most: the highest.
    """

    name: str
    label: str
    description: str
    measure: Callable[[Pixels, Pixels, Pixels | None, Settings], float] | None = None
    from_counts: Callable[[Counts], float] | None = None
    higher_is_better: bool = True
    is_pooled: bool = False
    least: float = 0.0
    most: float = 1.0


def _surface_dice(mask: Pixels, truth: Pixels, weight: Pixels | None, settings: Settings) -> float:
    return measure_surface_dice(mask, truth, float(settings.get("surface_tolerance_px", 2.0)), weight)


def _by_name(metrics: Sequence[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


BUILT_IN = _by_name(
    [
        Metric("iou", "IoU", "Intersection over union of the foreground.", from_counts=counts.iou, is_pooled=True),
        Metric("dice", "Dice", "Dice coefficient of the foreground, also called F1.", from_counts=counts.dice),
        Metric("accuracy", "accuracy", "Fraction of pixels that are right.", from_counts=counts.accuracy),
        Metric(
            "precision", "precision", "Fraction of the predicted foreground that is right.", from_counts=counts.precision
        ),
        Metric("recall", "recall", "Fraction of the true foreground that was found.", from_counts=counts.recall),
        Metric(
            "surface_dice",
            "surface Dice",
            "Fraction of both outlines that lies within surface_tolerance (2 pixels by default) of the other one.",
            measure=_surface_dice,
        ),
    ]
)


def list_metrics() -> list[Metric]:
    """All metrics, ours first, each once."""
    return list({**BUILT_IN, **_by_name(list(load_plugins(GROUP).values())), **BUILT_IN}.values())


def find_metric(name: str) -> Metric | None:
    """The metric of a name; None where there is none."""
    return next((metric for metric in list_metrics() if metric.name == name), None)


def label_of(name: str) -> str:
    """What a metric is called in tables and pages; a name that is no metric stays as it is."""
    found = find_metric(name)
    return name if found is None else found.label
