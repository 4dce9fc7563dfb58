"""The learning curve: score against what is annotated."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecell_monai.report.curves import DPI, VALIDATION
from livecell_monai.runs.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE_INCH = (7, 4.5)
AXES = {"share_of_area": "annotated area of each training image, share", "training_images": "annotated training images"}


def write_learning_curve(path: Path, points: Sequence[Mapping[str, Any]]) -> None:
    """Write the curve as PNG, 770 x 495 px.

    Args:
        path: file to write, ending in .png; replaced where it exists.
        points: as for `draw_learning_curve`.
    """
    figure = draw_learning_curve(points)
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def draw_learning_curve(points: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw mean IoU against the amount on an axis of doublings, with the intervals as a band.

    Args:
        points: least amount first, each with `share_of_area` or `training_images`, `iou` in [0, 1], `low_95` and `high_95`
            (None where there is no interval) and `scored_images`.

    Raises:
        ValueError: there is no point.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not points:
        raise ValueError("a learning curve needs at least one point; got none")
    kind = next(name for name in AXES if name in points[0])
    amounts, means = ([float(point[key]) for point in points] for key in (kind, "iou"))
    figure = Figure(figsize=SIZE_INCH, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if all(point["low_95"] is not None for point in points):
        low, high = ([float(point[key]) for point in points] for key in ("low_95", "high_95"))
        axes.fill_between(amounts, low, high, color=VALIDATION, alpha=0.15, linewidth=0, label="95 % interval over images")
    axes.plot(amounts, means, "o-", color=VALIDATION, label="mean IoU of held-out images")
    for amount, mean in zip(amounts, means, strict=True):
        axes.annotate(f"{mean:.3f}", (amount, mean), textcoords="offset points", xytext=(0, 8), ha="center")
    axes.set_xscale("log", base=2)
    axes.set_xticks(amounts, [f"{amount:.3g}" for amount in amounts])
    axes.minorticks_off()
    axes.set_xlabel(AXES[kind])
    axes.set_ylabel("IoU")
    axes.set_title(f"{points[0]['scored_images']} images, each by networks that have not seen it", fontsize=11)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    return figure
