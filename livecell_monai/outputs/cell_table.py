"""The table of cells: one row for each cell of all images."""

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, groupby
from pathlib import Path

from livecell_monai import __version__
from livecell_monai.cells.cellprofiler import to_cellprofiler
from livecell_monai.cells.columns import Column, find_columns
from livecell_monai.cells.measure import Columns
from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.base import Files, LargePrediction, Output, OutputOptions, Prediction, Row
from livecell_monai.outputs.measured import measure_prediction
from livecell_monai.outputs.table_file import Texts, read_names, read_rows, to_text, write_rows
from livecell_monai.runs.atomic import write_file, writing_errors

DESCRIPTION = "cells.json"  #: what the columns are, beside the table
_TABLES = {name: f"cells.{name}" for name in ("csv", "parquet")}  # by the setting `cell_table_format`
_SIZES = ("pixel_size_y_um", "pixel_size_x_um")
_PART = "{name}_cells_part.csv"  # of an image or a movie, until the table of the run is written
_REMEDY = "start again by --overwrite without --resume"
_NUMBER = "ImageNumber"  # of CellProfiler, which has one for each frame of a movie
Block = tuple[Row, Columns]  #: what the rows of an image or a frame have in common, and their other columns


class CellTable(Output):
    """`cells.csv` or `cells.parquet`: image, frame, id and measurements of each cell; `cells.json` describes the columns.

    Intensities are those of the image as it is on disk, of each channel if there are several.
    """

    needs_cells = True
    needs_maps = True  # for the mean probability

    def __init__(self, options: OutputOptions | None = None) -> None:
        options = options or OutputOptions()
        self._parts = options.parts
        self._table, self._names = _TABLES[options.cell_table_format], options.cell_table_names
        self.files = Files(large=(), run=(self._table, DESCRIPTION), parts=(_PART,))
        self._frames: list[Block] = []
        self._large: dict[str, Block] = {}

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Measure the cells of an image, or of a frame of a movie; those of a whole image or movie become its part."""
        assert prediction.cells is not None
        frame = prediction.frame
        labels = _label(prediction.name, prediction.pixel_size_um)
        if frame is not None:
            labels |= {"frame": frame.index, "time_min": frame.time_min}
        if prediction.problem is None:
            self._frames.append((labels, measure_prediction(prediction, self._names == "cellprofiler")))
        if frame is None or frame.is_last:
            blocks, self._frames = self._frames, []
            path = folder / _PART.format(name=prediction.name)
            write_rows(path, find_columns(_list_names(blocks), self._names), _list_rows(blocks))
        return {}

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Keep the columns of a large image; a DataError if it was finished earlier and the table of that run is missing."""
        name, path = prediction.name, folder / self._table
        if prediction.cells is not None and "cell" in prediction.cells:
            self._large[name] = _label(name, prediction.pixel_size_um), self._rename(prediction.cells)
        elif not path.exists():
            raise DataError(f"{path}: must have the cells of {name}, no such file; predict the image again by --overwrite")
        return {}

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the table of the run, with the rows of an earlier run for images that were not predicted again."""
        if not rows:
            return
        names = [str(row["image"]) for row in rows]
        parts = {name: self._find_part(name) for name in names}
        path = folder / self._table
        earlier = _EarlierRows(path, {name for name, part in parts.items() if part is None and name not in self._large})
        found = [read_names(part) for part in parts.values() if part is not None]

        sizes: dict[tuple[str, str], list[str]] = {}  # names of images by the size of their pixels
        count = 0  # of cells

        def list_rows() -> Iterator[Texts]:
            nonlocal count
            for name in names:
                part = parts[name]
                if name in self._large:
                    own = _list_rows([self._large[name]])
                else:
                    own = earlier.take(name) if part is None else read_rows(part)
                for number, row in enumerate(own):
                    if number == 0:
                        sizes.setdefault((row.get(_SIZES[0], ""), row.get(_SIZES[1], "")), []).append(name)
                    count += 1
                    yield row

        all_names, all_rows = [*earlier.names, *_list_names(self._large.values()), *chain(*found)], list_rows()
        if self._names == "cellprofiler":
            all_names, all_rows = [_NUMBER, *all_names], _number_images(all_rows)
        columns, other = find_columns(all_names, self._names), find_table(folder)
        write_rows(path, columns, all_rows)
        if other is not None and other != path:
            _remove(other)
        self._large = {}  # from now on in the table
        write_file(folder / DESCRIPTION, _describe(self._table, self._names, columns, sizes))
        self.result = f"{count:,} {'cell' if count == 1 else 'cells'} ({self._table})"

    def check_earlier(self, folder: Path) -> None:
        """Reject a table of an earlier run in another format, or whose columns have other names."""
        path, other = folder / self._table, find_table(folder)
        if other is not None and other != path:
            raise SettingError(
                f"{other}: setting cell_table_format must be {other.suffix[1:]} as in this table, got {path.suffix[1:]}; "
                f"correct it, or {_REMEDY}"
            )
        if path.exists() and (_NUMBER in read_names(path)) != (self._names == "cellprofiler"):
            scheme = "livecell" if self._names == "cellprofiler" else "cellprofiler"
            raise SettingError(
                f"{path}: setting cell_table_names must be {scheme} as in this table, got {self._names}; correct it, or "
                f"{_REMEDY}"
            )

    def discard(self) -> None:
        """Drop the frames of an incomplete movie."""
        self._frames = []

    def _rename(self, columns: Columns) -> Columns:
        return {to_cellprofiler(name): it for name, it in columns.items()} if self._names == "cellprofiler" else columns

    def _find_part(self, name: str) -> Path | None:
        path = None if self._parts is None else self._parts / _PART.format(name=name)
        return path if path is not None and path.exists() else None


def find_table(folder: Path) -> Path | None:
    """The table of cells of the last run into a folder, which `cells.json` names; None without one."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        name = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["table"]
        if name in _TABLES.values() and (folder / name).is_file():
            return folder / str(name)
    return None


