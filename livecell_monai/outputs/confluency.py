"""Confluency over time: the share of a movie's field that is covered by cells."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecell_monai.outputs.base import Files, Output, OutputOptions, Row
from livecell_monai.outputs.prediction import Prediction
from livecell_monai.runs.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE_INCH = (8, 4.5)
DPI = 110
COLOUR = "#0072B2"  # the blue of Okabe & Ito
HOURS_FROM = 180  # minutes; from this duration on the axis is in hours
MARKED_POINTS = 60  #: with more points than these, markers would merge into a thick line
HALF = 50  # percent; from there on the axis shows the whole field


class ConfluencyPlot(Output):
    """`NAME_confluency.png` of each movie; nothing of other images.

    Args:
        options: not used.
    """

    def __init__(self, options: OutputOptions | None = None) -> None:
        self._rows: list[Row] = []

    @property
    def files(self) -> Files:
        """The plot of a movie."""
        return Files(movie=("{name}_confluency.png",), large=())

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Keep the fraction of the frame; draw the plot with the last one."""
        frame = prediction.frame
        if frame is None:
            return {}
        fraction = round(float(prediction.mask.mean()), 6)
        self._rows.append({"frame": frame.index, "time_min": frame.time_min, "foreground_fraction": fraction})
        if frame.is_last:
            rows, self._rows = self._rows, []
            write_confluency(folder / f"{prediction.name}_confluency.png", prediction.name, rows)
        return {}

    def discard(self) -> None:
        """Forget the frames of an incomplete movie."""
        self._rows = []


def write_confluency(path: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes confluency over time as PNG, 880 x 495 px.

    Args:
        path: file to write, ending in .png; replaced where it exists.
        name: of the movie.
        rows: see `draw_confluency`.

    Raises:
        DataError: the file cannot be written.
        ValueError: there is no frame.
    """
    figure = draw_confluency(name, rows)
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def draw_confluency(name: str, rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draws confluency in percent over hours, minutes or, where the time is not known, frames.

    Args:
        name: of the movie.
        rows: one mapping a frame, in order of time: `frame`, its index from 0; `time_min`, None where unknown; and
            `foreground_fraction` in [0, 1].

    Raises:
        ValueError: there is no frame.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not rows:
        raise ValueError("confluency needs at least one frame; got none")
    label, places = _place(rows)
    percent = [100 * row["foreground_fraction"] for row in rows]
    figure = Figure(figsize=SIZE_INCH, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    marker = "o" if len(rows) <= MARKED_POINTS else None
    axes.plot(places, percent, color=COLOUR, marker=marker, markersize=4, linewidth=1.8, clip_on=False)
    # from 0, so that a change looks as large as it is
    axes.set_ylim(0, 100 if max(percent) > HALF else max(1.0, 1.15 * max(percent)))
    axes.set_title(name if len(name) <= 60 else f"{name[:57]}...", fontsize=12, parse_math=False)
    axes.set_xlabel(label)
    axes.set_ylabel("confluency (% of the field)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=label == "frame", min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _place(rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[float]]:
    """What time is counted in, and where each frame stands on it."""
    times = [row.get("time_min") for row in rows]
    if any(time is None for time in times):
        return "frame", [float(row["frame"]) for row in rows]
    minutes = [float(time) for time in times if time is not None]
    if minutes[-1] - minutes[0] < HOURS_FROM:
        return "time (min)", minutes
    return "time (h)", [time / 60 for time in minutes]
