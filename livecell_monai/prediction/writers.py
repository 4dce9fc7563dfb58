"""Handlers that write what an engine predicts or scores, file by file, as it comes."""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from livecell_monai.data.plane_files import write_mask, write_probability
from livecell_monai.data.readers.kinds import read_image
from livecell_monai.metrics import Scores, measure_surface_dice, score_mask, summarise_scores, tabulate_scores
from livecell_monai.outputs.movie_writer import Frame, MovieWriter, Plot, count_components
from livecell_monai.outputs.unfinished import UnfinishedRun
from livecell_monai.runs.atomic import atomic_path, make_folder, write_table
from livecell_monai.sample import FRAME, FRAMES, IMAGE, LABEL, LABELLED, MAPS, NAME, POSITION, PRED, Pixels

Row = dict[str, Any]
SUMMARY = ("image", "foreground_fraction", "components", "seconds")


class _TableWriter:
    """What both writers share: a folder, rows as they come, a CSV file at the end.

    An image is written while the network works on the next one; what went wrong in writing it is raised then.

    Args:
        output_dir: folder to write to; made when the first result is there.
        table: name of the CSV file.
    """

    def __init__(self, output_dir: str | Path, table: str) -> None:
        self.folder = Path(output_dir)
        self.table = table
        self.rows: list[Row] = []
        self.clock = 0.0
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.writing: Future[Row | None] | None = None

    def attach(self, engine: Engine) -> None:
        """Follow an evaluator that decollates its batches."""
        engine.add_event_handler(Events.STARTED, self._restart)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write_batch)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._give_up)

    def files(self) -> list[str]:
        """The files to be written, `{name}` standing for the name of an image."""
        return [self.table]

    def movie_files(self) -> list[str]:
        """The files to be written of a movie, `{name}` standing for its name."""
        return self.files()

    def settle(self) -> None:
        """Wait for the last image."""
        self._await_row()
        self.discard()

    def finish(self) -> None:
        """Wait for the last image and write the table."""
        self.settle()
        if self.rows:
            write_table(self.folder / self.table, self.rows)

    def discard(self) -> None:
        """Leave nothing of what is not whole."""

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row | None]:
        """What writes one image and gives its row of the table; it holds no more of the engine's tensors than it needs.

        Of a movie's frames only the last gives one.

        Args:
            item: what the loader gave.
            output: what the engine made of it.
            seconds: since the image before.
        """
        raise NotImplementedError

    def _restart(self) -> None:
        self.thread.submit(int).result()  # begins it: one that begins as Ctrl-C comes is known to no one, and never ends
        self.clock = time.monotonic()

    def make_room(self) -> None:
        """Make the folder that files are written to."""
        make_folder(self.folder)

    def _write_batch(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            self.make_room()  # in here: an image that was skipped asks for none
            now = time.monotonic()
            write, self.clock = self.take(item, output, now - self.clock), now
            self._await_row()
            self.writing = self.thread.submit(write)

    def _await_row(self) -> None:
        """Take the row of the image that is being written, if there is one."""
        if self.writing is None:
            return
        writing, self.writing = self.writing, None
        row = writing.result()
        if row is not None:
            self.rows.append(row)

    def _give_up(self, engine: Engine, error: BaseException) -> None:
        """What ends the run leaves nothing half-written; a handler of errors must raise them again."""
        self.thread.shutdown()
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.discard()
        raise error


class PredictionWriter(_TableWriter):
    """For each image a mask TIFF, on request its probability map and an overlay; `summary.csv` for all.

    Of a movie see `MovieWriter`.

    Args:
        output_dir: folder to write to.
        with_probability: whether to write `NAME_probability.tif`, float32 in [0, 1].
        draw: called with (path, image, mask) to write `NAME_overlay.png`; None for no overlay.
        plot: called with (path, name, rows by frame) to write a movie's `NAME_confluency.png`; None for no plot.
        interval_min: time from frame to frame of movies in minutes; None to believe the files.
        run: where files are until those of an image are all there, and which images are done already; None for a new run.
    """

    def __init__(
        self,
        output_dir: str,
        with_probability: bool = False,
        draw: Callable[[Path, Pixels, Pixels], None] | None = None,
        plot: Plot | None = None,
        interval_min: float | None = None,
        run: UnfinishedRun | None = None,
    ) -> None:
        super().__init__(output_dir, "summary.csv")
        self.run = UnfinishedRun(output_dir) if run is None else run
        self.movies = MovieWriter(self.run.files, with_probability, draw, plot, interval_min)
        self.begun, self.with_probability, self.draw = False, with_probability, draw

    def make_room(self) -> None:
        """Begin the run, where it is not under way."""
        if not self.begun:
            self.run.begin()
            self.begun = True

    def add(self, row: Row) -> None:
        """Take the row of a mask that was written elsewhere; the table is on disk with it."""
        self.rows = self.run.arrange([*self.rows, row])
        write_table(self.folder / self.table, self.rows)

    def finish(self) -> None:
        """Write the table of all images that are done, and leave no trace of the run."""
        self.settle()
        self.rows = self.run.arrange(self.rows)
        if self.run.shared:  # the process that has begun the run ends it
            return
        if self.rows:
            write_table(self.folder / self.table, self.rows)
        self.run.end()
        self.begun = False

    def files(self) -> list[str]:
        """Mask, and probability and overlay where they are asked for, of each image; the table of all."""
        probability = ["{name}_probability.tif"] if self.with_probability else []
        overlay = [] if self.draw is None else ["{name}_overlay.png"]
        return ["{name}.tif", *probability, *overlay, self.table]

    def movie_files(self) -> list[str]:
        """Those of a movie, and the table of all."""
        return [*self.movies.files(), self.table]

    def discard(self) -> None:
        """Leave nothing of a movie whose last frame is not there, nor of a run that has finished no image."""
        self.movies.discard()
        self.run.abandon()

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row | None]:
        """What writes the files of one image, or one frame of a movie."""
        meta, name = item[IMAGE].meta, str(item[NAME])
        found = np.asarray(meta["pixel_size_um"], dtype=float)
        source = Path(meta["filename_or_obj"])
        size = None if np.isnan(found).any() else (float(found[0]), float(found[1]))
        mask = _plane(output[PRED]) > 0
        probability = _plane(output[MAPS]) if self.with_probability else None
        if FRAMES not in item:
            return partial(self._write, name, source, size, mask, probability, round(seconds, 3))
        index, position, frames = (int(item[key]) for key in (FRAME, POSITION, FRAMES))
        frame = Frame(name, source, index, position, frames, size, mask, probability, seconds)
        return partial(self._add, frame)

    def _write(
        self,
        name: str,
        source: Path,
        pixel_size: tuple[float, float] | None,
        mask: Pixels,
        probability: Pixels | None,
        seconds: float,
    ) -> Row:
        folder = self.run.files
        if probability is not None:
            write_probability(folder / f"{name}_probability.tif", probability, pixel_size)
        if self.draw is not None:
            self.draw(folder / f"{name}_overlay.png", read_image(source).pixels, mask)
        write_mask(folder / f"{name}.tif", mask, pixel_size)
        row = dict(zip(SUMMARY, (name, round(float(mask.mean()), 6), count_components(mask), seconds), strict=True))
        return self.run.complete(name, source, row, self.files()[:-1])

    def _add(self, frame: Frame) -> Row | None:
        row = self.movies.add(frame)
        return None if row is None else self.run.complete(frame.name, frame.source, row, self.movies.files())


