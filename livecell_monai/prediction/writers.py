"""The handler that writes an engine's predictions by the outputs."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.data.readers import find_file, open_stack, parse_address
from livecell_monai.errors import DataError, describe_error, find_user_error, is_of_one_file, is_of_system
from livecell_monai.outputs.base import Frame, OutputOptions, Prediction, Row
from livecell_monai.outputs.kept_frame import keep_frame, read_frame
from livecell_monai.outputs.registry import DEFAULT, OF_CELLS, OutputSet, list_patterns
from livecell_monai.outputs.stale import find_stale, remove_stale
from livecell_monai.outputs.unfinished import UnfinishedRun
from livecell_monai.prediction.background_writer import BackgroundWriter
from livecell_monai.prediction.prepared import pixel_size_of, plane_of
from livecell_monai.sample import FRAME, FRAMES, IMAGE, MAPS, NAME, OWN, POSITION, PRED, PROBLEM
from livecell_monai.settings import check_setting

LOGGER = logging.getLogger(__name__)
FALLBACK = (
    "note: this model has no map that separates touching cells, they are split only where the mask has a neck; to learn "
    "such a map, train with the setting maps"
)


class PredictionWriter(BackgroundWriter):
    """Passes an engine's predictions to the outputs.

    Args:
        outputs: names of the outputs, see `outputs.registry`.
        options: the settings that outputs depend on; `parts` is that of the run.
        interval_min: time between frames of movies in minutes; None to take it from the file.
        run: knows which images are done; None for a new run.
        cells: separates the cells; None if no output needs them.

    Raises a SettingError if an output is unknown, or the interval is invalid.
    """

    def __init__(
        self,
        output_dir: str,
        outputs: Sequence[str] = DEFAULT,
        options: OutputOptions | None = None,
        interval_min: float | None = None,
        run: UnfinishedRun | None = None,
        cells: CellDecoder | None = None,
    ) -> None:
        super().__init__(output_dir)
        check_setting("interval_min", interval_min)
        self.run = UnfinishedRun(output_dir) if run is None else run
        options = options or OutputOptions()
        self.channels, self.interval_min = tuple(options.channels), interval_min
        self.cells = cells
        names = [*outputs, *OF_CELLS] if cells is not None and cells.is_on else outputs
        self.outputs = OutputSet(names, replace(options, parts=self.run.files))
        if self.run.keeps_results and not self.run.resumes:
            self.outputs.check_earlier(self.folder)
        self.is_started = False
        self._stale: dict[str, list[Path]] = {}  # files of an earlier run by the name of their image
        self._patterns = list_patterns(options)
        self.failures: dict[Path, str] = {}  #: the message for each image or movie whose files cannot be made, by its path
        self.keeps_frames = False  #: keep frames on disk for another process, which writes them in order by `write_frame`
        self._movie: tuple[float | None, str | None] = (None, None)  # interval and channel of the current movie

    def files(self) -> list[str]:
        """The files of an image, `{name}` in place of its name, and those of the run."""
        return [*self.outputs.list_files("image"), *self.outputs.list_files("run")]

    def movie_files(self) -> list[str]:
        """The files of a movie, and those of the run."""
        return [*self.outputs.list_files("movie"), *self.outputs.list_files("run")]

    def large_files(self) -> list[str]:
        """The files of a large image, and those of the run."""
        return [*self.outputs.list_files("large"), *self.outputs.list_files("run")]

    def announce(self) -> None:
        """Log that cells are separated without the map that this takes."""
        if self.outputs.needs_cells and not (self.cells or CellDecoder()).has_map:
            LOGGER.warning("%s", FALLBACK)

    def start(self) -> None:
        """Start the run, once."""
        if not self.is_started:
            self.find_earlier()
            self.run.start()
            self.is_started = True

    def find_earlier(self) -> None:
        """Note the files of an earlier run, before any of them is replaced; `remove_earlier` deletes those that are not."""
        if self.run.overwrite:
            self._stale = find_stale(self.folder, self._patterns)

    def add(self, row: Row) -> None:
        """Add the row of an image whose files are written already, and write the files of the run so far."""
        self.rows = self.run.merge([*self.rows, row])
        self.outputs.finish(self.folder, self.rows)

    def remove(self, row: Row) -> None:
        """Take the row of an image whose files could not be published back."""
        self.rows = [each for each in self.rows if each != row]
        self.outputs.finish(self.folder, self.rows)

    def write_run(self) -> None:
        """Write the files of the run, and end it."""
        self.rows = self.run.merge(self.rows)
        if self.run.shared:  # the process that started the run ends it
            return
        self.outputs.finish(self.folder, self.rows)
        self.remove_earlier()
        self.run.end()
        self.is_started = False

    def remove_earlier(self) -> None:
        """Delete what an earlier run has left and this one does not write, after all images."""
        if self.rows and (self.run.overwrite or self.run.resume):
            self.outputs.remove_earlier(self.folder, self.run.names)
            remove_stale(self._stale, self.run.names, self.outputs.list_own(self.run.names))

    def discard(self) -> None:
        """Delete an incomplete movie, and a run without a finished image."""
        self.outputs.discard()
        self.run.remove_if_empty()

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row | None]:
        """A function that writes the files of one image, or one frame of a movie."""
        keeps_maps = self.outputs.needs_maps or self.outputs.needs_cells
        maps = np.asarray(output[MAPS].cpu()) if keeps_maps else None
        prediction = Prediction(
            name=str(item[NAME]),
            source=Path(item[IMAGE].meta["filename_or_obj"]),
            mask=plane_of(output[PRED]) > 0,
            maps={} if maps is None else dict(zip(self.channels, maps, strict=True)),
            pixel_size_um=pixel_size_of(item),
            seconds=seconds,
            problem=item.get(PROBLEM),
            own={name: float(value) for name, value in item.get(OWN, {}).items()},
            frame=Frame(int(item[FRAME]), int(item[POSITION]), int(item[FRAMES])) if FRAMES in item else None,
        )
        return partial(self._keep if self.keeps_frames else self._write, prediction)

    def read_frame(self, name: str, position: int) -> Prediction:
        """A frame of a movie that another process has kept; its file is deleted."""
        path = self._frame_path(name, position)
        prediction = read_frame(path)
        path.unlink()
        return prediction

    def write_frame(self, prediction: Prediction) -> None:
        """Write the next frame of a movie, which another process has kept."""
        row = self._write(prediction)
        if row is not None:
            self.rows.append(row)

    def skip_movie(self, source: Path, message: str) -> None:
        """Record why a movie has no files, and delete those of its first frames."""
        self.failures[find_file(source)] = message
        self.outputs.discard()

    def _keep(self, prediction: Prediction) -> None:
        """Keep a frame with its cells on disk."""
        frame = prediction.frame
        assert frame is not None
        try:
            prediction = self._separate(prediction)
            prediction = prediction if self.outputs.needs_maps else replace(prediction, maps={})
            keep_frame(self._frame_path(prediction.name, frame.position), prediction)
        except Exception as error:
            path = find_file(prediction.source)
            self.failures[path] = explain_failure(path, error)

    def _frame_path(self, name: str, position: int) -> Path:
        return self.run.files / f"{name}.{position}"

    def _separate(self, prediction: Prediction) -> Prediction:
        """The prediction with its cells, if an output needs them."""
        if prediction.cells is not None or not self.outputs.needs_cells:
            return prediction
        decoder = (self.cells or CellDecoder()).adapted(prediction.own)
        return replace(prediction, cells=decoder(prediction.mask, prediction.maps))

    def _write(self, prediction: Prediction) -> Row | None:
        frame = prediction.frame
        if frame is not None:
            if frame.position == 0:
                self._movie = _describe_movie(prediction.source)
            interval, channel = self._movie
            interval = interval if self.interval_min is None else float(self.interval_min)
            prediction = replace(prediction, frame=replace(frame, interval_min=interval, channel=channel))
        names = self.outputs.list_files("image" if frame is None else "movie")
        try:
            prediction = self._separate(prediction)
            row = self.outputs.write(prediction, self.run.files)
            return None if row is None else self.run.commit(prediction.name, prediction.source, row, names)
        except Exception as error:
            path = find_file(prediction.source)
            self.failures[path] = explain_failure(path, error)
            self.outputs.discard()
            return None


def explain_failure(path: Path, error: Exception) -> str:
    """What is wrong with the outputs of one image; an error that others would have too, such as a full disk, is raised."""
    known = find_user_error(error)
    if is_of_one_file(error):
        known = DataError(f"{path}: its outputs cannot be written: {known or describe_error(error)}")
    elif is_of_system(error) and not str(known).startswith(str(path)):
        raise error
    LOGGER.info("skipped: %s", path, exc_info=error)
    if known is not None:
        return str(known)
    return f"{path}: its outputs cannot be made ({type(error).__name__}: {describe_error(error)}); report this as a bug"


def _describe_movie(source: Path) -> tuple[float | None, str | None]:
    """(minutes between frames, name of the channel) in the file of a frame's address; None for what it does not state."""
    address = parse_address(source)
    assert address is not None
    with open_stack(address.path, address.axes, address.allow_gaps) as stack:
        return stack.interval_min, stack.channels[address.channel] if stack.channels else None
