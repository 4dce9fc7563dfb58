"""The interface of an output: an object that writes one kind of file for every prediction, and what it receives.

To add one, write a class in its own file and list it in `registry.BUILT_IN` (or register it from another package under the
entry-point group `livecell_monai.outputs`). Users select it by name in the setting `outputs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from livecell_monai.sample import Pixels

Row = dict[str, Any]  #: columns of the table `summary.csv` by name


@dataclass(frozen=True)
class Frame:
    """The position of a prediction in its movie, and metadata of the movie; an unknown value is None.

    Attributes:
        index: index of the frame in the file, from 0.
        position: position among the selected frames, from 0.
        frames: number of selected frames.
        interval_min: minutes between frames of the file.
        channel: name of the predicted channel.
    """

    index: int
    position: int
    frames: int
    interval_min: float | None = None
    channel: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether the frame completes the movie."""
        return self.position == self.frames - 1

    @property
    def time_min(self) -> float | None:
        """Minutes since the first frame of the file."""
        return None if self.interval_min is None else round(self.index * self.interval_min, 6)


@dataclass(frozen=True)
class Prediction:
    """One image, or one frame of a movie, on its original grid.

    Attributes:
        name: name of the image or the movie.
        source: path or address of the image.
        mask: (Y, X) bool, the foreground.
        maps: (Y, X) float32 in [0, 1] by channel name; empty if no output needs them.
        pixel_size_um: (Y, X) size of a pixel in µm; None if unknown.
        frame: position in the movie; None for a single image.
    """

    name: str
    source: Path
    mask: Pixels
    maps: Mapping[str, Pixels]
    pixel_size_um: tuple[float, float] | None
    seconds: float
    frame: Frame | None = None


@dataclass(frozen=True)
class LargePrediction:
    """One large image. Its mask is on disk; the whole mask is never in memory.

    Attributes:
        source: path or address of the image.
        foreground_fraction: in [0, 1].
        components: number of connected components.
        picture: reduced image and mask, both (Y, X); None if an earlier run has written the files of this image and only
            its row of the table is missing.
    """

    name: str
    source: Path
    foreground_fraction: float
    components: int
    seconds: float
    picture: tuple[Pixels, Pixels] | None = None


@dataclass(frozen=True)
class OutputOptions:
    """The settings that outputs depend on: names of the network's maps in channel order; `tiff` or `zarr`."""

    channels: tuple[str, ...] = ("foreground",)
    large_image_format: str = "tiff"


@dataclass(frozen=True)
class Files:
    """The names of the files that an output writes. They are checked before prediction starts, so that nothing is lost.

    Attributes:
        image: files of a single image; `{name}` stands for the name of the image.
        movie: files of a movie.
        large: files of a large image; None if the output does not support large images.
        run: files of the whole run.
    """

    image: tuple[str, ...] = ()
    movie: tuple[str, ...] = ()
    large: tuple[str, ...] | None = None
    run: tuple[str, ...] = ()


class Output(Protocol):
    """Writes one kind of file. Subclasses set `files`; the methods do nothing by default.

    The methods are called one at a time, in a thread beside the network. They raise a DataError if a file cannot be written.

    Attributes:
        files: the files that it writes.
        needs_maps: whether it reads `Prediction.maps`. If no output does, the maps are not kept.
    """

    files: Files
    needs_maps: bool = False

    def __init__(self, options: OutputOptions | None = None) -> None:
        """Create the output for the settings of a run."""

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Write the files of an image, or add a frame to a movie and write the movie's files after the last frame.

        Frames arrive in order, one movie after the other. The files are published after all outputs have written theirs.

        Returns:
            Columns of `summary.csv` for the image or, at the last frame, for the movie.
        """
        return {}

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Write further files of a large image, whose mask is already on disk. Returns as `write`."""
        return {}

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the files of the whole run. It may be called several times, each time with all rows so far."""

    def discard(self) -> None:
        """Drop an incomplete movie and close its files. The caller deletes the files that are already published."""
