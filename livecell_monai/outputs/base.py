"""What an output is: an object that writes one kind of file for every prediction.

To add one, write a class in a file of its own, name it in `registry.BUILT_IN` (or register it from another package under the
entry-point group `livecell_monai.outputs`), and list the name in the setting `outputs`.
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
        channels: names of the network's maps, in their order.
        large_image_format: `tiff` or `zarr`, of the mask of a large image.
    """

    channels: tuple[str, ...] = ("foreground",)
    large_image_format: str = "tiff"


@dataclass(frozen=True)
class Files:
    """The files that an output writes, known before any work is done, so that nothing is overwritten by accident.

    Attributes:
        image: of a single image, `{name}` in place of its name.
        movie: of a movie, likewise.
        large: of a large image, likewise; None for an output that cannot be made of a large image.
        run: one for all images of a run.
    """

    image: tuple[str, ...] = ()
    movie: tuple[str, ...] = ()
    large: tuple[str, ...] | None = None
    run: tuple[str, ...] = ()


class Output(Protocol):
    """Writes one kind of file. Inherit from it: every method but `files` then has a default that does nothing.

    The calls of a run come one after the other, never at once, on a thread beside that of the network.

    Attributes:
        needs_maps: whether it reads `Prediction.maps`; where no output does, the maps are not kept in memory.
    """

    needs_maps: bool = False

    @property
    def files(self) -> Files:
        """The files that it writes."""
        ...

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Write the files of an image, or take one frame of a movie and write the movie's files with the last one.

        The frames of a movie come in their order, all of one movie before those of the next.

        Args:
            prediction: the image or the frame.
            folder: to write to; the files are moved to their place when those of all outputs are there.

        Returns:
            What `summary.csv` says of the image or, with the last frame, of the movie: columns by name, perhaps none.

        Raises:
            DataError: a file cannot be written.
        """
        return {}

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Write what is made of a large image beside its mask.

        Args:
            prediction: the image.
            folder: of the results.

        Returns:
            As `write`.

        Raises:
            DataError: a file cannot be written.
        """
        return {}

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write what is made of all images together; called once or more, each time with all rows so far.

        Args:
            folder: of the results.
            rows: of `summary.csv`, one for each image, movie and large image.

        Raises:
            DataError: a file cannot be written.
        """

    def discard(self) -> None:
        """Forget an incomplete movie and close its files; whoever calls removes those that have their final name."""
