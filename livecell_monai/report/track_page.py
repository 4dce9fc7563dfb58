"""The page of a movie whose cells are linked: it stands alone, needs no network, and opens from disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livecell_monai import __version__
from livecell_monai.cells.measure import Columns
from livecell_monai.report.lineage_tree import TreeLayout
from livecell_monai.report.motion import SHORTEST
from livecell_monai.report.pictures import embed_figure, encode
from livecell_monai.report.templates import render
from livecell_monai.report.track_movie import MOST_FRAMES, MOVIE, STILLS, TAIL, choose_stills
from livecell_monai.runs.atomic import write_file
from livecell_monai.tracks.growth import HOURS_FROM, Growth, describe_growth, format_time
from livecell_monai.tracks.lineages import FATES
from livecell_monai.tracks.tracks import Tracks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class TrackPage:
    """The content of the page. Every text in it is shown as text, whatever markup it holds."""

    tracks: Tracks
    lineages: Columns  #: of `describe_lineages`
    growth: Growth
    layout: TreeLayout  #: of the tree that is drawn
    charts: Mapping[str, "Figure"]  #: `growth`, `speeds`, `rose` and `tree`


def write_track_page(path: Path, page: TrackPage) -> None:
    """Write the page, atomically, with the GIF and the PNG that are beside it; a DataError if it cannot be written."""
    tracks = page.tracks
    pictures = {name: path.with_name(name) for name in (MOVIE, *STILLS) if path.with_name(name).is_file()}
    embedded = {name: encode(file.read_bytes(), f"image/{file.suffix[1:]}") for name, file in pictures.items()}
    text = render(
        "tracks.html.j2",
        tracks=tracks,
        figures=_list_figures(page),
        warnings=_list_warnings(tracks),
        movie=embedded.get(MOVIE, ""),
        movie_note=caption_movie(tracks),
        stills=[
            (embedded[name], caption_still(tracks, name, frame))
            for name, frame in choose_stills(tracks).items()
            if name in embedded
        ],
        growth=_capitalise(describe_growth(page.growth, tracks.interval_min)),
        charts={name: embed_figure(figure) for name, figure in page.charts.items()},
        chart_notes=caption_charts(tracks),
        drift=describe_drift(tracks),
        tree_note=_describe_tree(page.layout),
        version=__version__,
    )
    write_file(path, text)


def caption_movie(tracks: Tracks) -> str:
    """What the film shows: its frames, its outlines, and how far back its tails reach."""
    drawn = min(MOST_FRAMES, tracks.frames)
    frames = f"{drawn} of {tracks.frames:,} frames" if drawn < tracks.frames else f"All {tracks.frames:,} frames"
    tail = f"{TAIL} frames" if tracks.interval_min is None else f"{TAIL} frames ({format_time(TAIL, tracks.interval_min)})"
    return f"{frames}, the outline of each cell in the colour of its track. A tail is the way of a cell in the last {tail}."


def caption_still(tracks: Tracks, name: str, frame: int) -> str:
    """What a picture of one frame shows: which frame, when, how many cells in a field of which size."""
    when = f"frame {frame}"
    if tracks.interval_min is not None:
        when += f", after {format_time(frame, tracks.interval_min, tracks.frames - 1)}"
    cells = int((tracks.frame == frame).sum())
    height, width = tracks.shape
    field = f"{height} x {width} px"
    if tracks.pixel_size_um is not None:
        y, x = tracks.pixel_size_um
        field = f"{height * y:.4g} x {width * x:.4g} µm"
    which = name.removeprefix("frame_").removesuffix(".png").capitalize()
    return f"{which} frame ({when}): {cells:,} {'cell' if cells == 1 else 'cells'} in a field of {field}."


def caption_charts(tracks: Tracks) -> dict[str, str]:
    """What each chart shows, with the units of its axes."""
    interval = tracks.interval_min
    time = "frames" if interval is None else "hours" if (tracks.frames - 1) * interval >= HOURS_FROM else "minutes"
    unit = "px a frame" if interval is None or tracks.pixel_size_um is None else "µm a minute"
    long = f"each track of {SHORTEST} frames or more"
    return {
        "growth": f"Cells in each frame over time in {time}, and exponential growth fitted by Poisson regression.",
        "speeds": f"Mean speed, in {unit}, of {long}; the dashed line is the median.",
        "rose": f"Direction from the first to the last place of {long}, as in the image. The area of a sector is the number "
        "of tracks, which the rings are labelled with.",
        "tree": f"Time to the right, in {time}; a fork is a division.",
    }


def describe_drift(tracks: Tracks) -> str:
    """The drift of the stage in words, and what it is taken out of."""
    far = np.hypot(tracks.drift[:, 0], tracks.drift[:, 1])
    greatest = int(far.argmax())
    if far[greatest] < 0.05:
        return "No drift of the stage was found: speeds and displacements are as measured."
    y, x = tracks.drift[greatest]
    return (
        f"The stage drifted by up to {far[greatest]:.1f} px against the first frame ({y:+.1f} px in rows and {x:+.1f} px in "
        f"columns in frame {greatest}). Speeds, displacements and persistence are of positions without that drift; "
        "positions in tracks.csv are those in the image."
    )


def _list_figures(page: TrackPage) -> list[tuple[str, str]]:
    """Name and value of what the page shows first."""
    tracks, fates = page.tracks, page.lineages["fate"]
    cells = page.growth.cells[np.isfinite(page.growth.cells)]
    found = [("cells, first and last frame", f"{cells[0]:,.0f}, {cells[-1]:,.0f}")] if len(cells) else []
    found.append(("tracks", f"{len(fates):,}"))
    found += [(f"tracks: {fate}", f"{int((fates == fate).sum()):,}") for fate in FATES if (fates == fate).any()]
    doubling = page.growth.doubling_frames
    found.append(("doubling time", "cannot tell" if np.isnan(doubling) else format_time(doubling, tracks.interval_min)))
    return found


def _list_warnings(tracks: Tracks) -> list[str]:
    if not len(tracks):
        return ["No cell was found in this movie."]
    if not tracks.missing:
        return []
    shown = ", ".join(map(str, tracks.missing[:8])) + (", ..." if len(tracks.missing) > 8 else "")
    return [f"{len(tracks.missing)} frames are missing ({shown}). Tracks are linked across the gap."]


def _describe_tree(layout: TreeLayout) -> str:
    text = "Lineages with the most tracks come first. A line is a track, in its colour of the movie, with its id at the end."
    if layout.left_out:
        text += f" {layout.left_out:,} smaller lineages are not drawn; lineages.csv has them all."
    return text


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
