"""The figures and the card that a training leaves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from livecell_monai.metrics.scores import score_mask
from livecell_monai.report.card import CardFacts, render_card
from livecell_monai.report.curves import write_curves
from livecell_monai.report.gallery import write_gallery
from livecell_monai.sample import Pixels


def write_figures(
    folder: Path, history: Sequence[Mapping[str, float]], panels: Sequence[tuple[str, Pixels, Pixels, Pixels]]
) -> None:
    """Write `curves.png` and `validation.png`.

    Args:
        folder: where to.
        history: one row an epoch.
        panels: name, image, predicted mask and truth, each (Y, X), of validation samples.
    """
    write_curves(folder / "curves.png", history)
    titled = [(f"{name}: IoU {score_mask(mask, truth).iou:.3f}", image, mask, truth) for name, image, mask, truth in panels]
    write_gallery(folder / "validation.png", titled)


def describe_run(**facts: Any) -> str:
    """The model card, Markdown, of the facts that `CardFacts` names."""
    return render_card(CardFacts(**facts))