class ScoreWriter(_TableWriter):
    """Scores on the original grid: `scores.csv` by image, `scores.json` for the set.

    Args:
        output_dir: folder to write to.
        tolerance_px: distance up to which an outline counts as right in the surface Dice.
    """

    def __init__(self, output_dir: str, tolerance_px: float = 2.0) -> None:
        super().__init__(output_dir, "scores.csv")
        self.tolerance_px = tolerance_px
        self.scores: list[Scores] = []
        self.summary: dict[str, Any] = {}

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row]:
        """What scores one image."""
        labelled = _plane(output[LABELLED]) if LABELLED in output else None
        return partial(self._score, str(item[NAME]), _plane(output[PRED]) > 0, _plane(output[LABEL]) > 0, labelled)

    def _score(self, name: str, mask: Pixels, truth: Pixels, labelled: Pixels | None) -> Row:
        surface = measure_surface_dice(mask, truth, self.tolerance_px, labelled)
        scores = replace(score_mask(mask, truth, labelled), surface_dice=surface)
        self.scores.append(scores)
        return tabulate_scores(name, scores)

    def files(self) -> list[str]:
        """Both tables."""
        return [self.table, "scores.json"]

    def finish(self) -> None:
        """Write the table and the summary of the set."""
        super().finish()
        self.summary = {**summarise_scores(self.scores), "surface_tolerance_px": self.tolerance_px}
        with atomic_path(self.folder / "scores.json") as temporary:
            temporary.write_text(json.dumps(self.summary, indent=2) + "\n", encoding="utf-8")


def _plane(tensor: Any) -> Pixels:
    """(Y, X) of a tensor (1, Y, X)."""
    return np.asarray(tensor[0].cpu())
