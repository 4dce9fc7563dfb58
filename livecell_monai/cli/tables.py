"""Tables in the terminal."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    # a pipe has no width: nothing must be cut there
    Console(width=None if sys.stdout.isatty() else 240, soft_wrap=False).print(table)


def show_summary(summary: Mapping[str, Any]) -> None:
    """Print the scores of a set of images."""
    from livecell_monai.metrics import list_lines

    rows = []
    for line in list_lines(summary):
        interval = "" if line.interval_95 is None else f"{line.interval_95[0]:.3f} .. {line.interval_95[1]:.3f}"
        rest = ("" if value is None else f"{value:.3f}" for value in (line.median, line.worst))
        rows.append([line.label, f"{line.mean:.3f}", interval, *rest])
    show_table([f"{summary['images']} images", "mean", "95 % interval", "median", "worst"], rows)
    if "cells_not_scored" in summary:
        print(f"no scores of cells: {summary['cells_not_scored']}")
    if "split_ids" in summary:
        print(f"note: ids with several pieces: {summary['split_ids']}")
