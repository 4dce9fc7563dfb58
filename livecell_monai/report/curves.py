"""The course of a training run: loss, mean IoU and pixel accuracy by epoch."""

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING

from livecell_monai.runs.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Epoch = Mapping[str, float]  #: one epoch: `epoch`, `train_loss`, `val_loss`, `train_iou`, ...; any may be missing or NaN

PANELS = (("loss", "Loss"), ("iou", "Mean IoU"), ("accuracy", "Pixel accuracy"))
SIZE_INCH = (13, 4)
DPI = 110
TRAINING = "#D55E00"  # vermillion and blue of Okabe & Ito: far apart for every reader, and dashes tell them in grey
VALIDATION = "#0072B2"
MARKED_POINTS = 30  #: with more points than these, markers would merge into a thick line


def write_curves(path: Path, history: Sequence[Epoch]) -> None:
    """Writes the curves of a run as PNG, 1430 x 440 px.

    Args:
        path: file to write, ending in .png; replaced where it exists.
        history: one mapping per epoch, see `draw_curves`.

    Raises:
        ValueError: the history is empty.
    """
    figure = draw_curves(history)
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def draw_curves(history: Sequence[Epoch]) -> "Figure":
    """Draws three panels by epoch, training dashed and validation solid, the best epoch marked.

    Args:
        history: one mapping per epoch with `epoch` (counted from 1; its place in the list if it has none),
            `train_loss`, `val_loss`, `train_iou`, `val_iou`, `train_accuracy`, `val_accuracy` (IoU and accuracy in
            [0, 1]). Values that are missing or not finite are left out; other keys are not read.

    Raises:
        ValueError: the history is empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not history:
        raise ValueError("curves need at least one epoch; got an empty history")
    figure = Figure(figsize=SIZE_INCH, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    best = find_best(history)
    for axes, (key, title) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        _draw_panel(axes, history, key, title, best)
    _draw_legend(figure)
    return figure


def find_best(history: Sequence[Epoch]) -> int | None:
    """The epoch of the highest validation IoU, the first of equals; None where no epoch has one.

    Args:
        history: one mapping per epoch, see `draw_curves`.
    """
    epochs, scores = _series(history, "val_iou")
    return epochs[scores.index(max(scores))] if scores else None


def _series(history: Sequence[Epoch], key: str) -> tuple[list[int], list[float]]:
    """Epochs and values of one key, without the epochs that have no finite value.

    Gaps are closed rather than drawn: where validation runs each fifth epoch only, every point would stand alone.
    """
    epochs, values = [], []
    for place, row in enumerate(history, start=1):
        epoch, value = row.get("epoch", place), row.get(key, nan)
        if isfinite(value):
            epochs.append(int(epoch) if isfinite(epoch) else place)
            values.append(float(value))
    return epochs, values


def _draw_panel(axes: "Axes", history: Sequence[Epoch], key: str, title: str, best: int | None) -> None:
    """One panel: two lines, the best epoch and its validation value in the title."""
    from matplotlib.ticker import MaxNLocator

    for prefix, name, colour, dashes in (
        ("train", "training", TRAINING, "--"),
        ("val", "validation", VALIDATION, "-"),
    ):
        epochs, values = _series(history, f"{prefix}_{key}")
        if epochs:
            marker = "o" if len(epochs) <= MARKED_POINTS else None
            axes.plot(epochs, values, dashes, color=colour, marker=marker, markersize=4, linewidth=1.8, label=name)
    if best is not None:
        label = f"best validation IoU (epoch {best})"
        axes.axvline(best, color="0.35", linewidth=0.9, linestyle=":", label=label, zorder=1)
        at_best = dict(zip(*_series(history, f"val_{key}"), strict=True)).get(best)
        title += "" if at_best is None else f": validation {at_best:.3f} at epoch {best}"
    axes.set_title(title, fontsize=12)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_legend(figure: "Figure") -> None:
    """One legend for all panels, below them: inside, it would cover the curves of some run."""
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    if entries:
        figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=len(entries), frameon=False)
