"""Colours and style of all plots and overlays."""

from pathlib import Path
from typing import TYPE_CHECKING

from livecell_monai.runs.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RGB = tuple[int, int, int]

# Sky blue, yellow and vermillion of Okabe & Ito, "Color Universal Design" (2008). Of all triples of that palette, these
# differ most under simulated protanopia, deuteranopia and tritanopia (CIELAB distance >= 34 for every pair; green, orange
# and purple: 17). Their lightness L* is 70, 89 and 54, so they also differ in grey print.
AGREED: RGB = (86, 180, 233)  #: foreground in prediction and truth
MISSED: RGB = (240, 228, 66)  #: foreground in the truth only
INVENTED: RGB = (213, 94, 0)  #: foreground in the prediction only
PREDICTED: RGB = AGREED  #: foreground of a prediction without a truth
COMPARED: tuple[tuple[str, RGB], ...] = (
    ("agreement", AGREED),
    ("missed (annotation only)", MISSED),
    ("invented (prediction only)", INVENTED),
)
ALONE: tuple[tuple[str, RGB], ...] = (("prediction", PREDICTED),)
# Violet and salmon beside those three: under the same simulations, every pair of the five has a distance >= 33.
MERGED: RGB = (160, 96, 255)  #: true cell that shares a predicted cell
SPLIT: RGB = (255, 160, 128)  #: true cell with several predicted ones
UNANNOTATED: RGB = (235, 235, 235)  #: hatching of pixels that are not annotated
HATCHED: tuple[tuple[str, RGB], ...] = (("hatched: not annotated, does not count", UNANNOTATED),)
OUR_PICTURES = ("_overlay.png", "_overlay_first.png", "_overlay_middle.png", "_overlay_last.png", "_confluency.png")
BLUE, VERMILLION = "#0072B2", "#D55E00"  #: of curves, from the same palette
DPI = 110


def is_our_picture(path: Path) -> bool:
    """Whether a file is an overlay or plot of a prediction by its name, and a mask is beside it."""
    stem = next((path.name.removesuffix(ending) for ending in OUR_PICTURES if path.name.endswith(ending)), None)
    return stem is not None and any(path.with_name(stem + ending).exists() for ending in (".tif", ".ome.tif", ".ome.zarr"))


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
    """Write a figure as PNG, atomically; a DataError if it cannot be written."""
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)
