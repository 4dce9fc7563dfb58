"""Pages and model cards from this folder's jinja2 templates; values are shown as text, whatever markup they hold."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from livecell_monai.metrics import POOLED, describe_unusable, find_metric, label_of, list_lines

# An underscore inside a word is no markup and stays readable in the source.
_MARKUP = re.compile(r"[\\`*\[\]|<>&~#$]|(?<![^\W_])_|_(?![^\W_])")
_PLAIN = re.compile(r"[A-Za-z0-9_.,:=/()+@ \[\]'\"-]+")


class Markdown(str):
    """Text that is Markdown already: a template does not escape it."""


def escape(value: object) -> str:
    """A value as Markdown text on one line: nothing in it makes a table cell, a tag, a link or emphasis."""
    if isinstance(value, Markdown):
        return value
    line = " ".join(str(value).split())
    # Entities, not backslashes: a table cell takes off one layer of backslashes before the text is read.
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", line)


def format_code(value: object) -> Markdown:
    """A value in code font if its characters are harmless there, as escaped text otherwise."""
    line = " ".join(str(value).split())
    return Markdown(f"`{line}`" if _PLAIN.fullmatch(line) else escape(line))


def render(template: str, **values: Any) -> str:
    """Fill in a template, whose file name ends in `.html.j2` or `.md.j2`; a missing value is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    is_html = template.endswith(".html.j2")
    environment = Environment(
        loader=PackageLoader("livecell_monai.report", "."),
        autoescape=is_html,
        finalize=None if is_html else escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not is_html,
    )
    environment.filters["code"] = format_code
    environment.tests["finite"] = isfinite
    return environment.get_template(template).render(**values)


def render_card(**facts: Any) -> str:
    """The model card of a training; the facts are the values of `card.md.j2`, see `training.facts.describe_card`."""
    cells = facts["cells"] or {"cells": None, "scores": {}}
    lines = list_lines({name: value for name, value in cells["scores"].items() if _is_of_cells(name)})
    texts = {"label_of": label_of, "unusable": describe_unusable(facts["validation"].get("iou", 1.0))}
    return render("card.md.j2", has_cells=cells["cells"] is not None, lines=lines, **texts, **facts)


def _is_of_cells(name: str) -> bool:
    """Whether an entry of a summary is a score of cells."""
    metric = find_metric(name.removeprefix(POOLED).removesuffix("_interval_95"))
    return metric is not None and metric.from_cells is not None


def render_study(kind: str, data: str, summary: Mapping[str, Any]) -> str:
    """The card of an `ensemble`, or the section of a `refit`'s card, from the cross-validation's `crossval.json`."""
    return render("study_card.md.j2", kind=kind, data=data, lines=list_lines(summary), **summary)
