"""The figures that a training leaves."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from livecell_monai.metrics import score_mask, tabulate_scores
from livecell_monai.outputs.figures import write_png
from livecell_monai.report.curves import draw_curves
from livecell_monai.report.gallery import MAX_ROWS, Panel, write_gallery
from livecell_monai.report.page import PageFacts, write_page
from livecell_monai.runs.atomic import write_table
from livecell_monai.sample import SamplePrediction


def write_figures(folder: Path, predictions: Iterable[SamplePrediction], **facts: Any) -> None:
    """Write `curves.png`, `validation.png`, `scores.csv` and the page `report.html`.

    Args:
        folder: where to.
        predictions: of images, those of validation first; read once, one after the other.
        facts: the other facts of `PageFacts`.
    """
    panels: list[Panel] = []
    page = PageFacts(predictions=_keep_first(predictions, panels), **facts)
    write_png(folder / "curves.png", draw_curves(page.history))
    cases = write_page(folder / "report.html", page)
    rows = [tabulate_scores(case.name, case.scores) for case in cases if case.scores]
    write_table(folder / "scores.csv", sorted(rows, key=lambda row: row["image"]))
    write_gallery(folder / "validation.png", panels)


def _keep_first(predictions: Iterable[SamplePrediction], panels: list[Panel]) -> Iterator[SamplePrediction]:
    """All images; the first that have a truth become panels of the gallery."""
    for one in predictions:
        if one.truth is not None and len(panels) < MAX_ROWS:
            panels.append((f"{one.name}: IoU {score_mask(one.mask, one.truth).iou:.3f}", one.image, one.mask, one.truth))
        yield one
