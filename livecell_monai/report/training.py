"""The figures and the card that a training leaves."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from livecell_monai.metrics import score_mask, tabulate_scores
from livecell_monai.report.card import CardFacts, render_card
from livecell_monai.report.curves import write_curves
from livecell_monai.report.gallery import MAX_ROWS, Panel, write_gallery
from livecell_monai.report.page import PageFacts, write_page
from livecell_monai.runs.atomic import write_table
from livecell_monai.sample import SamplePrediction


def write_figures(folder: Path, predictions: Iterable[SamplePrediction], **facts: Any) -> None:
    """Write `curves.png`, `validation.png`, `scores.csv` and the page `report.html`.

    Args:
        folder: where to.
        predictions: of images, those of validation first; looked at once, one after the other.
        facts: the further facts that `PageFacts` names.
    """
    panels: list[Panel] = []
    page = PageFacts(predictions=_keep_first(predictions, panels), **facts)
    write_curves(folder / "curves.png", page.history)
    cases = write_page(folder / "report.html", page)
    scored = sorted((case for case in cases if case.scores), key=lambda case: case.name)
    write_table(folder / "scores.csv", [tabulate_scores(case.name, case.scores) for case in scored if case.scores])
    write_gallery(folder / "validation.png", panels)


def describe_run(**facts: Any) -> str:
    """The model card, Markdown, of the facts that `CardFacts` names."""
    return render_card(CardFacts(**facts))


def _keep_first(predictions: Iterable[SamplePrediction], panels: list[Panel]) -> Iterator[SamplePrediction]:
    """Hand on all images; of the first that have a truth, note what the gallery shows."""
    for one in predictions:
        if one.truth is not None and len(panels) < MAX_ROWS:
            panels.append((f"{one.name}: IoU {score_mask(one.mask, one.truth).iou:.3f}", one.image, one.mask, one.truth))
        yield one
