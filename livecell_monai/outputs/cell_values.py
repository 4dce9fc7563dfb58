"""The measurements in the table of cells of a finished run, image by image, for the export of its label images."""

import math
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import numpy as np

from livecell_monai.cells.cellprofiler import from_cellprofiler
from livecell_monai.exchange.measurements import ID, Measurements, choose_values, name_columns
from livecell_monai.outputs.cell_table import find_table
from livecell_monai.outputs.table_file import Texts, read_names, read_rows
from livecell_monai.sample import Pixels

Plane = tuple[str, str]  # name of the image and index of the frame as in the table, empty for an image
_AREA = "area_px"


class CellValues:
    """Looks up the measurements of the cells of one image or frame after the other.

    The table is read once; only cells of images that are asked for in another order than that of the table are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        table = find_table(folder) if folder.is_dir() else None
        columns = [] if table is None else read_names(table)
        self._names = name_columns(columns)
        self._own = {from_cellprofiler(column): column for column in columns}
        self._known: set[Plane] = set()
        self._planes: Iterator[tuple[Plane, Iterator[Texts]]] = iter(())
        if table is not None and {ID, _AREA, "image"} <= self._own.keys():
            self._known = {_find_plane(row) for row in read_rows(table)}
            self._planes = groupby(read_rows(table), key=_find_plane)
        self._passed: dict[Plane, dict[int, Texts]] = {}

    def find(self, name: str, frame: int | None, labels: Pixels) -> Measurements:
        """The measurements of the cells of a label image (Y, X), of those whose area is that in the table.

        A label image that was edited after the prediction has none for the cells that changed. `frame` counts in the label
        image, of which the first frame may be a later one of the movie.
        """
        plane = (name, "" if frame is None else str(frame + self._find_first(name)))
        rows = self._take(plane) if plane in self._known else {}
        if not rows:
            return {}
        ids, areas = np.unique(labels, return_counts=True)
        found = dict(zip(ids.tolist(), areas.tolist(), strict=True))
        area = self._own[_AREA]
        return {
            number: choose_values({column: _parse(row.get(column, "")) for column in self._names}, self._names)
            for number, row in rows.items()
            if _parse(row.get(area, "")) == found.get(number)
        }

    def _take(self, plane: Plane) -> dict[int, Texts]:
        """The rows of an image or a frame by the id of the cell."""
        if plane in self._passed:
            return self._passed.pop(plane)
        for found, rows in self._planes:
            own = {int(number): row for row in rows if math.isfinite(number := _parse(row.get(self._own[ID], "")))}
            if found == plane:
                return own
            self._passed[found] = own
        return {}

    def _find_first(self, name: str) -> int:
        """The frame of a movie that is the first of its label image, as `NAME_frames.csv` states it; 0 without one."""
        path = self._folder / f"{name}_frames.csv"
        with suppress(ValueError, KeyError, StopIteration):
            return int(next(read_rows(path))["frame"]) if path.is_file() else 0
        return 0


def _find_plane(row: Texts) -> Plane:
    return row.get("image", ""), row.get("frame", "")


def _parse(text: str) -> float:
    with suppress(ValueError):
        return float(text)
    return math.nan
