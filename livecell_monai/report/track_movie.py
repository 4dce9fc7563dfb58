"""A movie with each cell outlined in the colour of its track, and a tail of where it came from: GIF, PNG of three frames.

Drawn frame by frame, with a palette of greys and colours that all frames share.
"""

import colorsys
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from livecell_monai.outputs.cells import outline_cells
from livecell_monai.outputs.figures import RGB
from livecell_monai.outputs.overlay import stretch
from livecell_monai.report.gallery import load_font, shrink, shrink_labels
from livecell_monai.runs.atomic import atomic_path, writing_errors
from livecell_monai.sample import Pixels
from livecell_monai.tracks.growth import format_time
from livecell_monai.tracks.tracks import Tracks

MOVIE, STILLS = "movie.gif", ("frame_first.png", "frame_middle.png", "frame_last.png")
MOST_FRAMES = 60  #: of the GIF, evenly spaced
MOST_BYTES = 6_000_000  #: that a GIF may take, about
SIDES = (160, 480)  #: least and greatest longest side of the GIF in px
STILL_PX = 1024  #: longest side of a PNG
TAIL = 10  #: frames
SECONDS = 12.0  # that the GIF plays, about
_GREYS, _COLOURS = 64, 128  # entries of the palette
_WIDE_FROM = 800  # px of a picture, from which outlines are two pixels wide
_NAMED = 150  # cells of a still, up to which each has its id written beside it
_MOST_TIMES = 4  # that a small image is enlarged, so that lines are thin beside cells
_CELL_GREY = 24  # of a cell where there are no images

Drawn = tuple[Pixels, Pixels | None]  #: ids of tracks (Y, X) and the grey image (Y, X)


def colour_of(track: int) -> RGB:
    """The colour of a track, the same in every picture; those of successive ids differ most."""
    place = track % _COLOURS
    red, green, blue = colorsys.hls_to_rgb(place * 0.618034 % 1.0, (0.58, 0.74)[place % 2], 1.0)  # light: blue stays visible
    return round(red * 255), round(green * 255), round(blue * 255)


