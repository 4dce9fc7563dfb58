"""The outputs of one run together: what they write of each prediction, all of it or nothing."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from livecell_monai.errors import SettingError
from livecell_monai.outputs.base import Files, OutputOptions, Row
from livecell_monai.outputs.prediction import LargePrediction, Prediction
from livecell_monai.outputs.registry import make_outputs


class OutputSet:
    """Hands each prediction to all outputs in the order of their names.

    Args:
        names: of the setting `outputs`.
        options: the settings that outputs depend on.

    Raises:
        SettingError: a name is unknown.
    """

    def __init__(self, names: Sequence[str], options: OutputOptions | None = None) -> None:
        self._outputs = make_outputs(names, options or OutputOptions())
        self._current: tuple[Path, str] | None = None  # folder and name of what is not complete
        self._next = 0  # position of the movie's frame that must come now

    @property
    def needs_maps(self) -> bool:
        """Whether an output reads the network's maps."""
        return any(output.needs_maps for output in self._outputs.values())

    def image_files(self) -> list[str]:
        """The files of an image, `{name}` in place of its name."""
        return self._collect(lambda files: files.image)

    def movie_files(self) -> list[str]:
        """The files of a movie."""
        return self._collect(lambda files: files.movie)

    def large_files(self) -> list[str]:
        """The files of a large image."""
        return self._collect(lambda files: files.large or ())

    def run_files(self) -> list[str]:
        """The files of the run."""
        return self._collect(lambda files: files.run)

    def check_large(self, path: Path) -> None:
        """Refuse outputs that do not go with a large image, before any work is done.

        Args:
            path: of the image.

        Raises:
            SettingError: an output cannot be made of it, or the mask is not among the outputs.
        """
        for name, output in self._outputs.items():
            if output.files.large is None and output.files.image:
                raise SettingError(
                    f"{path}: the output {name} cannot be made of a large image; leave it out, or raise "
                    "tiling_min_megapixels"
                )
        if "mask" not in self._outputs:
            raise SettingError(
                f"{path}: the outputs of a large image must include mask, got {', '.join(self._outputs)}; add it, or raise "
                "tiling_min_megapixels"
            )

    def write(self, prediction: Prediction, folder: Path) -> Row | None:
        """Write what all outputs make of an image, or of a frame of a movie.

        Args:
            prediction: the image or the frame.
            folder: to write to.

        Returns:
            The row of `summary.csv`; None of a frame that is not the last one. A movie that lacks a frame has no row and no
            files.

        Raises:
            DataError: a file cannot be written; nothing of the image is left after `discard`.
        """
        frame = prediction.frame
        if frame is None or frame.position == 0:
            self.discard()
            self._current, self._next = (folder, prediction.name), 0
        elif self._current != (folder, prediction.name) or self._next != frame.position:
            self.discard()  # a frame before it could not be read
            return None
        row: Row = {"image": prediction.name}
        for output in self._outputs.values():
            row |= output.write(prediction, folder)
        self._next += 1
        if frame is not None and not frame.is_last:
            return None
        self._current = None
        return row

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Write what all outputs make of a large image beside its mask; the row of `summary.csv`.

        Raises:
            DataError: a file cannot be written.
        """
        row: Row = {"image": prediction.name}
        for output in self._outputs.values():
            row |= output.write_large(prediction, folder)
        return row

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write what is made of all images together; see `Output.finish`."""
        for output in self._outputs.values():
            output.finish(folder, rows)

    def discard(self) -> None:
        """Leave nothing of an image or a movie that is not complete."""
        for output in self._outputs.values():
            output.discard()
        if self._current is None:
            return
        (folder, name), self._current = self._current, None
        for pattern in (*self.image_files(), *self.movie_files()):
            with suppress(OSError):  # most were never written
                (folder / pattern.format(name=name)).unlink()

    def _collect(self, choose: Callable[[Files], Sequence[str]]) -> list[str]:
        return [name for output in self._outputs.values() for name in choose(output.files)]
