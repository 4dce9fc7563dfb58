"""Colours and style that all plots share."""

from pathlib import Path
from typing import TYPE_CHECKING

from livecell_monai.runs.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION = "#0072B2", "#D55E00"  #: Okabe & Ito: distinct for colour-blind readers
DPI = 110


def new_figure(width: float, height: float, layout: str | None = "constrained") -> "Figure":
    """An empty figure of a size in inches, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)  # type: ignore[arg-type]
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: "Axes") -> None:
    """A light grid behind the curves; no frame at the top and on the right."""
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def write_png(path: Path, figure: "Figure") -> None:
    """Write a figure as PNG, atomically.

    Raises:
        DataError: the file cannot be written.
    """
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)
