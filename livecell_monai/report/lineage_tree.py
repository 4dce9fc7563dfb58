"""The lineage tree of a movie: time to the right, a line for each track, a fork at each division."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from livecell_monai.outputs.figures import new_figure
from livecell_monai.report.track_movie import colour_of
from livecell_monai.tracks.lineages import CONTINUED, DIVIDED, LEFT, LOST, find_fates, trace_founders
from livecell_monai.tracks.tracks import Tracks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 200  #: lines side by side; lineages beyond them are not drawn
_ROW_INCHES, _LEAST_INCHES, _MOST_INCHES = 0.115, 2.5, 60.0
_DARKER = 0.7  # of a colour, on white
_MARKS = {LOST: ("x", "lost"), LEFT: (">", "left the field")}


@dataclass(frozen=True)
class TreeLayout:
    """Where the tracks of the lineages that are drawn are, from top to bottom."""

    rows: dict[int, float]  #: of each drawn track; leaves have whole numbers from 0
    count: int  #: of rows
    left_out: int  #: lineages that are not drawn


def lay_out(tracks: Tracks, most_rows: int = MOST_ROWS) -> TreeLayout:
    """Lineages with the most tracks first; a parent is in the middle of its children."""
    children, (founders, _) = tracks.children(), trace_founders(tracks)
    roots, sizes = np.unique(founders, return_counts=True)
    rows: dict[int, float] = {}
    count = drawn = 0
    for root in roots[np.argsort(-sizes, kind="stable")].tolist():
        line, waiting = [], [root]
        while waiting:  # parents before their children, the first child on top
            line.append(waiting.pop())
            waiting += reversed(children.get(line[-1], []))
        leaves = [track for track in line if track not in children]
        if drawn and count + len(leaves) > most_rows:
            break
        rows |= {track: float(count + place) for place, track in enumerate(leaves)}
        for track in reversed(line):
            if track in children:
                rows[track] = float(np.mean([rows[child] for child in children[track]]))
        count, drawn = count + len(leaves), drawn + 1
    return TreeLayout(rows, count, len(roots) - drawn)


def draw_tree(tracks: Tracks, layout: TreeLayout, times: Sequence[float], label: str) -> "Figure":
    """Draw the tree, 1100 px wide and as high as its rows need.

    `times` (frames,) are the places of frames on the axis `label`. The id of a track without children is behind its line.
    """
    from matplotlib.collections import LineCollection

    height = float(np.clip(1.2 + _ROW_INCHES * layout.count, _LEAST_INCHES, _MOST_INCHES))
    figure = new_figure(10, height)
    axes = figure.subplots()
    step = times[1] - times[0] if len(times) > 1 else 1.0
    lines, colours = _list_lines(tracks, layout, times, step)
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=1.3, capstyle="projecting"))
    fates = dict(zip(tracks.ids.tolist(), find_fates(tracks).tolist(), strict=True))
    ends = {track: points[-1][0] for track, points in zip(layout.rows, lines, strict=True)}
    for fate, (marker, name) in _MARKS.items():
        places = [(ends[track], row) for track, row in layout.rows.items() if fates[track] == fate]
        if places:
            axes.plot(*zip(*places, strict=True), marker, color="0.1", markersize=4, linestyle="", label=name, zorder=3)
    for track, row in layout.rows.items():
        if fates[track] not in (DIVIDED, CONTINUED):
            axes.annotate(str(track), (ends[track], row), (5, 0), textcoords="offset points", fontsize=6, va="center")
    axes.set(xlabel=label, xlim=(times[0] - 0.5 * step, times[-1] + 0.5 * step), ylim=(layout.count - 0.3, -0.7), yticks=[])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[1]:
        figure.legend(loc="outside upper left", frameon=False, ncols=2, fontsize=9)
    return figure


def _list_lines(
    tracks: Tracks, layout: TreeLayout, times: Sequence[float], step: float
) -> tuple[list[list[tuple[float, float]]], list[tuple[float, ...]]]:
    """The lines of the tree as lists of points, and the colour of each."""
    lines, colours = [], []
    spans = dict(tracks.spans())
    for track, row in layout.rows.items():
        span, parent = spans[track], tracks.parents.get(track)
        born, ended = (times[int(tracks.frame[at])] for at in (span.start, span.stop - 1))
        points = [(born, row), (max(ended, born + 0.3 * step), row)]
        if parent is not None:  # the fork begins where the parent was seen last
            parted = times[int(tracks.frame[spans[parent].stop - 1])]
            points = [(parted, layout.rows[parent]), (parted, row), *points]
        lines.append(points)
        colours.append(tuple(channel * _DARKER / 255 for channel in colour_of(track)))
    return lines, colours