def check_without_cells(folder: Path) -> None:
    """Reject the table of cells of an earlier run that is continued without cells; a SettingError."""
    path = find_table(folder)
    if path is not None:
        raise SettingError(f"{path}: a prediction with cells must be continued with cells; use --cells, or {_REMEDY}")


def remove_table(folder: Path) -> None:
    """Delete the table of cells of an earlier run with its description; a DataError if it cannot be deleted."""
    path = find_table(folder)
    if path is not None:
        _remove(path)
        _remove(folder / DESCRIPTION)


def _remove(path: Path) -> None:
    with writing_errors(path):
        path.unlink()


class _EarlierRows:
    """The rows of the wanted images in the table of an earlier run, if there is one; read once, while it is replaced.

    Only rows of images that are taken in another order than that of the table are in memory.
    """

    def __init__(self, path: Path, wanted: Container[str]) -> None:
        is_needed = bool(wanted) and path.exists()
        self.names = read_names(path) if is_needed else []
        self._wanted = wanted
        self._groups = groupby(read_rows(path) if is_needed else (), lambda row: row.get("image", ""))
        self._passed: dict[str, list[dict[str, str]]] = {}

    def take(self, name: str) -> Iterator[dict[str, str]]:
        if name in self._passed:
            yield from self._passed.pop(name)
            return
        for found, rows in self._groups:
            if found == name:
                yield from rows
                return
            if found in self._wanted:
                self._passed[found] = list(rows)


def _label(name: str, pixel_size_um: tuple[float, float] | None) -> Row:
    """What all rows of an image have in common."""
    return {"image": name, **dict(zip(_SIZES, pixel_size_um or (None, None), strict=True))}


def _describe(table: str, scheme: str, columns: Mapping[str, Column], sizes: Mapping[tuple[str, str], list[str]]) -> str:
    """The JSON text about a table: type, unit and definition of each column, and the images by the size of their pixels."""
    facts = {
        "table": table,
        "written_by": f"livecell-monai {__version__}",
        "column_names": scheme,
        "columns": {
            name: {"type": column.kind, "unit": column.unit or None, "description": column.description}
            for name, column in columns.items()
        },
        "pixel_sizes": [
            {"y_um": float(y) if y else None, "x_um": float(x) if x else None, "images": images}
            for (y, x), images in sizes.items()
        ],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def _list_names(blocks: Iterable[Block]) -> list[str]:
    """The names of the columns of all rows, each once."""
    return list(dict.fromkeys(chain.from_iterable((*labels, *columns) for labels, columns in blocks)))


def _list_rows(blocks: Iterable[Block]) -> Iterator[Texts]:
    """One row for each cell, as texts."""
    for labels, columns in blocks:
        shared = {name: to_text(value) for name, value in labels.items()}
        texts = [map(str if column.dtype.kind in "iu" else to_text, column.tolist()) for column in columns.values()]
        for values in zip(*texts, strict=True):
            yield shared | dict(zip(columns, values, strict=True))


def _number_images(rows: Iterable[Texts]) -> Iterator[Texts]:
    """The rows with the number of their image or frame, from 1 in the order of the rows."""
    for number, (_, own) in enumerate(groupby(rows, lambda row: (row["image"], row.get("frame", ""))), start=1):
        for row in own:
            yield {**row, _NUMBER: str(number)}
