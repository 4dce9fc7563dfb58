"""Measurements of cells for formats that hold them: by the names and units that QuPath shows.

Source of the names: QuPath's `ObjectMeasurements` (`Area µm^2`, `Circularity`, `Max diameter µm`, `Channel: Mean`).
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from livecell_monai.cells.cellprofiler import from_cellprofiler
from livecell_monai.cells.measure import Column, Columns

Measurements = Mapping[int, Mapping[str, float]]  #: of each cell by its id, by name; a value that is unknown is absent
ID = "cell"  #: the column of ids
#: columns that say which cell it is and where it is: programs take that from the outline
_NOT_MEASURED = ("image", "imagenumber", "frame", "time_min", ID, "pixel_size_y_um", "pixel_size_x_um")
_PLACES = ("box_", "centroid_")  # QuPath's centroids have another origin: the corner of the first pixel
_NAMES = {
    "feret": "Max diameter",
    "axis_major": "Major axis",
    "axis_minor": "Minor axis",
    "form_factor": "Circularity",
    "neighbours": "Neighbours",
}
_STATISTICS = {"mean": "Mean", "sd": "Std.dev.", "min": "Min", "max": "Max"}
_INTENSITY = "intensity_"
_UNITS = {"_um2": " µm^2", "_um": " µm", "_px": " px", "_deg": " °"}
_DIGITS = 6  # significant, as in the table


def name_columns(columns: Iterable[str]) -> dict[str, str]:
    """The names of measurements by column of a table of cells; those of CellProfiler stay. Other columns are left out."""
    return {column: name for column in columns if (name := _name(column))}


def _name(column: str) -> str:
    own = from_cellprofiler(column)
    if own.lower() in _NOT_MEASURED or own.startswith(_PLACES):
        return ""
    if own != column:
        return column
    if own.startswith(_INTENSITY):
        statistic, _, channel = own.removeprefix(_INTENSITY).partition("_")
        return f"{channel or 'Intensity'}: {_STATISTICS.get(statistic, statistic)}"
    ending = next((each for each in _UNITS if own.endswith(each)), "")
    base = own.removesuffix(ending)
    unit = " px^2" if base == "area" and ending == "_px" else _UNITS.get(ending, "")
    return _NAMES.get(base, base.replace("_", " ").capitalize()) + unit


def choose_values(values: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    """The measurements of one cell by name, of those in pixels what is not known in µm; NaN is left out."""
    known = {column: values[column] for column in names if math.isfinite(values.get(column, math.nan))}
    return {
        names[column]: value
        for column, value in known.items()
        if not column.endswith("_px") or not {f"{column[:-3]}_um", f"{column[:-3]}_um2"} & known.keys()
    }


def to_measurements(columns: Columns) -> Measurements:
    """The measurements of all cells of `measure_cells`, with six significant digits as in the table."""
    own = {from_cellprofiler(column): column for column in columns}
    ids = columns[own[ID]].tolist()
    names = name_columns(columns)
    rows = zip(*(_round(columns[column]) for column in names), strict=True)
    return {number: choose_values(dict(zip(names, row, strict=True)), names) for number, row in zip(ids, rows, strict=True)}


def _round(values: Column) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values.astype(np.float64).tolist()]