class TrackMovie:
    """Collects the frames of a movie in order; the last one writes the files into a folder."""

    def __init__(self, tracks: Tracks, folder: Path) -> None:
        self._tracks, self._folder = tracks, folder
        frames = tracks.frames
        #: frames of the GIF
        self.chosen = set(np.linspace(0, frames - 1, min(frames, MOST_FRAMES)).round().astype(int).tolist())
        self._stills = choose_stills(tracks)
        self._order = np.argsort(tracks.frame, kind="stable")
        self._ends = np.searchsorted(tracks.frame[self._order], np.arange(frames + 1))
        self._ends_of = dict(tracks.spans())
        self._drawn: list[Image.Image] = []
        self._side = 0

    def wants(self, frame: int) -> bool:
        """Whether a frame is drawn, so that its grey image must be read."""
        return frame in self.chosen or frame in self._stills.values()

    def append(self, frame: int, plane: Pixels, image: Pixels | None) -> None:
        """Draw the next frame: ids of tracks and grey image, both (Y, X). A DataError if a file cannot be written."""
        for name in (name for name, place in self._stills.items() if place == frame):
            with atomic_path(self._folder / name) as partial:
                self.draw(frame, (plane, image), STILL_PX, with_ids=True).save(partial, format="PNG", optimize=True)
        if frame in self.chosen:
            if not self._side:
                self._side = self._choose_side(frame, (plane, image))
            self._drawn.append(self.draw(frame, (plane, image), self._side))
        if frame == self._tracks.frames - 1:
            self._write()

    def _choose_side(self, frame: int, drawn: Drawn) -> int:
        """The longest side at which all frames together take about the bytes allowed."""
        least, greatest = SIDES
        stream = io.BytesIO()
        self.draw(frame, drawn, greatest).save(stream, format="GIF")
        ratio = MOST_BYTES / max(1, len(stream.getvalue()) * len(self.chosen))
        return int(np.clip(greatest * np.sqrt(ratio), least, greatest))

    def _write(self) -> None:
        path, first, *others = self._folder / MOVIE, *self._drawn
        duration = int(np.clip(1000 * SECONDS / len(self._drawn), 80, 600))
        with writing_errors(path), atomic_path(path) as partial:
            first.save(partial, format="GIF", save_all=True, append_images=others, duration=duration, loop=0, optimize=False)
        self._drawn = []

    def draw(self, frame: int, drawn: Drawn, side: int, with_ids: bool = False) -> Image.Image:
        """A frame with outlines, tails and its time, in the shared palette; its longest side has at most `side` px."""
        plane, image = drawn
        times = int(np.clip(side // max(plane.shape), 1, _MOST_TIMES))
        ids = _enlarge(shrink_labels(plane, side), times)
        if image is None:
            greys = np.where(ids > 0, _CELL_GREY, 0).astype(np.uint8)
        else:
            greys = _enlarge(stretch(shrink(np.asarray(image, np.float32), side)) // (256 // _GREYS), times)
        edge = outline_cells(ids, 2 if max(ids.shape) > _WIDE_FROM else 1)
        greys[edge] = _GREYS + ids[edge] % _COLOURS
        picture = Image.fromarray(greys)
        picture.putpalette(_build_palette())
        pen = ImageDraw.Draw(picture)
        scale = ids.shape[0] / plane.shape[0], ids.shape[1] / plane.shape[1]
        entries = self._order[self._ends[frame] : self._ends[frame + 1]]
        for entry in entries.tolist():
            self._draw_tail(pen, entry, scale)
        if with_ids and len(entries) <= _NAMED:
            self._write_ids(pen, entries, scale)
        self._write_time(pen, frame)
        return picture

    def _draw_tail(self, pen: ImageDraw.ImageDraw, entry: int, scale: tuple[float, float]) -> None:
        tracks = self._tracks
        steps = list_tail(tracks, self._ends_of, entry)
        # where the cell was, seen from this frame: the drift since then is added
        shift = tracks.drift[tracks.frame[entry]] - tracks.drift[tracks.frame[steps]]
        rows, columns = (tracks.y[steps] + shift[:, 0] + 0.5) * scale[0], (tracks.x[steps] + shift[:, 1] + 0.5) * scale[1]
        if len(steps) > 1:
            points = list(zip(columns.tolist(), rows.tolist(), strict=True))
            pen.line(points, fill=_GREYS + int(tracks.track[entry]) % _COLOURS, width=1)

    def _write_ids(self, pen: ImageDraw.ImageDraw, entries: NDArray[np.int64], scale: tuple[float, float]) -> None:
        for entry in entries.tolist():
            place = (self._tracks.x[entry] + 0.5) * scale[1], (self._tracks.y[entry] + 0.5) * scale[0]
            text = str(self._tracks.track[entry])
            pen.text(place, text, fill=_GREYS - 1, font=load_font(12), anchor="mm", stroke_width=1, stroke_fill=0)

    def _write_time(self, pen: ImageDraw.ImageDraw, frame: int) -> None:
        minutes, last = self._tracks.interval_min, self._tracks.frames - 1
        text = f"frame {frame}" if minutes is None else f"frame {frame}, {format_time(frame, minutes, last)}"
        pen.text((4, 3), text, fill=_GREYS - 1, font=load_font(13), stroke_width=2, stroke_fill=0)


def choose_stills(tracks: Tracks) -> dict[str, int]:
    """The frame of each still by its name: the first, the middle and the last one that was given; of few frames fewer."""
    given = sorted(set(range(tracks.frames)) - set(tracks.missing)) or [0]
    first, middle, last = STILLS
    chosen = {first: given[0], last: given[-1], middle: given[len(given) // 2]}
    kept: dict[str, int] = {}
    for name, frame in chosen.items():
        if frame not in kept.values():
            kept[name] = frame
    return {name: kept[name] for name in STILLS if name in kept}


def list_tail(tracks: Tracks, spans: dict[int, slice], entry: int) -> list[int]:
    """The entries of a cell in the last `TAIL` frames, oldest first, also those of its ancestors."""
    oldest, track = int(tracks.frame[entry]) - TAIL, int(tracks.track[entry])
    found: list[int] = []
    stop = entry
    while True:
        start = spans[track].start
        found += [one for one in range(stop, start - 1, -1) if tracks.frame[one] >= oldest]
        parent = tracks.parents.get(track)
        if parent is None or tracks.frame[start] <= oldest:
            return found[::-1]
        track, stop = parent, spans[parent].stop - 1


def _enlarge(plane: Pixels, times: int) -> Pixels:
    """Each pixel (Y, X) as a square of `times` x `times` pixels."""
    return plane.repeat(times, axis=0).repeat(times, axis=1)


def _build_palette() -> list[int]:
    greys = [(round(255 * place / (_GREYS - 1)),) * 3 for place in range(_GREYS)]
    colours = [colour_of(place) for place in range(_COLOURS)]
    return [channel for colour in (*greys, *colours) for channel in colour]
