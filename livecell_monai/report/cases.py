"""Predicted images as a page shows them: scores, those of a baseline without learning, and a picture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livecell_monai.metrics import Scores, measure_scores, read_scores, score_mask, segment_by_otsu, summarise_scores
from livecell_monai.report.pictures import Layers, draw_prediction
from livecell_monai.report.threshold import Probabilities
from livecell_monai.sample import SamplePrediction

MOST_PICTURES = 100  # images with a picture; further ones are only in the table
MOST_BYTES = 3_300_000  # of the page that their pictures may take together
ENOUGH_BYTES = 160_000  # for the best picture of one image


@dataclass(frozen=True)
class Case:
    """One predicted image."""

    name: str
    role: str  #: `validation` or `test`
    scores: Scores | None = None  #: None without a truth
    baseline: Scores | None = None  #: scores of Otsu's threshold
    layers: Layers | None = None  #: its picture


def take_cases(
    predictions: Iterable[SamplePrediction], expected: int, diameter_px: float
) -> tuple[list[Case], dict[str, Probabilities]]:
    """Score and draw images one by one, so that only one is in memory; the arguments are those of `PageFacts`.

    Returns the images, worst first and those without truth last; and the probabilities of those with truth by role.
    """
    most_bytes = min(ENOUGH_BYTES, MOST_BYTES // max(1, min(expected, MOST_PICTURES)))
    cases: list[Case] = []
    probabilities: dict[str, Probabilities] = {}
    for number, one in enumerate(predictions):
        layers = draw_prediction(one.image, one.mask, one.truth, most_bytes) if number < MOST_PICTURES else None
        scores = baseline = None
        if one.truth is not None:
            baseline = score_mask(segment_by_otsu(one.image, diameter_px), one.truth, one.labelled)
            scores = measure_scores(one.mask, one.truth, one.labelled)
            labelled = slice(None) if one.labelled is None else one.labelled
            probabilities.setdefault(one.role, Probabilities()).add(one.probability[labelled], one.truth[labelled])
        cases.append(Case(one.name, one.role, scores, baseline, layers))
    return _sort(cases), probabilities


def read_cases(rows: Iterable[Mapping[str, Any]]) -> list[Case]:
    """The validation images in the rows of a `scores.csv`, without pictures."""
    return _sort(Case(str(row["image"]), "validation", read_scores(row)) for row in rows)


def _sort(cases: Iterable[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: (case.scores is None, case.scores.iou if case.scores else 0.0, case.name))


def summarise_cases(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """A summary for each role that has scores, test first.

    Its keys: `role`; `scores`, as from `summarise_scores`; `baseline`, mean and interval of the baseline's IoU, None if an
    image has no baseline.
    """
    summaries = []
    for role in sorted({case.role for case in cases if case.scores}):
        own = [case for case in cases if case.role == role and case.scores]
        baselines = [case.baseline for case in own if case.baseline]
        summaries.append(
            {
                "role": role,
                "scores": summarise_scores([case.scores for case in own if case.scores]),
                "baseline": summarise_scores(baselines)["iou"] if len(baselines) == len(own) else None,
            }
        )
    return summaries
