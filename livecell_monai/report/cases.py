"""Predicted images as a page shows them: scores, those of a baseline without learning, and a picture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from livecell_monai.metrics import (
    Scores,
    describe_unscored,
    measure_scores,
    read_scores,
    score_mask,
    segment_by_otsu,
    summarise_scores,
)
from livecell_monai.metrics.cells import CellMatches, add_counts, keep_labelled, match_cells
from livecell_monai.report.cell_errors import LargestErrors
from livecell_monai.report.cell_spread import CellSpread
from livecell_monai.report.fates import draw_fates
from livecell_monai.report.pictures import SIDE_PX, Layers, draw_prediction
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

    @property
    def rank(self) -> tuple[Any, ...]:
        """What images are sorted by, the worst first: by AP50, after these by IoU, and last those without scores."""
        ap50 = self.scores.get("ap50") if self.scores else None
        return self.scores is None, ap50 is None, ap50, self.scores.iou if self.scores else 0.0, self.name


@dataclass
class Findings:
    """What predicted images show together."""

    probabilities: dict[str, Probabilities] = field(default_factory=dict)  #: of images with truth, by role
    errors: LargestErrors = field(default_factory=LargestErrors)  #: of images whose cells are scored
    spreads: dict[str, CellSpread] = field(default_factory=dict)  #: of these images, by role
    is_hatched: bool = False  #: whether an image is annotated in part


def take_cases(predictions: Iterable[SamplePrediction], expected: int, diameter_px: float) -> tuple[list[Case], Findings]:
    """Score and draw images one by one, so that only one is in memory; the arguments are those of `PageFacts`.

    Returns the images, worst first and those without truth last; and what they show together.
    """
    most_bytes = min(ENOUGH_BYTES, MOST_BYTES // max(1, min(expected, MOST_PICTURES)))
    cases: list[Case] = []
    found = Findings()
    for number, one in enumerate(map(_keep_labelled_cells, predictions)):
        matches, found.is_hatched = None, found.is_hatched or one.labelled is not None
        if one.cells is not None and one.true_cells is not None:
            matches = match_cells(one.cells, one.true_cells)
            found.errors.add(one, matches)
            found.spreads.setdefault(one.role, CellSpread()).add(one.image, one.cells, one.true_cells)
        layers = _draw_case(one, matches, most_bytes) if number < MOST_PICTURES else None
        scores = baseline = None
        if one.truth is not None:
            baseline = score_mask(segment_by_otsu(one.image, diameter_px), one.truth, one.labelled)
            scores = measure_scores(one.mask, one.truth, one.labelled)
            scores = scores if matches is None else replace(scores, cells=matches.counts)
            labelled = slice(None) if one.labelled is None else one.labelled
            found.probabilities.setdefault(one.role, Probabilities()).add(one.probability[labelled], one.truth[labelled])
        cases.append(Case(one.name, one.role, scores, baseline, layers))
    return _sort(cases), found


def _keep_labelled_cells(one: SamplePrediction) -> SamplePrediction:
    """The prediction without the cells that do not count in scores."""
    if one.labelled is None or one.cells is None or one.true_cells is None:
        return one
    cells, true_cells = keep_labelled(one.cells, one.true_cells, one.labelled)
    return replace(one, cells=cells, true_cells=true_cells)


def _draw_case(one: SamplePrediction, matches: CellMatches | None, most_bytes: int) -> Layers:
    if matches is None or one.cells is None or one.true_cells is None:
        return draw_prediction(one.image, one.mask, one.truth, most_bytes, one.cells, one.labelled)
    cells = (one.cells, one.true_cells)
    return draw_fates(one.image, cells, matches, most_bytes, SIDE_PX, labelled=one.labelled)


def read_cases(rows: Iterable[Mapping[str, Any]]) -> list[Case]:
    """The validation images in the rows of a `scores.csv`, without pictures."""
    return _sort(Case(str(row["image"]), "validation", read_scores(row)) for row in rows)


def _sort(cases: Iterable[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: case.rank)


def summarise_cases(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """A summary for each role that has scores, test first.

    Its keys: `role`; `scores`, as from `summarise_scores`; `baseline`, mean and interval of the baseline's IoU, None if an
    image has no baseline; `cells`, the counts of all cells, or else `cells_not_scored`, why there are none.
    """
    summaries = []
    for role in sorted({case.role for case in cases if case.scores}):
        own = [case for case in cases if case.role == role and case.scores]
        baselines = [case.baseline for case in own if case.baseline]
        scores = [case.scores for case in own if case.scores]
        unscored = describe_unscored(scores)
        summaries.append(
            {
                "role": role,
                "scores": summarise_scores(scores),
                "cells": None if unscored else add_counts(one.cells for one in scores if one.cells),
                "cells_not_scored": unscored,
                "baseline": summarise_scores(baselines)["iou"] if len(baselines) == len(own) else None,
            }
        )
    return summaries
