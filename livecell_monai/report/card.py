"""Model cards in Markdown: of a training, of an ensemble, and the section of a refit; the texts are in the templates."""

from collections.abc import Mapping
from typing import Any

from livecell_monai.metrics import label_of, list_lines
from livecell_monai.report.templates import render


def render_card(**facts: Any) -> str:
    """The model card of a training.

    Args:
        facts: the values that `card.md.j2` lists, as `training.facts.describe_card` returns them. Every text in them is
            shown as text, whatever markup it holds.
    """
    return render("card.md.j2", label_of=label_of, **facts)


def render_study(kind: str, data: str, summary: Mapping[str, Any]) -> str:
    """The card of an ensemble, or the section of a refit's card.

    Args:
        kind: `ensemble` or `refit`.
        data: name of the data.
        summary: what the cross-validation found, as in `crossval.json`.
    """
    return render("study_card.md.j2", kind=kind, data=data, lines=list_lines(summary), **summary)
