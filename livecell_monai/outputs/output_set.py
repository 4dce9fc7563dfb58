"""All outputs of a run together: each prediction is written by all of them or by none."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from livecell_monai.errors import SettingError
from livecell_monai.outputs.base import Files, OutputOptions, Row
from livecell_monai.outputs.prediction import LargePrediction, Prediction
from livecell_monai.outputs.registry import make_outputs


class OutputSet:
    """Passes each prediction to all outputs, in the order of their names.

    Args:
        names: value of the setting `outputs`.
        options: the settings that outputs depend on.

    Raises:
        SettingError: a name is unknown.
    """

    def __init__(self, names: Sequence[str], options: OutputOptions | None = None) -> None:
        self._outputs = make_outputs(names, options or OutputOptions())
        self._incomplete: tuple[Path, str] | None = None  # folder and name of the image or movie being written
        self._next = 0  # position of the next frame of the movie

    @property
    def needs_maps(self) -> bool:
        """Whether an output reads the network's maps."""
        return any(output.needs_maps for output in self._outputs.values())

    def image_files(self) -> list[str]:
        """The files of an image; `{name}` stands for its name."""
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
        """Check that all outputs support a large image, before prediction starts.

        Raises:
            SettingError: an output does not, or the mask is not among the outputs.
        """
        for name, output in self._outputs.items():
            if output.files.large is None and output.files.image:
                raise SettingError(
                    f"{path}: the output {name} does not support large images; remove it, or raise tiling_min_megapixels"
                )
        if "mask" not in self._outputs:
            raise SettingError(
                f"{path}: the outputs of a large image must include mask, got {', '.join(self._outputs)}; add it, or raise "
                "tiling_min_megapixels"
            )

    def write(self, prediction: Prediction, folder: Path) -> Row | None:
        """Write the files of an image or of a frame.

        Returns:
            The row of `summary.csv`; None for a frame that is not the last. If a frame is missing, its movie gets neither
            a row nor files.

        Raises:
            DataError: a file cannot be written. `discard` then deletes the files of this image.
        """
        frame = prediction.frame
        if frame is None or frame.position == 0:
            self.discard()
            self._incomplete, self._next = (folder, prediction.name), 0
        elif self._incomplete != (folder, prediction.name) or self._next != frame.position:
            self.discard()  # an earlier frame could not be read
            return None
        row = self._merge(prediction.name, (output.write(prediction, folder) for output in self._outputs.values()))
        self._next += 1
        if frame is not None and not frame.is_last:
            return None
        self._incomplete = None
        return row

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Write the further files of a large image. Returns its row of `summary.csv`.

        Raises:
            DataError: a file cannot be written.
        """
        return self._merge(prediction.name, (output.write_large(prediction, folder) for output in self._outputs.values()))

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the files of the run; see `Output.finish`."""
        for output in self._outputs.values():
            output.finish(folder, rows)

    def discard(self) -> None:
        """Delete the files of an incomplete image or movie."""
        for output in self._outputs.values():
            output.discard()
        if self._incomplete is None:
            return
        (folder, name), self._incomplete = self._incomplete, None
        for pattern in (*self.image_files(), *self.movie_files()):
            with suppress(OSError):  # most of them were never written
                (folder / pattern.format(name=name)).unlink()

    def _collect(self, choose: Callable[[Files], Sequence[str]]) -> list[str]:
        return [name for output in self._outputs.values() for name in choose(output.files)]

    @staticmethod
    def _merge(name: str, rows: Iterable[Row]) -> Row:
        return {"image": name, **{column: value for row in rows for column, value in row.items()}}
