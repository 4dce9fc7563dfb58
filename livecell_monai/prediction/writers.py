"""Handlers that write what an engine predicts or scores, image by image."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.readers import open_stack, parse_address
from livecell_monai.errors import SettingError
from livecell_monai.metrics import Scores, measure_scores, summarise_scores, tabulate_scores
from livecell_monai.outputs.base import Frame, OutputOptions, Prediction, Row
from livecell_monai.outputs.registry import DEFAULT, OutputSet
from livecell_monai.outputs.unfinished import UnfinishedRun
from livecell_monai.prediction.background_writer import BackgroundWriter
from livecell_monai.runs.atomic import atomic_path, write_table
from livecell_monai.sample import FRAME, FRAMES, IMAGE, LABEL, LABELLED, MAPS, NAME, POSITION, PRED, Pixels


class PredictionWriter(BackgroundWriter):
    """Turns what an engine gives into a `Prediction` and hands it to the outputs.

    Args:
        output_dir: folder to write to.
        outputs: names of what is written, see `outputs.registry`.
        channels: names of the network's maps, in their order.
        interval_min: time from frame to frame of movies in minutes; None for what the files say.
        large_image_format: `tiff` or `zarr`, of the mask of a large image.
        run: keeps files until those of an image are all there, and knows which images are done; None for a new run.

    Raises:
        SettingError: an output is unknown, or the interval is no time.
    """

    def __init__(
        self,
        output_dir: str,
        outputs: Sequence[str] = DEFAULT,
        channels: Sequence[str] = ("foreground",),
        interval_min: float | None = None,
        large_image_format: str = "tiff",
        run: UnfinishedRun | None = None,
    ) -> None:
        super().__init__(output_dir)
        is_number = isinstance(interval_min, int | float) and not isinstance(interval_min, bool)
        if interval_min is not None and not (is_number and 0 < interval_min < np.inf):
            raise SettingError(f"--interval must be a number of minutes above 0, got {interval_min!r}; correct it")
        self.run = UnfinishedRun(output_dir) if run is None else run
        self.channels, self.interval_min = tuple(channels), interval_min
        self.outputs = OutputSet(outputs, OutputOptions(self.channels, large_image_format))
        self.begun = False
        self._movie: tuple[float | None, str | None] = (None, None)  # interval and channel of the movie under way

    def files(self) -> list[str]:
        """The files of an image, `{name}` in place of its name, and those of the run."""
        return [*self.outputs.list_files("image"), *self.outputs.list_files("run")]

    def movie_files(self) -> list[str]:
        """The files of a movie, and those of the run."""
        return [*self.outputs.list_files("movie"), *self.outputs.list_files("run")]

    def large_files(self) -> list[str]:
        """The files of a large image, and those of the run."""
        return [*self.outputs.list_files("large"), *self.outputs.list_files("run")]

    def make_room(self) -> None:
        """Begin the run, where it has not begun."""
        if not self.begun:
            self.run.start()
            self.begun = True

    def add(self, row: Row) -> None:
        """Take the row of an image whose files were written elsewhere, and write what is made of all so far."""
        self.rows = self.run.merge([*self.rows, row])
        self.outputs.finish(self.folder, self.rows)

    def finish(self) -> None:
        """Write what is made of all images that are done, and end the run."""
        self.settle()
        self.rows = self.run.merge(self.rows)
        if self.run.shared:  # the process that has begun the run ends it
            return
        self.outputs.finish(self.folder, self.rows)
        self.run.end()
        self.begun = False

    def discard(self) -> None:
        """Leave nothing of an incomplete movie, nor of a run that has finished no image."""
        self.outputs.discard()
        self.run.remove_if_empty()

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row | None]:
        """A function that writes the files of one image, or takes one frame of a movie."""
        meta = item[IMAGE].meta
        found = np.asarray(meta["pixel_size_um"], dtype=float)
        source = Path(meta["filename_or_obj"])
        maps = output[MAPS] if self.outputs.needs_maps else None
        prediction = Prediction(
            name=str(item[NAME]),
            source=source,
            mask=_plane(output[PRED]) > 0,
            maps={} if maps is None else dict(zip(self.channels, np.asarray(maps.cpu()), strict=True)),
            pixel_size_um=None if np.isnan(found).any() else (float(found[0]), float(found[1])),
            seconds=seconds,
            frame=Frame(int(item[FRAME]), int(item[POSITION]), int(item[FRAMES])) if FRAMES in item else None,
        )
        return partial(self._write, prediction)

    def _write(self, prediction: Prediction) -> Row | None:
        if prediction.frame is not None:
            prediction = replace(prediction, frame=self._describe(prediction.frame, prediction.source))
        row = self.outputs.write(prediction, self.run.files)
        if row is None:
            return None
        names = self.outputs.list_files("image") if prediction.frame is None else self.outputs.list_files("movie")
        return self.run.commit(prediction.name, prediction.source, row, names)

    def _describe(self, frame: Frame, source: Path) -> Frame:
        """The frame with what the file of its movie says."""
        if frame.position == 0:
            self._movie = _describe_movie(source)
        interval, channel = self._movie
        return replace(
            frame, interval_min=interval if self.interval_min is None else float(self.interval_min), channel=channel
        )


class ScoreWriter(BackgroundWriter):
    """Scores on the original grid: `scores.csv` by image, `scores.json` for the set.

    Args:
        output_dir: folder to write to.
        tolerance_px: distance up to which an outline counts as right in the surface Dice.
    """

    def __init__(self, output_dir: str, tolerance_px: float = 2.0) -> None:
        super().__init__(output_dir)
        self.tolerance_px = tolerance_px
        self.scores: list[Scores] = []
        self.summary: dict[str, Any] = {}

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row]:
        """A function that scores one image."""
        weight = _plane(output[LABELLED]) if LABELLED in output else None
        return partial(self._score, str(item[NAME]), _plane(output[PRED]) > 0, _plane(output[LABEL]) > 0, weight)

    def _score(self, name: str, mask: Pixels, truth: Pixels, weight: Pixels | None) -> Row:
        scores = measure_scores(mask, truth, weight, {"surface_tolerance_px": self.tolerance_px})
        self.scores.append(scores)
        return tabulate_scores(name, scores)

    def files(self) -> list[str]:
        """Both tables."""
        return ["scores.csv", "scores.json"]

    def movie_files(self) -> list[str]:
        """The same: a frame is scored as an image."""
        return self.files()

    def finish(self) -> None:
        """Write the table and the summary of the set."""
        self.settle()
        if self.rows:
            write_table(self.folder / "scores.csv", self.rows)
        self.summary = {**summarise_scores(self.scores), "surface_tolerance_px": self.tolerance_px}
        with atomic_path(self.folder / "scores.json") as temporary:
            temporary.write_text(json.dumps(self.summary, indent=2) + "\n", encoding="utf-8")


def _describe_movie(source: Path) -> tuple[float | None, str | None]:
    """(minutes from frame to frame, name of the channel) as the movie's file has them, None where it has none.

    Args:
        source: address of a frame.
    """
    address = parse_address(source)
    assert address is not None
    with open_stack(address.path, address.axes) as stack:
        return stack.interval_min, stack.channels[address.channel] if stack.channels else None


def _plane(tensor: Any) -> Pixels:
    """(Y, X) of a tensor (1, Y, X)."""
    return np.asarray(tensor[0].cpu())
