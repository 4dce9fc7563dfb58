"""Curves of a training by epoch, and the learning curve: score by amount of annotation."""

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from livecell_monai.metrics import label_of
from livecell_monai.outputs.figures import BLUE, VERMILLION, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Epoch = Mapping[str, float]

PANELS = (("loss", "Loss"), ("iou", "Mean IoU"), ("accuracy", "Pixel accuracy"))
OF_CELLS = ("ap50", "AP50 of cells")  # the fourth panel, where an epoch has it
MARKED_POINTS = 30  # with more points, markers would merge into a thick line
AMOUNTS = {"share_of_area": "annotated area of each training image, share", "training_images": "annotated training images"}


def draw_curves(history: Sequence[Epoch]) -> "Figure":
    """Draw a panel for each metric by epoch, training dashed and validation solid, the best epoch marked.

    Three panels in a row, 1430 x 440 px; with AP50 four in two rows, 1430 x 880 px. An epoch has `epoch` (from 1; by default
    its place in the list), `train_` and `val_` of `loss`, `iou` and `accuracy`, and perhaps `val_ap50`, all but the loss in
    [0, 1]. Values that are missing or not finite are left out.
    """
    has_cells = bool(_series(history, f"val_{OF_CELLS[0]}")[0])
    panels = (*PANELS, OF_CELLS) if has_cells else PANELS
    figure, shape = (new_figure(13, 8), (2, 2)) if has_cells else (new_figure(13, 4), (1, 3))
    best = find_best(history)
    for axes, (key, title) in zip(figure.subplots(*shape).flat, panels, strict=True):
        _draw_panel(axes, history, key, title, best)
    legends = [axes.get_legend_handles_labels() for axes in figure.axes]
    entries = {label: handle for legend in legends for handle, label in zip(*legend, strict=True)}
    if entries:  # one legend for all panels, below them: inside, it would cover curves
        figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=len(entries), frameon=False)
    return figure


def find_best(history: Sequence[Epoch]) -> int | None:
    """The first epoch of the highest validation IoU; None if no epoch has one."""
    epochs, scores = _series(history, "val_iou")
    return epochs[scores.index(max(scores))] if scores else None


def _series(history: Sequence[Epoch], key: str) -> tuple[list[int], list[float]]:
    """Epochs and values of one key, without the epochs that have no finite value.

    Gaps are closed: if validation runs only each fifth epoch, every point would stand alone.
    """
    epochs, values = [], []
    for place, row in enumerate(history, start=1):
        epoch, value = row.get("epoch", place), row.get(key, nan)
        if isfinite(value):
            epochs.append(int(epoch) if isfinite(epoch) else place)
            values.append(float(value))
    return epochs, values


def _draw_panel(axes: "Axes", history: Sequence[Epoch], key: str, title: str, best: int | None) -> None:
    from matplotlib.ticker import MaxNLocator

    for prefix, name, colour, dashes in (("train", "training", VERMILLION, "--"), ("val", "validation", BLUE, "-")):
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
    style_axes(axes)


def draw_learning_curve(points: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw mean IoU over the amount of annotation on a logarithmic axis, with the intervals as a band; 770 x 495 px.

    The points, least amount first, have `share_of_area` or `training_images`, `iou` in [0, 1], `low_95` and `high_95` (None
    without an interval) and `scored_images`; perhaps also `ap50`, `ap50_low_95` and `ap50_high_95`, a second line.
    """
    kind = next(name for name in AMOUNTS if name in points[0])
    amounts = [float(point[kind]) for point in points]
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    _draw_score(axes, points, amounts, "iou", "", BLUE)
    has_cells = "ap50" in points[0]
    if has_cells:
        _draw_score(axes, points, amounts, "ap50", "ap50_", VERMILLION)
    axes.set_xscale("log", base=2)
    axes.set_xticks(amounts, [f"{amount:.3g}" for amount in amounts])
    axes.minorticks_off()
    axes.set(xlabel=AMOUNTS[kind], ylabel="IoU, AP50" if has_cells else "IoU")
    axes.set_title(f"{points[0]['scored_images']} images, each by networks that have not seen it", fontsize=11)
    style_axes(axes)
    axes.legend(frameon=False, loc="best" if has_cells else "lower right")
    return figure


def _draw_score(
    axes: "Axes", points: Sequence[Mapping[str, Any]], amounts: Sequence[float], name: str, prefix: str, colour: str
) -> None:
    """The line and the band of one score."""
    label, ends = label_of(name), [f"{prefix}{end}_95" for end in ("low", "high")]
    if all(point[ends[0]] is not None for point in points):
        low, high = ([float(point[end]) for point in points] for end in ends)
        axes.fill_between(amounts, low, high, color=colour, alpha=0.15, linewidth=0, label="95 % interval over images")
    means = [float(point[name]) for point in points]
    axes.plot(amounts, means, "o-", color=colour, label=f"mean {label} of held-out images")
    for amount, mean in zip(amounts, means, strict=True):
        axes.annotate(f"{mean:.3f}", (amount, mean), textcoords="offset points", xytext=(0, 8), ha="center")
