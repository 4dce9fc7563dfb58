"""One page about a trained bundle that stands alone: no other file, no network, opens from disk."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecell_monai.metrics import list_metrics
from livecell_monai.outputs.figures import ALONE, COMPARED
from livecell_monai.report.cases import Case, read_cases, summarise_cases, take_cases
from livecell_monai.report.curves import draw_curves, find_best
from livecell_monai.report.pictures import SPLIT_COLOURS, draw_sample, draw_sides, encode
from livecell_monai.report.templates import render
from livecell_monai.report.threshold import draw_threshold
from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels, SamplePrediction, SplitPreview

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_BYTES = {"sides": 600_000, "samples": 500_000}  # of the page that all pictures of the split, all samples may take


@dataclass(frozen=True)
class PageFacts:
    """The content of a page. Every text in it is shown as text, whatever markup it holds.

    Attributes:
        training: what `metadata.json` says of the training.
        settings: the resolved settings by name.
        history: one row per epoch, as `curves.draw_curves` takes them.
        split: the split in words.
        limit: what the split hides from the scores, in words.
        plan: text of the plan that settings come from; empty without one.
        sides: annotated images with the regions of the split.
        samples: augmented samples, images (B, Y, X) and labels (B, Y, X).
        predictions: of validation and test images; read once, one after the other.
        expected: about how many these are.
        diameter_px: of a typical cell, for the baseline; 0 if unknown.
        rows: of `scores.csv`, shown if there are no predictions.
        warnings: lines at the top of the page.
        notes: lines about what is on the page and what is not.
    """

    title: str
    training: Mapping[str, Any]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    history: Sequence[Mapping[str, float]]
    threshold: float
    split: str
    limit: str
    plan: str = ""
    sides: Sequence[SplitPreview] = ()
    samples: tuple[Pixels, Pixels] | None = None
    predictions: Iterable[SamplePrediction] = ()
    expected: int = 0
    diameter_px: float = 0.0
    rows: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()


def write_page(path: Path, facts: PageFacts) -> list[Case]:
    """Write the page, atomically; a DataError if it cannot be written.

    Returns:
        The predicted images with their scores, worst first.
    """
    predicted, probabilities = take_cases(facts.predictions, facts.expected, facts.diameter_px)
    cases = predicted or read_cases(facts.rows)
    summaries = summarise_cases(cases)
    values = vars(facts) | {
        "samples": [] if facts.samples is None else list(zip(*facts.samples, strict=True)),
        "is_chosen": facts.settings.get("checkpoint_selection") == "best",
        "best_epoch": find_best(facts.history),
        "galleries": _arrange(cases),
        "scored": [case for case in cases if case.scores],
        "summaries": summaries,
        "metrics": [metric for metric in list_metrics() if all(metric.name in one["scores"] for one in summaries)],
        "has_baseline": any(case.baseline for case in cases),
        "probabilities": probabilities,
        "colours": {"compared": COMPARED, "alone": ALONE, "split": SPLIT_COLOURS},
        "picture_bytes": PICTURE_BYTES,
    }
    drawing = {"draw_curves": draw_curves, "draw_threshold": draw_threshold, "draw_sides": draw_sides}
    text = render("page.html.j2", embed=_embed, draw_sample=draw_sample, **drawing, **values)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return predicted


def _arrange(cases: Sequence[Case]) -> list[tuple[str, str, list[Case]]]:
    """(identifier, heading, images) of each gallery that has pictures."""
    drawn = [case for case in cases if case.layers]
    galleries = [
        ("test", "Test images, worst first", [case for case in drawn if case.role == "test" and case.scores]),
        ("validation", "Validation, worst first", [case for case in drawn if case.role == "validation" and case.scores]),
        ("unlabelled", "Test images, predicted and not scored", [case for case in drawn if not case.scores]),
    ]
    return [gallery for gallery in galleries if gallery[2]]


def _embed(figure: "Figure") -> str:
    """A figure as a data URI, in lines that stay sharp at any size."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return encode(stream.getvalue(), "image/svg+xml")
