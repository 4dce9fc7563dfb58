"""What a cross-validation says of the bundles that it leaves: a card for the ensemble, a section for the refit."""

from collections.abc import Mapping, Sequence
from typing import Any

from livecell_monai.metrics import list_lines
from livecell_monai.report.card import LICENCE, USAGE, escape

HEAD = """\
# Ensemble of {folds} U-Nets trained on {data}

Marks the pixels of live cells in grey microscopy images: each pixel is foreground (cell) or background. The probabilities
of {folds} networks are averaged, each trained on another part of the annotated images. It is a MONAI Bundle: this folder
holds the weights of all, their configuration and this card."""

SCORED = """\
## Scores by cross-validation

Every annotated image was scored once, on its original grid, by a network that had not seen it: {images} images,
{cells}, {folds} folds.

{table}

Outlines within {tolerance:g} pixels count as right in the surface Dice. Images without foreground: {empty_rule}.

{of_what} {few}"""

OF_WHAT = {
    "ensemble": "The scores are those of the single networks; their average has none, for it has seen every image. "
    "What prediction depends on (working size, percentiles, depth) was planned from all images.",
    "refit": "The scores are those of the folds' networks; this one has seen every image, and so has none of its own.",
}
FEW = (
    "The interval is the middle 95 % of a bootstrap over images, or groups of them. It tells how much the mean hangs on "
    "which of them were drawn, and is too narrow where they are few: of 3 it holds the true mean three times in four, of 10 "
    "nine times in ten. Of other cells, microscopes or annotators it says nothing."
)


def render_study(kind: str, data: str, summary: Mapping[str, Any]) -> str:
    """The card of an ensemble, or the section of a refit's card, in Markdown, ending in a line break.

    Args:
        kind: `ensemble` or `refit`.
        data: name of the data.
        summary: what the cross-validation found, as in `crossval.json`.
    """
    scored = SCORED.format(
        images=summary["images"],
        cells="cells not counted" if summary["cells"] is None else f"{summary['cells']} cells",
        folds=summary["folds"],
        table=_table(summary),
        tolerance=summary["surface_tolerance_px"],
        empty_rule=escape(summary["empty_rule"]),
        of_what=OF_WHAT[kind],
        few=FEW,
    )
    if kind == "refit":
        return f"{scored}\n"
    return "\n\n".join((HEAD.format(folds=summary["folds"], data=escape(data)), scored, USAGE, LICENCE)) + "\n"


def _table(summary: Mapping[str, Any]) -> str:
    rows: list[Sequence[str]] = [("score", "mean", "95 % interval", "median", "worst"), ("---", *["---:"] * 4)]
    for line in list_lines(summary):
        numbers = ("" if value is None else f"{value:.3f}" for value in (line.median, line.worst))
        rows.append((escape(line.label), f"{line.mean:.3f}", _interval(line.interval_95), *numbers))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.3f} .. {ends[1]:.3f}"
