"""Predicted images as a page shows them: scores, those of a method that learns nothing, and a picture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livecell_monai.metrics import (
    Metric,
    Scores,
    list_metrics,
    measure_scores,
    read_scores,
    score_mask,
    segment_by_otsu,
    summarise_scores,
)
from livecell_monai.report.pictures import Layers, draw_judged
from livecell_monai.report.threshold import Probabilities
from livecell_monai.sample import SamplePrediction

MOST_PICTURES = 100  # images drawn; further ones stand in the table alone
MOST_BYTES = 3_300_000  # of the page that their pictures may take together
ENOUGH_BYTES = 160_000  # for the best picture of one image


@dataclass(frozen=True)
class Case:
    """One predicted image.

    Attributes:
        name: of the image.
        role: `validation` or `test`.
        scores: against the truth, None where there is none.
        baseline: the scores of Otsu's threshold, None where there are none.
        layers: its picture, None where it has none.
    """

    name: str
    role: str
    scores: Scores | None
    baseline: Scores | None = None
    layers: Layers | None = None


@dataclass(frozen=True)
class Summary:
    """The scores of all images of one role.

    Attributes:
        role: `validation` or `test`.
        images: how many.
        means: (mean, its 95 % interval or None) by score.
        baseline: the same of the baseline's IoU, None where an image lacks it.
    """

    role: str
    images: int
    means: Mapping[str, tuple[float, list[float] | None]]
    baseline: tuple[float, list[float] | None] | None


def take_cases(
    predictions: Iterable[SamplePrediction], expected: int, diameter_px: float
) -> tuple[list[Case], dict[str, Probabilities]]:
    """Score and draw images, each as it comes, so that one lies in memory at a time.

    Args:
        predictions: of the images.
        expected: about how many they are; the more, the smaller their pictures.
        diameter_px: of a typical cell, for the baseline; 0 where it is not known.

    Returns:
        The images, worst first and those without truth last; the probabilities of those with truth by role.
    """
    most_bytes = min(ENOUGH_BYTES, MOST_BYTES // max(1, min(expected, MOST_PICTURES)))
    cases: list[Case] = []
    spread: dict[str, Probabilities] = {}
    for number, one in enumerate(predictions):
        layers = draw_judged(one.image, one.mask, one.truth, most_bytes) if number < MOST_PICTURES else None
        if one.truth is None:
            cases.append(Case(one.name, one.role, None, None, layers))
            continue
        baseline = score_mask(segment_by_otsu(one.image, diameter_px), one.truth, one.labelled)
        cases.append(Case(one.name, one.role, measure_scores(one.mask, one.truth, one.labelled), baseline, layers))
        labelled = slice(None) if one.labelled is None else one.labelled
        spread.setdefault(one.role, Probabilities()).add(one.probability[labelled], one.truth[labelled])
    return sort_cases(cases), spread


def read_cases(rows: Iterable[Mapping[str, Any]]) -> list[Case]:
    """The validation images that a table of scores tells of, without pictures.

    Args:
        rows: of `scores.csv`.
    """
    return sort_cases(Case(str(row["image"]), "validation", read_scores(row)) for row in rows)


def choose_metrics(cases: Sequence[Case]) -> list[Metric]:
    """The metrics that every scored image has, in the order of the registry."""
    scores = [case.scores for case in cases if case.scores]
    return [metric for metric in list_metrics() if scores and all(each.of(metric) is not None for each in scores)]


def sort_cases(cases: Iterable[Case]) -> list[Case]:
    """Worst IoU first, those without scores last, equals by name."""
    return sorted(cases, key=lambda case: (case.scores is None, case.scores.iou if case.scores else 0.0, case.name))


def summarise_cases(cases: Sequence[Case]) -> list[Summary]:
    """A summary for each role that has scores, test ahead of validation."""
    summaries = []
    for role in sorted({case.role for case in cases if case.scores}):
        own = [case for case in cases if case.role == role and case.scores]
        found = summarise_scores([case.scores for case in own if case.scores])
        means = {name: (part["mean"], part["interval_95"]) for name, part in found.items() if isinstance(part, Mapping)}
        others = [case.baseline for case in own if case.baseline]
        baseline = None
        if len(others) == len(own):
            iou = summarise_scores(others)["iou"]
            baseline = (iou["mean"], iou["interval_95"])
        summaries.append(Summary(role, len(own), means, baseline))
    return summaries
