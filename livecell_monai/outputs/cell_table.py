"""The table of cells: one row for each cell of all images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.cells.measure import measure_cells
from livecell_monai.data.readers.kinds import read_channels
from livecell_monai.outputs.base import Files, LargePrediction, Output, OutputOptions, Prediction, Row
from livecell_monai.runs.atomic import read_table, write_table
from livecell_monai.sample import Pixels

TABLE = "cells.csv"
_PART = "{name}_cells_part.csv"  # of an image or a movie, until the table of the run is written
_DIGITS = 6  # significant


class CellTable(Output):
    """`cells.csv`: image, frame, id and measurements of each cell; the last part of a column's name is its unit.

    Intensities are those of the image as it is on disk, of each channel if there are several.
    """

    files = Files(large=(), run=(TABLE,), parts=(_PART,))
    needs_cells = True
    needs_maps = True  # for the mean probability

    def __init__(self, options: OutputOptions | None = None) -> None:
        self._parts = None if options is None else options.parts
        self._frames: list[Row] = []
        self._large: dict[str, list[Row]] = {}

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Measure the cells of an image, or of a frame of a movie."""
        assert prediction.cells is not None
        frame = prediction.frame
        labels: dict[str, Any] = {"image": prediction.name}
        if frame is not None:
            labels |= {"frame": frame.index, "time_min": frame.time_min}
        if prediction.problem is None:
            images = read_channels(prediction.source)
            probability = prediction.maps["foreground"]
            columns = measure_cells(prediction.cells, images, probability, prediction.pixel_size_um)
            self._frames += [{**labels, **row} for row in _list_rows(columns)]
        if frame is None or frame.is_last:
            rows, self._frames = self._frames, []
            write_table(folder / _PART.format(name=prediction.name), rows)
        return {}

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Keep the rows of a large image."""
        if prediction.cells is not None and "cell" in prediction.cells:
            self._large[prediction.name] = [{"image": prediction.name, **row} for row in _list_rows(prediction.cells)]
        return {}

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the table of the run, with the rows of an earlier run for images that were not predicted again."""
        if not rows:
            return
        names = [str(row["image"]) for row in rows]
        parts = {name: self._large[name] if name in self._large else self._read_part(name) for name in names}
        earlier: dict[str, list[Row]] = {name: [] for name, part in parts.items() if part is None}
        if earlier and (folder / TABLE).exists():
            for row in read_table(folder / TABLE):
                if row.get("image") in earlier:
                    earlier[row["image"]].append(row)
        write_table(folder / TABLE, [row for name in names for row in parts[name] or earlier.get(name, [])])

    def _read_part(self, name: str) -> Sequence[Row] | None:
        path = None if self._parts is None else self._parts / _PART.format(name=name)
        return read_table(path) if path is not None and path.exists() else None

    def discard(self) -> None:
        """Drop the frames of an incomplete movie."""
        self._frames = []


def _list_rows(columns: Mapping[str, Pixels]) -> list[Row]:
    """The rows of a table of columns; NaN becomes empty."""
    texts = [[_to_text(value) for value in column.tolist()] for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*texts, strict=True)]


def _to_text(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.{_DIGITS}g}"
    return str(int(value))
