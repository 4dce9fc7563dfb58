"""What a movie's prediction leaves: one stack of masks, a table by frame, confluency over time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from livecell_monai.data.plane_files import mask_pixels
from livecell_monai.data.readers import open_stack, parse_address
from livecell_monai.data.readers.kinds import read_image
from livecell_monai.outputs.movie_file import MovieFile, MovieNotes
from livecell_monai.runs.atomic import write_table
from livecell_monai.sample import Pixels
from livecell_monai.settings import check_setting

Row = dict[str, Any]
Draw = Callable[[Path, Pixels, Pixels], None]
Plot = Callable[[Path, str, list[Row]], None]
SHOWN = ("first", "middle", "last")  #: frames that an overlay is drawn of


@dataclass(frozen=True)
class Frame:
    """One predicted frame of a movie.

    Attributes:
        name: of the movie.
        source: address of the frame.
        index: of the frame in the file, from 0.
        position: of the frame among those that were chosen, from 0.
        frames: how many were chosen.
        pixel_size_um: (Y, X), None where unknown.
        mask: (Y, X) bool.
        probability: (Y, X) float32, None where it is not to be written.
        seconds: that its prediction took.
    """

    name: str
    source: Path
    index: int
    position: int
    frames: int
    pixel_size_um: tuple[float, float] | None
    mask: Pixels
    probability: Pixels | None
    seconds: float


@dataclass
class _Movie:
    """A movie of which some frames are there."""

    name: str
    interval_min: float | None
    masks: MovieFile
    probabilities: MovieFile | None
    rows: list[Row] = field(default_factory=list)
    shown: dict[str, tuple[Path, Pixels]] = field(default_factory=dict)

    def discard(self) -> None:
        self.masks.discard()
        if self.probabilities is not None:
            self.probabilities.discard()


class MovieWriter:
    """Takes frame by frame; a movie's files have their names when its last frame is there, and else there are none.

    For each movie `NAME.ome.tif`, (T, Y, X) uint8 of 0 and 255 with the pixel size, interval and channel of the source;
    `NAME_frames.csv`; `NAME_confluency.png`; on request `NAME_probability.ome.tif`, float32 in [0, 1], and overlays of the
    first, the middle and the last frame.

    Args:
        folder: to write to; it is there when the first frame comes.
        with_probability: whether to write the probabilities.
        draw: called with (path, image, mask) to write an overlay; None for no overlays.
        plot: called with (path, name, rows of the table) to write the plot; None for none.
        interval_min: time from frame to frame in minutes, whatever the file tells; None to believe the file.

    Raises:
        SettingError: the interval is no time.
    """

    def __init__(
        self,
        folder: Path,
        with_probability: bool = False,
        draw: Draw | None = None,
        plot: Plot | None = None,
        interval_min: float | None = None,
    ) -> None:
        check_setting("interval_min", interval_min)
        self.folder = folder
        self.with_probability = with_probability
        self.draw = draw
        self.plot = plot
        self.interval_min = interval_min
        self.movie: _Movie | None = None

    def files(self) -> list[str]:
        """The files of each movie."""
        probability = ["{name}_probability.ome.tif"] if self.with_probability else []
        overlays = [] if self.draw is None else [f"{{name}}_overlay_{place}.png" for place in SHOWN]
        plot = [] if self.plot is None else ["{name}_confluency.png"]
        return ["{name}.ome.tif", *probability, "{name}_frames.csv", *plot, *overlays]

    def add(self, frame: Frame) -> Row | None:
        """Write a frame behind those that are there.

        Returns:
            Of the last frame the movie's row of `summary.csv`: means over its frames; else None.

        Raises:
            DataError: a file cannot be written.
        """
        if frame.position == 0:
            self.discard()
            self.movie = self._open(frame)
        movie = self.movie
        if movie is None or movie.name != frame.name or len(movie.rows) != frame.position:
            self.discard()  # one before it could not be read
            return None
        movie.masks.append(mask_pixels(frame.mask))
        if movie.probabilities is not None and frame.probability is not None:
            movie.probabilities.append(frame.probability)
        movie.rows.append(_measure(frame, movie.interval_min))
        if self.draw is not None:
            places = {frame.frames // 2: "middle", 0: "first", frame.frames - 1: "last"}
            if frame.position in places:
                movie.shown[places[frame.position]] = (frame.source, frame.mask)
        return self._finish(movie) if frame.position == frame.frames - 1 else None

    def discard(self) -> None:
        """Leave nothing of a movie whose last frame is not there."""
        if self.movie is not None:
            self.movie.discard()
        self.movie = None

    def _open(self, frame: Frame) -> _Movie:
        address = parse_address(frame.source)
        assert address is not None
        with open_stack(address.path, address.axes) as stack:
            interval = stack.interval_min if self.interval_min is None else float(self.interval_min)
            channel = stack.channels[address.channel] if stack.channels else None
        notes = MovieNotes(frame.name, frame.frames, frame.pixel_size_um, interval, channel)
        masks = MovieFile(self.folder / f"{frame.name}.ome.tif", notes)
        probabilities = self.folder / f"{frame.name}_probability.ome.tif"
        return _Movie(frame.name, interval, masks, MovieFile(probabilities, notes) if self.with_probability else None)

    def _finish(self, movie: _Movie) -> Row:
        """Write what is made of all frames, and give the stacks their names: the masks last, so that they vouch for all."""
        if self.draw is not None:
            for place, (source, mask) in movie.shown.items():
                self.draw(self.folder / f"{movie.name}_overlay_{place}.png", read_image(source).pixels, mask)
        if self.plot is not None:
            self.plot(self.folder / f"{movie.name}_confluency.png", movie.name, movie.rows)
        write_table(self.folder / f"{movie.name}_frames.csv", movie.rows)
        if movie.probabilities is not None:
            movie.probabilities.close()
        movie.masks.close()
        self.movie = None
        return {
            "image": movie.name,
            "foreground_fraction": round(float(np.mean([row["foreground_fraction"] for row in movie.rows])), 6),
            "components": round(float(np.mean([row["components"] for row in movie.rows])), 2),
            "frames": len(movie.rows),
            "seconds": round(sum(row["seconds"] for row in movie.rows), 3),
        }


def count_components(mask: Pixels) -> int:
    """Connected pieces of a mask (Y, X) bool; those that touch by a corner are one."""
    return int(ndimage.label(mask, structure=np.ones((3, 3)))[1])


def _measure(frame: Frame, interval_min: float | None) -> Row:
    """The row of a frame; the time is that since the first frame of the file."""
    return {
        "frame": frame.index,
        "time_min": None if interval_min is None else round(frame.index * interval_min, 6),
        "foreground_fraction": round(float(frame.mask.mean()), 6),
        "components": count_components(frame.mask),
        "seconds": round(frame.seconds, 3),
    }
