"""One page about a trained bundle that stands alone: no other file, no network, opens from disk."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecell_monai.outputs.legend import ALONE, COMPARED, RGB
from livecell_monai.report.card import ADVICE, list_limits
from livecell_monai.report.cases import Case, choose_metrics, read_cases, summarise_cases, take_cases
from livecell_monai.report.curves import draw_curves, find_best
from livecell_monai.report.pictures import ANNOTATED, HELD, TRAINED, UNUSED, draw_sample, draw_sides, encode
from livecell_monai.report.templates import render
from livecell_monai.report.threshold import Probabilities, draw_threshold
from livecell_monai.report.threshold import find_best as find_threshold
from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels, SamplePrediction, SplitPreview

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES_BYTES = 600_000  # of the page that the pictures of the split may take together
SAMPLES_BYTES = 500_000  # and the augmented samples


@dataclass(frozen=True)
class PageFacts:
    """What a page tells. Every text in it is shown as text, whatever markup it holds.

    Attributes:
        title: of the page.
        training: what `metadata.json` says of the training.
        settings: the resolved settings by name.
        versions: versions of the software by package.
        history: one row an epoch, as `curves.draw_curves` takes them.
        threshold: probability from which on a pixel is foreground.
        split: the split in words.
        limit: what the split leaves the scores unable to say.
        plan: text of the plan that settings come from, empty where there was none.
        sides: annotated images with the parts that the split has given to either side.
        samples: augmented samples, images (B, Y, X) and labels (B, Y, X); None where there are none.
        predictions: of validation and test images; looked at once, one after the other.
        expected: about how many these are.
        diameter_px: of a typical cell, for the baseline; 0 where it is not known.
        rows: of `scores.csv`, told where no image is predicted anew.
        warnings: lines that are said loudly ahead of everything.
        notes: lines about what is and is not on the page.
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
    """Write the page, whole or not at all.

    Args:
        path: file to write, ending in .html; replaced where it exists.
        facts: what it tells.

    Returns:
        The predicted images with their scores, worst first.

    Raises:
        DataError: the file cannot be written.
    """
    cases, spread = take_cases(facts.predictions, facts.expected, facts.diameter_px)
    text = render_page(facts, cases or read_cases(facts.rows), spread)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return cases


def render_page(facts: PageFacts, cases: Sequence[Case], spread: Mapping[str, Probabilities]) -> str:
    """The page as HTML.

    Args:
        facts: what it tells; the predicted images are taken from `cases`.
        cases: predicted images, worst first.
        spread: probabilities of those that have a truth, by role.
    """
    is_chosen = facts.settings.get("checkpoint_selection") == "best"
    return render(
        "page.html.j2",
        {"hex": _hex},
        facts=facts,
        training=facts.training,
        galleries=_arrange(cases),
        scored=[case for case in cases if case.scores],
        metrics=choose_metrics(cases),
        summaries=summarise_cases(cases),
        has_baseline=any(case.baseline for case in cases),
        best_epoch=find_best(facts.history),
        curves=_embed(draw_curves(facts.history)) if facts.history else None,
        spread=_embed(draw_threshold(spread, facts.threshold)) if spread else None,
        thresholds={role: (*find_threshold(found), found.calibration_error()) for role, found in spread.items()},
        sides=[(one, draw_sides(one, SIDES_BYTES // len(facts.sides))) for one in facts.sides],
        samples=_draw_samples(facts.samples),
        limits=list_limits(facts.limit, is_chosen),
        advice=ADVICE,
        colours={"compared": COMPARED, "alone": ALONE, "split": _SPLIT},
    )


_SPLIT: tuple[tuple[str, RGB], ...] = (
    ("annotated outline", ANNOTATED),
    ("trained on", TRAINED),
    ("validated on", HELD),
    ("left unused (guard)", UNUSED),
)


def _arrange(cases: Sequence[Case]) -> list[tuple[str, str, list[Case]]]:
    """(identifier, heading, images) of each gallery that has pictures."""
    drawn = [case for case in cases if case.layers]
    galleries = [
        ("test", "Test images, worst first", [case for case in drawn if case.role == "test" and case.scores]),
        ("validation", "Validation, worst first", [case for case in drawn if case.role == "validation" and case.scores]),
        ("unlabelled", "Test images, predicted and not scored", [case for case in drawn if not case.scores]),
    ]
    return [gallery for gallery in galleries if gallery[2]]


def _draw_samples(samples: tuple[Pixels, Pixels] | None) -> list[Any]:
    if samples is None:
        return []
    images, labels = samples
    each = SAMPLES_BYTES // max(1, len(images))
    return [draw_sample(image, label, each) for image, label in zip(images, labels, strict=True)]


def _embed(figure: "Figure") -> str:
    """A figure as a data URI, in lines that stay sharp at any size."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return encode(stream.getvalue(), "image/svg+xml")


def _hex(colour: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
