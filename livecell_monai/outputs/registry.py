"""The outputs by name, as in the setting `outputs`; all outputs of a run write each prediction together or not at all."""

import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal

from livecell_monai.errors import SettingError
from livecell_monai.outputs.base import LargePrediction, Output, OutputOptions, Prediction, Row
from livecell_monai.outputs.cell_table import CellTable, check_without_cells, find_table, remove_table
from livecell_monai.outputs.cells import CellLabels, remove_labels
from livecell_monai.outputs.confluency import ConfluencyPlot
from livecell_monai.outputs.exchanged import EXCHANGED
from livecell_monai.outputs.mask import Mask
from livecell_monai.outputs.overlay import Overlay
from livecell_monai.outputs.probability import Probability
from livecell_monai.outputs.summary import Summary
from livecell_monai.plugins import load_plugins
from livecell_monai.runs.atomic import remove

BUILT_IN: dict[str, Callable[[OutputOptions], Output]] = {
    "mask": Mask,
    "cells": CellLabels,
    "cell_table": CellTable,
    "probability": Probability,
    "overlay": Overlay,
    "summary": Summary,
    "confluency": ConfluencyPlot,
    **EXCHANGED,
}
DEFAULT = ("mask", "summary", "confluency")  #: default of the setting
OF_CELLS = ("cells", "cell_table")  #: added to these if cells are written


def make_outputs(names: Sequence[str], options: OutputOptions) -> dict[str, Output]:
    """New outputs in the order of the names, duplicates once; a SettingError for an unknown name or none."""
    known = {**load_plugins("outputs"), **BUILT_IN}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        got = repr(unknown[0]) if unknown else "none"
        raise SettingError(f"setting outputs must list some of {', '.join(known)}, got {got}; correct it")
    return {name: known[name](options) for name in names}


def list_patterns(options: OutputOptions) -> list[str]:
    """The names of files of an image, a movie or a large image, of all built-in outputs."""
    files = [make(options).files for make in BUILT_IN.values()]
    return [name for each in files for name in (*each.image, *each.movie, *(each.large or ()))]


class OutputSet:
    """Passes each prediction to all outputs, in the order of their names.

    Methods raise a DataError if a file cannot be written.
    """

    def __init__(self, names: Sequence[str], options: OutputOptions | None = None) -> None:
        self._outputs = make_outputs(names, options or OutputOptions())
        self.needs_cells = any(output.needs_cells for output in self._outputs.values())
        self.needs_maps = any(output.needs_maps for output in self._outputs.values())
        self.needs_picture = any(output.needs_picture for output in self._outputs.values())
        self._incomplete: tuple[Path, str] | None = None  # folder and name of the image or movie being written
        self._next = 0  # position of the next frame of the movie

    def list_files(self, kind: Literal["image", "movie", "large", "run", "parts"]) -> list[str]:
        """The names of all files of an image, a movie, a large image or the run, or their parts, see `Files`."""
        return [name for output in self._outputs.values() for name in getattr(output.files, kind) or ()]

    def check_large(self, path: Path) -> None:
        """Check that all outputs support a large image and the mask is among them; else a SettingError."""
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

    def check_earlier(self, folder: Path) -> None:
        """Check that the results of a finished run in the folder fit those of this one; else a SettingError."""
        for output in self._outputs.values():
            output.check_earlier(folder)
        if "cell_table" not in self._outputs:
            check_without_cells(folder)

    def write(self, prediction: Prediction, folder: Path) -> Row | None:
        """Write the files of an image or of a frame; after an error, `discard` deletes them.

        Returns the row of `summary.csv`; None for a frame that is not the last. A movie that lacks a frame gets neither a
        row nor files.
        """
        frame = prediction.frame
        if frame is None or frame.position == 0:
            self.discard()
            self._incomplete, self._next = (folder, prediction.name), 0
        elif self._incomplete != (folder, prediction.name) or self._next != frame.position:
            self.discard()  # an earlier frame could not be read
            return None
        row = _merge(prediction.name, (output.write(prediction, folder) for output in self._outputs.values()))
        self._next += 1
        if frame is not None and not frame.is_last:
            return None
        self._incomplete = None
        return row

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Write the further files of a large image. Returns its row of `summary.csv`."""
        return _merge(prediction.name, (output.write_large(prediction, folder) for output in self._outputs.values()))

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the files of the run; see `Output.finish`."""
        for output in self._outputs.values():
            output.finish(folder, rows)

    def remove_earlier(self, folder: Path, names: Collection[str]) -> None:
        """Delete the cells that an earlier run has left, if this one replaces the results without cells.

        Only if the earlier run has left its table of cells, and only the label images of the images of this run; `names` are
        those of all of its images, of which none is deleted.
        """
        if "cell_table" in self._outputs or find_table(folder) is None:
            return
        if "cells" not in self._outputs:
            for name in names:
                remove_labels(folder, name, names)
        remove_table(folder)

    def list_own(self, names: Iterable[str]) -> set[str]:
        """The names of all files of images, movies and large images of these names."""
        patterns = [*self.list_files("image"), *self.list_files("movie"), *self.list_files("large")]
        return {pattern.format(name=name) for name in names for pattern in patterns}

    def list_results(self) -> list[str]:
        """What was written for the whole run, in words: the built-in outputs first, in the order of `BUILT_IN`."""
        names = sorted(self._outputs, key=lambda name: list(BUILT_IN).index(name) if name in BUILT_IN else len(BUILT_IN))
        return [self._outputs[name].result for name in names if self._outputs[name].result]

    def discard(self) -> None:
        """Delete the files of an incomplete image or movie."""
        for output in self._outputs.values():
            output.discard()
        if self._incomplete is None:
            return
        (folder, name), self._incomplete = self._incomplete, None
        for pattern in (*self.list_files("image"), *self.list_files("movie"), *self.list_files("parts")):
            path = folder / pattern.format(name=name)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            remove(path)  # most of them were never written


def _merge(name: str, rows: Iterable[Row]) -> Row:
    merged: Row = {"image": name}
    for row in rows:
        merged |= row
    return merged
