"""The interface of an output: an object that writes one kind of file for every prediction, and what it receives.

To add one, write a class in its own file and list it in `registry.BUILT_IN` (or register it from another package under the
entry-point group `livecell_monai.outputs`). Users select it by name in the setting `outputs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from livecell_monai.cells.columns import Names
from livecell_monai.cells.measure import Columns
from livecell_monai.cells.runs import Runs, find_cell_runs
from livecell_monai.sample import Pixels

Row = dict[str, Any]  #: columns of the table `summary.csv` by name


@dataclass(frozen=True)
class Frame:
    """The position of a prediction in its movie, and metadata of the movie; an unknown value is None."""

    index: int  #: in the file, from 0
    position: int  #: among the selected frames, from 0
    frames: int  #: number of selected frames
    interval_min: float | None = None  #: minutes between frames of the file
    channel: str | None = None  #: name of the predicted channel

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
    """One image, or one frame of a movie, on its original grid."""

    name: str  #: of the image or the movie
    source: Path  #: path or address of the image
    mask: Pixels  #: (Y, X) bool, the foreground
    maps: Mapping[str, Pixels]  #: (Y, X) float32 in [0, 1] by channel name; empty if no output needs them
    pixel_size_um: tuple[float, float] | None  #: (Y, X); None if unknown
    seconds: float
    frame: Frame | None = None  #: None for a single image
    cells: Pixels | None = None  #: (Y, X), ids from 1; None if no output needs them
    problem: str | None = None  #: why a frame could not be predicted: its mask and maps are 0, its row is empty
    own: Mapping[str, float] = field(default_factory=dict)  #: the values of settings that the image has for itself

    @cached_property
    def cell_runs(self) -> Runs:
        """The runs of the cells."""
        assert self.cells is not None
        return find_cell_runs(self.cells)

    @cached_property
    def measured(self) -> dict[bool, Columns]:
        """What `measure_prediction` has measured so far; by whether it is as CellProfiler defines it."""
        return {}


@dataclass(frozen=True)
class LargePrediction:
    """One large image. Its mask is on disk; the whole mask is never in memory."""

    name: str
    source: Path  #: path or address of the image
    foreground_fraction: float  #: in [0, 1]
    seconds: float
    #: reduced image and mask, both (Y, X); None if an earlier run has finished the mask and no output needs a picture
    picture: tuple[Pixels, Pixels] | None = None
    pixel_size_um: tuple[float, float] | None = None  #: (Y, X); None if unknown
    shape: tuple[int, int] = (0, 0)  #: (Y, X) pixels
    cells: Columns | None = None  #: of `measure_cells`, of a finished image only `area_px`; None if they are not separated
    own: Mapping[str, float] = field(default_factory=dict)  #: the values of settings that the image has for itself


@dataclass(frozen=True)
class OutputOptions:
    """The settings that outputs depend on."""

    channels: tuple[str, ...] = ("foreground",)  #: names of the network's maps, in channel order
    large_image_format: str = "tiff"  #: or `zarr`
    cell_table_format: str = "csv"  #: or `parquet`
    cell_table_names: Names = "livecell"  #: of columns
    assumed_px: float | None = None  #: diameter that the start assumes for cells; None for a trained bundle
    model: str = ""  #: what the table says made the predictions; empty for a bundle
    parts: Path | None = None  #: folder of files that outputs keep until the run ends: that of `Output.write`


@dataclass(frozen=True)
class Files:
    """The names of the files that an output writes, checked before prediction starts; `{name}` is the image's name."""

    image: tuple[str, ...] = ()
    movie: tuple[str, ...] = ()
    large: tuple[str, ...] | None = None  #: of a large image; None if the output does not support them
    run: tuple[str, ...] = ()  #: of the whole run
    parts: tuple[str, ...] = ()  #: of an image or a movie, kept where they are written until the run ends


class Output(Protocol):
    """Writes one kind of file. Subclasses set `files`; the methods do nothing by default.

    The methods are called one at a time, in a thread beside the network. They raise a DataError if a file cannot be written.
    """

    files: Files
    needs_cells: bool = False  #: whether it reads `Prediction.cells`; if no output does, cells are not separated
    needs_maps: bool = False  #: whether it reads `Prediction.maps`; if no output does, the maps are not kept
    needs_picture: bool = False  #: whether it reads `LargePrediction.picture`
    result: str = ""  #: what `finish` has written, for the user, such as `12 cells (cells.csv)`; empty if nothing

    def __init__(self, options: OutputOptions | None = None) -> None:
        """Create the output for the settings of a run."""

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Write the files of an image, or add a frame to a movie and write the movie's files after the last frame.

        Frames arrive in order, one movie after the other. The files are published after all outputs have written theirs.
        Returns columns of `summary.csv` for the image or, at the last frame, for the movie.
        """
        return {}

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Write further files of a large image, whose mask is already on disk. Returns as `write`."""
        return {}

    def check_earlier(self, folder: Path) -> None:
        """Called before a run that keeps results of a finished one; a SettingError if they do not fit its own."""

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the files of the whole run. It may be called several times, each time with all rows so far."""

    def discard(self) -> None:
        """Drop an incomplete movie and close its files. The caller deletes the files that are already published."""
