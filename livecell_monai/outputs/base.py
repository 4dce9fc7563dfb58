"""The interface of an output: an object that writes one kind of file for every prediction.

To add one, write a class in its own file and list it in `registry.BUILT_IN` (or register it from another package under the
entry-point group `livecell_monai.outputs`). Users select it by name in the setting `outputs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from livecell_monai.outputs.prediction import LargePrediction, Prediction

Row = dict[str, Any]  #: columns of the table `summary.csv` by name


@dataclass(frozen=True)
class OutputOptions:
    """The settings that outputs depend on.

    Attributes:
        channels: names of the network's maps, in channel order.
        large_image_format: format of the mask of a large image, `tiff` or `zarr`.
    """

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

    The methods are called one at a time, in a thread beside the network.

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

        Raises:
            DataError: a file cannot be written.
        """
        return {}

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Write further files of a large image, whose mask is already on disk. Returns and raises as `write`."""
        return {}

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the files of the whole run. It may be called several times, each time with all rows so far.

        Raises:
            DataError: a file cannot be written.
        """

    def discard(self) -> None:
        """Drop an incomplete movie and close its files. The caller deletes the files that are already published."""
