"""Confluency over time: the fraction of a movie's field of view that is covered by cells, and the number of cells."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecell_monai.outputs.base import Files, Output, OutputOptions, Prediction, Row
from livecell_monai.outputs.figures import BLUE, VERMILLION, new_figure, style_axes, write_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOURS_FROM = 180  # minutes; longer movies have an axis in hours
MAX_MARKERS = 60  # with more points, markers would merge into a thick line
FULL_AXIS_FROM = 50  # percent; higher curves are shown on an axis up to 100 %


class ConfluencyPlot(Output):
    """`NAME_confluency.png` of each movie, with a second curve for the number of cells where they are separated."""

    files = Files(movie=("{name}_confluency.png",), large=())

    def __init__(self, options: OutputOptions | None = None) -> None:
        self._rows: list[Row] = []

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Record the fraction of the frame; draw the plot at the last frame."""
        frame = prediction.frame
        if frame is None:
            return {}
        fraction = round(float(prediction.mask.mean()), 6) if prediction.problem is None else math.nan
        row = {"frame": frame.index, "time_min": frame.time_min, "foreground_fraction": fraction}
        if prediction.cells is not None:
            row["cells"] = int(prediction.cells.max()) if prediction.problem is None else math.nan
        self._rows.append(row)
        if frame.is_last:
            figure = draw_confluency(prediction.name, self._rows)
            write_png(folder / f"{prediction.name}_confluency.png", figure)
            self._rows = []
        return {}

    def discard(self) -> None:
        """Drop the frames of an incomplete movie."""
        self._rows = []


def draw_confluency(name: str, rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw confluency in percent over hours or minutes, or over frames if the time is unknown; 880 x 495 px.

    The rows, one per frame in order, have `frame` (from 0), `time_min` (None if unknown), `foreground_fraction` in [0, 1],
    NaN for a frame without a prediction, where the curve has a gap. With `cells` too, the figure has the number of cells in
    a second panel below, and 880 x 825 px.
    """
    from matplotlib.ticker import MaxNLocator

    label, times = time_axis(rows)
    percent = [100 * row["foreground_fraction"] for row in rows]
    panels = [("confluency (% of the field)", percent, 1.0, BLUE)]
    if "cells" in rows[0]:
        panels.append(("cells in the field", [row["cells"] for row in rows], 5.0, VERMILLION))
    figure = new_figure(8, 4.5 if len(panels) == 1 else 7.5)
    all_axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (what, values, least, colour) in zip(all_axes, panels, strict=True):
        marker = "o" if len(rows) <= MAX_MARKERS else None
        axes.plot(times, values, color=colour, marker=marker, markersize=4, linewidth=1.8, clip_on=False)
        highest = max(value for value in values if not math.isnan(value))
        # each axis starts at 0, so that a change is not exaggerated
        axes.set_ylim(0, 100 if values is percent and highest > FULL_AXIS_FROM else max(least, 1.15 * highest))
        axes.set_ylabel(what)
        if values is not percent:
            axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        style_axes(axes)
    if len(panels) > 1:
        figure.align_ylabels()
    all_axes[0].set_title(name if len(name) <= 60 else f"{name[:57]}...", fontsize=12, parse_math=False)
    all_axes[-1].set_xlabel(label)
    all_axes[-1].xaxis.set_major_locator(MaxNLocator(integer=label == "frame", min_n_ticks=1, steps=[1, 2, 5, 10]))
    return figure


def time_axis(rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[float]]:
    """The label of the time axis and the position of each frame on it."""
    minutes = [float(time) for row in rows if (time := row.get("time_min")) is not None]
    if len(minutes) < len(rows):
        return "frame", [float(row["frame"]) for row in rows]
    if minutes[-1] - minutes[0] < HOURS_FROM:
        return "time (min)", minutes
    return "time (h)", [time / 60 for time in minutes]
