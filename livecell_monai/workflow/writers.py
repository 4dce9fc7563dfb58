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
from scipy import ndimage

from livecell_monai.data.formats import read_image
from livecell_monai.data.writing import atomic_path, make_folder, write_mask, write_probability, write_table
from livecell_monai.metrics import Scores, measure_surface_dice, score_mask, summarise_scores, tabulate_scores
from livecell_monai.sample import IMAGE, LABEL, NAME, PRED, Pixels

PROBABILITY = "probability"  #: key of the network's output before the threshold
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
        self.writing: Future[Row] | None = None

    def attach(self, engine: Engine) -> None:
        """Follow an evaluator that decollates its batches."""
        engine.add_event_handler(Events.STARTED, self._restart)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write_batch)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def files(self) -> list[str]:
        """The files to be written, `{name}` standing for the name of an image."""
        return [self.table]

    def finish(self) -> None:
        """Wait for the last image and write the table."""
        self._await_row()
        if self.rows:
            write_table(self.folder / self.table, self.rows)

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row]:
        """What writes one image and gives its row of the table; it holds no more of the engine's tensors than it needs.

        Args:
            item: what the loader gave.
            output: what the engine made of it.
            seconds: since the image before.
        """
        raise NotImplementedError

    def _restart(self) -> None:
        self.clock = time.monotonic()

    def _write_batch(self, engine: Engine) -> None:
        make_folder(self.folder)
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            now = time.monotonic()
            write, self.clock = self.take(item, output, now - self.clock), now
            self._await_row()
            self.writing = self.thread.submit(write)

    def _await_row(self) -> None:
        """Take the row of the image that is being written, if there is one."""
        if self.writing is None:
            return
        writing, self.writing = self.writing, None
        self.rows.append(writing.result())


class PredictionWriter(_TableWriter):
    """For each image a mask TIFF, on request its probability map and an overlay; `summary.csv` for all.

    Args:
        output_dir: folder to write to.
        with_probability: whether to write `NAME_probability.tif`, float32 in [0, 1].
        draw: called with (path, image, mask) to write `NAME_overlay.png`; None for no overlay.
    """

    def __init__(
        self,
        output_dir: str,
        with_probability: bool = False,
        draw: Callable[[Path, Pixels, Pixels], None] | None = None,
    ) -> None:
        super().__init__(output_dir, "summary.csv")
        self.with_probability = with_probability
        self.draw = draw

    def add(self, row: Row) -> None:
        """Take the row of a mask that was written elsewhere; the table is on disk with it."""
        self.rows.append(row)
        write_table(self.folder / self.table, self.rows)

    def files(self) -> list[str]:
        """Mask, and probability and overlay where they are asked for, of each image; the table of all."""
        probability = ["{name}_probability.tif"] if self.with_probability else []
        overlay = [] if self.draw is None else ["{name}_overlay.png"]
        return ["{name}.tif", *probability, *overlay, self.table]

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row]:
        """What writes the files of one image."""
        meta = item[IMAGE].meta
        size = np.asarray(meta["pixel_size_um"], dtype=float)
        return partial(
            self._write,
            str(item[NAME]),
            Path(meta["filename_or_obj"]),
            None if np.isnan(size).any() else (float(size[0]), float(size[1])),
            _plane(output[PRED]) > 0,
            _plane(output[PROBABILITY]) if self.with_probability else None,
            round(seconds, 3),
        )

    def _write(
        self,
        name: str,
        source: Path,
        pixel_size: tuple[float, float] | None,
        mask: Pixels,
        probability: Pixels | None,
        seconds: float,
    ) -> Row:
        if probability is not None:
            write_probability(self.folder / f"{name}_probability.tif", probability, pixel_size)
        if self.draw is not None:
            self.draw(self.folder / f"{name}_overlay.png", read_image(source).pixels, mask)
        write_mask(self.folder / f"{name}.tif", mask, pixel_size)
        components = int(ndimage.label(mask, structure=np.ones((3, 3)))[1])
        return dict(zip(SUMMARY, (name, round(float(mask.mean()), 6), components, seconds), strict=True))


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
        return partial(self._score, str(item[NAME]), _plane(output[PRED]) > 0, _plane(output[LABEL]) > 0)

    def _score(self, name: str, mask: Pixels, truth: Pixels) -> Row:
        surface = measure_surface_dice(mask, truth, self.tolerance_px)
        scores = replace(score_mask(mask, truth), surface_dice=surface)
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
