"""One page about a trained bundle that stands alone: no other file, no network, opens from disk."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.metrics import POOLED, describe_unusable, list_metrics, score_mask, tabulate_scores
from livecell_monai.outputs.figures import ALONE, COMPARED, HATCHED, write_png
from livecell_monai.report.cases import Case, read_cases, summarise_cases, take_cases
from livecell_monai.report.cell_spread import draw_spread
from livecell_monai.report.curves import draw_curves, find_best
from livecell_monai.report.fates import FATE_COLOURS, INKS
from livecell_monai.report.gallery import MAX_ROWS, Panel, write_gallery
from livecell_monai.report.pictures import SPLIT_COLOURS, draw_sample, draw_sides, embed_figure
from livecell_monai.report.templates import render
from livecell_monai.report.threshold import draw_threshold
from livecell_monai.runs.atomic import atomic_path, write_table
from livecell_monai.sample import Pixels, SamplePrediction, SplitPreview

PICTURE_BYTES = {"sides": 600_000, "samples": 500_000}  # of the page that all pictures of the split, all samples may take


@dataclass(frozen=True)
class PageFacts:
    """The content of a page. Every text in it is shown as text, whatever markup it holds."""

    title: str
    training: Mapping[str, Any]  #: what `metadata.json` says of the training
    settings: Mapping[str, Any]  #: resolved, by name
    versions: Mapping[str, str]
    history: Sequence[Mapping[str, float]]  #: as `curves.draw_curves` takes it
    threshold: float
    split: str  #: the split in words
    limit: str  #: what the split hides from the scores, in words
    plan: str = ""  #: text of the plan that settings come from
    sides: Sequence[SplitPreview] = ()  #: annotated images with the regions of the split
    #: augmented samples, images (B, Y, X) and labels (B, Y, X), which are below 0 where not annotated
    samples: tuple[Pixels, Pixels] | None = None
    predictions: Iterable[SamplePrediction] = ()  #: of validation and test images; read once, one after the other
    expected: int = 0  #: about how many these are
    diameter_px: float = 0.0  #: of a typical cell, for the baseline; 0 if unknown
    rows: Sequence[Mapping[str, Any]] = ()  #: of `scores.csv`, shown if there are no predictions
    warnings: Sequence[str] = ()  #: lines at the top of the page
    notes: Sequence[str] = ()  #: lines about what is on the page and what is not


def write_figures(folder: Path, predictions: Iterable[SamplePrediction], **facts: Any) -> dict[str, Any] | None:
    """Write `curves.png`, `validation.png`, `scores.csv` and the page `report.html` of a training.

    The predictions, those of validation first, are read once, one after the other. The other facts are those of
    `PageFacts`. Returns the entry of `summarise_cases` for the validation images, None without scores.
    """
    panels: list[Panel] = []
    page = PageFacts(predictions=_keep_first(predictions, panels), **facts)
    write_png(folder / "curves.png", draw_curves(page.history))
    cases, summaries = write_page(folder / "report.html", page)
    rows = [tabulate_scores(case.name, case.scores) for case in cases if case.scores]
    write_table(folder / "scores.csv", sorted(rows, key=lambda row: row["image"]))
    write_gallery(folder / "validation.png", panels)
    return next((summary for summary in summaries if summary["role"] == "validation"), None)


def _keep_first(predictions: Iterable[SamplePrediction], panels: list[Panel]) -> Iterator[SamplePrediction]:
    """All images; the first that have a truth become panels of the gallery."""
    for one in predictions:
        if one.truth is not None and len(panels) < MAX_ROWS:
            iou = score_mask(one.mask, one.truth, one.labelled).iou
            panels.append((f"{one.name}: IoU {iou:.3f}", one.image, one.mask, one.truth, one.labelled))
        yield one


def write_page(path: Path, facts: PageFacts) -> tuple[list[Case], list[dict[str, Any]]]:
    """Write the page, atomically; a DataError if it cannot be written.

    Returns the predicted images, worst first, and their summary by role, see `summarise_cases`.
    """
    predicted, found = take_cases(facts.predictions, facts.expected, facts.diameter_px)
    cases = predicted or read_cases(facts.rows)
    summaries = summarise_cases(cases)
    values = vars(facts) | {
        "samples": [] if facts.samples is None else list(zip(*facts.samples, strict=True)),
        "is_chosen": facts.settings.get("checkpoint_selection") == "best",
        "best_epoch": find_best(facts.history),
        "galleries": _arrange(cases),
        "scored": [case for case in cases if case.scores],
        "summaries": summaries,
        "metrics": [metric for metric in list_metrics() if any(metric.name in one["scores"] for one in summaries)],
        "has_cells": any(case.scores and case.scores.cells for case in cases),
        "pooled": POOLED,
        "has_baseline": any(case.baseline for case in cases),
        "probabilities": found.probabilities,
        "errors": list(found.errors),
        "spreads": found.spreads,
        "colours": {"compared": COMPARED, "alone": ALONE, "split": SPLIT_COLOURS, "cells": FATE_COLOURS, "fates": INKS},
        "hatched": HATCHED if found.is_hatched or _is_hatched(facts) else (),
        "picture_bytes": PICTURE_BYTES,
    }
    drawing = {"draw_curves": draw_curves, "draw_threshold": draw_threshold, "draw_sides": draw_sides}
    drawing |= {"draw_spread": draw_spread}
    validation = facts.training.get("validation", {})
    values["unusable"] = describe_unusable(validation["iou"]) if "iou" in validation else None
    text = render("page.html.j2", embed=embed_figure, draw_sample=draw_sample, **drawing, **values)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return predicted, summaries


def _is_hatched(facts: PageFacts) -> bool:
    """Whether an annotated image or an augmented sample is annotated in part."""
    has_parts = facts.samples is not None and bool((np.asarray(facts.samples[1]) < 0).any())
    return has_parts or any(one.labelled is not None for one in facts.sides)


def _arrange(cases: Sequence[Case]) -> list[tuple[str, str, list[Case]]]:
    """(identifier, heading, images) of each gallery that has pictures."""
    drawn = [case for case in cases if case.layers]
    galleries = [
        ("test", "Test images, worst first", [case for case in drawn if case.role == "test" and case.scores]),
        ("validation", "Validation, worst first", [case for case in drawn if case.role == "validation" and case.scores]),
        ("unlabelled", "Test images, predicted and not scored", [case for case in drawn if not case.scores]),
    ]
    return [gallery for gallery in galleries if gallery[2]]
