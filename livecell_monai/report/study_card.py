"""What a cross-validation says of the bundles that it leaves: a card for the ensemble, a section for the refit."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from livecell_monai.metrics import list_lines
from livecell_monai.report.templates import render


def render_study(kind: str, data: str, summary: Mapping[str, Any]) -> str:
    """The card of an ensemble, or the section of a refit's card, in Markdown, ending in a line break.

    Args:
        kind: `ensemble` or `refit`.
        data: name of the data.
        summary: what the cross-validation found, as in `crossval.json`.
    """
    filters: dict[str, Callable[..., str]] = {"number": _number, "interval": _interval}
    return render("study_card.md.j2", filters, kind=kind, data=data, lines=list_lines(summary), **summary)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.3f} .. {ends[1]:.3f}"
