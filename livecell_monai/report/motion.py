"""Plots of a movie whose cells are linked: growth, speeds, and directions of displacement."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from livecell_monai.cells.measure import Columns
from livecell_monai.outputs.confluency import MAX_MARKERS
from livecell_monai.outputs.figures import BLUE, VERMILLION, new_figure, style_axes
from livecell_monai.tracks.growth import Growth, describe_growth
from livecell_monai.tracks.tracks import Floats, Ints, Tracks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHORTEST = 5  #: frames of a track, below which it is in no histogram: its mean would be mostly noise
_SECTORS = 16
_BINS = (8, 40)  # fewest and most
_SHOWN = 99.0  # percentile of speeds at which the axis ends; those beyond it are in the last bin


def draw_growth(tracks: Tracks, growth: Growth, times: Sequence[float], label: str) -> "Figure":
    """Cells over time, with the curve of the doubling time over the span it was fitted on; 880 x 495 px.

    `times` (frames,) are the places of frames on the axis `label`.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(8, 4.5)
    axes = figure.subplots()
    marker = "o" if len(times) <= MAX_MARKERS else None
    axes.plot(times, growth.cells, color=VERMILLION, marker=marker, markersize=4, linewidth=1.8, label="cells in the field")
    first, last = growth.span
    axes.axvspan(times[first], times[last], color="0.5", alpha=0.08, linewidth=0, label="span of the fit")
    if np.isfinite(growth.rate):
        frames = range(first, last + 1)
        curve = growth.level * np.exp(growth.rate * np.array(frames))
        axes.plot(
            [times[frame] for frame in frames], curve, color=BLUE, linestyle="--", linewidth=1.8, label="exponential fit"
        )
    axes.set_ylim(0, max(5.0, 1.15 * float(np.nanmax(growth.cells, initial=0.0))))
    axes.set(xlabel=label, ylabel="cells")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    text = describe_growth(growth, tracks.interval_min)
    axes.set_title("\n".join(_wrap(text, 90)), fontsize=10, parse_math=False)
    style_axes(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def draw_speeds(tracks: Tracks, lineages: Columns) -> "Figure":
    """A histogram of the mean speed of each track of at least `SHORTEST` frames; 605 x 440 px."""
    figure = new_figure(5.5, 4)
    axes = figure.subplots()
    known = tracks.interval_min is not None and tracks.pixel_size_um is not None
    name, unit = ("mean_speed_um_per_min", "µm / min") if known else ("mean_speed_px_per_frame", "px / frame")
    speeds = lineages[name][_is_long(lineages)]
    speeds = speeds[np.isfinite(speeds)]
    if not len(speeds):
        return _say_nothing(figure, axes)
    highest = max(float(np.percentile(speeds, _SHOWN)), 1e-9)
    edges = np.linspace(0, highest, int(np.clip(np.sqrt(len(speeds)), *_BINS)) + 1)
    axes.stairs(np.histogram(speeds.clip(max=highest), edges)[0], edges, fill=True, color=BLUE, alpha=0.6)
    middle = float(np.median(speeds))
    axes.axvline(middle, color=VERMILLION, linestyle="--", linewidth=1.8, label=f"median {middle:.3g} {unit}")
    axes.set(xlabel=f"mean speed of a track ({unit})", ylabel="tracks", xlim=(0, highest), ylim=(0, None))
    _count_in_integers(axes)
    style_axes(axes)
    figure.legend(loc="outside upper left", frameon=False)
    return figure


def draw_rose(lineages: Columns) -> "Figure":
    """The directions of the net displacement of the tracks of at least `SHORTEST` frames, as in the image; 495 x 495 px.

    The area of a sector is the number of tracks.
    """
    figure = new_figure(4.5, 4.5)
    down, right = (lineages[f"displacement_{axis}_px"][_is_long(lineages)] for axis in "yx")
    moved = np.hypot(down, right) > 0  # False for NaN too
    if not moved.any():
        return _say_nothing(figure, figure.subplots())
    axes = figure.subplots(subplot_kw={"projection": "polar"})
    angles = np.arctan2(-down[moved], right[moved])
    counts, width = count_sectors(angles), 2 * np.pi / _SECTORS
    axes.bar(np.arange(_SECTORS) * width, np.sqrt(counts), width=width, color=BLUE, alpha=0.6, edgecolor="white")
    ticks = _choose_rings(int(counts.max()))
    axes.set_yticks(np.sqrt(ticks), [str(tick) for tick in ticks])
    axes.set_xticks(np.arange(4) * np.pi / 2, ["right", "up", "left", "down"])
    length = float(np.abs(np.exp(1j * angles).mean()))
    axes.set_title(f"{int(moved.sum()):,} tracks; common direction {length:.2f} (0 none, 1 all)", fontsize=10)
    return figure


def count_sectors(angles: Floats) -> Ints:
    """How many angles (N,) in radians are in each of 16 equal sectors, the first one around 0."""
    sectors = np.round(angles / (2 * np.pi / _SECTORS)).astype(int) % _SECTORS
    return np.bincount(sectors, minlength=_SECTORS).astype(np.int64)


def _choose_rings(highest: int) -> list[int]:
    """Two or three counts for the rings of the rose."""
    return sorted({max(1, round(highest * part)) for part in (0.25, 0.6, 1.0)})


def _is_long(lineages: Columns) -> Floats:
    return np.asarray(lineages["cells"] >= SHORTEST)


def _say_nothing(figure: "Figure", axes: "Axes") -> "Figure":
    axes.set_axis_off()
    axes.text(0.5, 0.5, f"no track of {SHORTEST} frames or more that moves", ha="center", va="center", color="0.4")
    return figure


def _count_in_integers(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _wrap(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)
