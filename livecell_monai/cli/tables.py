"""Tables in the terminal."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, its columns as wide as they must be."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    # a pipe has no width of its own: nothing is to be cut there
    Console(width=None if sys.stdout.isatty() else 240, soft_wrap=False).print(table)


def show_summary(summary: Mapping[str, Any]) -> None:
    """Print what the scores of a set of images say of it."""
    rows = []
    for name, value in summary.items():
        if isinstance(value, dict):
            interval = value["interval_95"]
            shown = "" if interval is None else f"{interval[0]:.3f} .. {interval[1]:.3f}"
            rows.append([name, f"{value['mean']:.3f}", shown, f"{value['median']:.3f}", f"{value['worst']:.3f}"])
    pooled, interval = summary["pooled_iou"], summary["pooled_iou_interval_95"]
    rows.append(
        ["iou, pooled", f"{pooled:.3f}", "" if interval is None else f"{interval[0]:.3f} .. {interval[1]:.3f}", "", ""]
    )
    show_table([f"{summary['images']} images", "mean", "95 % interval", "median", "worst"], rows)
