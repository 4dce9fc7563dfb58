"""Tables: `summary.csv` of the run, and one table by frame for each movie."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from livecell_monai.outputs.base import Files, LargePrediction, Output, OutputOptions, Prediction, Row
from livecell_monai.runs.atomic import write_table
from livecell_monai.sample import MISSING, Pixels

TABLE = "summary.csv"
CELL_COLUMNS = ("cells", "cells_per_mm2", "median_area_px", "median_area_um2")  #: if cells are separated
INTERVAL = "interval_min"  #: column of the minutes between the frames of a movie, empty if unknown
ZERO_SHOT = "nothing was learned from these images; cells taken as {:g} px across"
EMPTY_FRAMES = "empty_frames"  #: column of the number of frames that could not be predicted, if there are some


class Summary(Output):
    """`summary.csv`, one row per image: foreground fraction and seconds, and of cells their number and areas.

    The row of a movie holds the means over its frames; `NAME_frames.csv` has one row per frame, with only the `problem`
    of a frame without a prediction. Where nothing was learned from such images, `zero_shot` says so; `model` names a
    model of another tool.
    """

    files = Files(movie=("{name}_frames.csv",), large=(), run=(TABLE,))

    def __init__(self, options: OutputOptions | None = None) -> None:
        self._frames: list[Row] = []
        options = options or OutputOptions()
        self._assumed_px, self._model = options.assumed_px, options.model

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """The row of an image; at the last frame of a movie, its table and its row."""
        frame = prediction.frame
        if prediction.problem is None:
            row = _make_row(float(prediction.mask.mean()), prediction.seconds)
            row |= {} if prediction.cells is None else _describe_cells(prediction)
        else:
            row = {**dict.fromkeys(_make_row(0, 0)), "problem": prediction.problem}
        if frame is None:
            return {**row, **self._describe_model(prediction.own.get("cell_diameter"))}
        self._frames.append({"frame": frame.index, "time_min": frame.time_min, **row})
        if not frame.is_last:
            return {}
        rows, self._frames = self._frames, []
        write_table(folder / f"{prediction.name}_frames.csv", rows)
        empty = sum(row.get("problem", MISSING) != MISSING for row in rows)
        rows = [row for row in rows if "problem" not in row]
        return {
            "foreground_fraction": round(float(np.mean([row["foreground_fraction"] for row in rows])), 6),
            **{name: _mean([row[name] for row in rows]) for name in CELL_COLUMNS if name in rows[0]},
            "frames": len(rows),
            INTERVAL: frame.interval_min,
            "seconds": round(sum(row["seconds"] for row in rows), 3),
            **({EMPTY_FRAMES: empty} if empty else {}),
            **self._describe_model(prediction.own.get("cell_diameter")),
        }

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """The row of a large image."""
        row = _make_row(prediction.foreground_fraction, prediction.seconds)
        row |= self._describe_model(prediction.own.get("cell_diameter"))
        if prediction.cells is None:
            return row
        size = prediction.shape[0] * prediction.shape[1]
        return {**row, **_describe_areas(prediction.cells["area_px"], size, prediction.pixel_size_um)}

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the table of the run."""
        if rows:
            write_table(folder / TABLE, rows)
            self.result = TABLE

    def _describe_model(self, own_px: float | None) -> Row:
        """Columns that say if nothing was learned, with the diameter in px that was assumed, and which model it was."""
        assumed = self._assumed_px and (own_px or self._assumed_px)
        notes = {"zero_shot": ZERO_SHOT.format(assumed) if assumed else "", "model": self._model}
        return {name: text for name, text in notes.items() if text}

    def discard(self) -> None:
        """Drop the frames of an incomplete movie."""
        self._frames = []


def _describe_cells(prediction: Prediction) -> Row:
    """Columns of the cells of an image: number, density and median area."""
    runs = prediction.cell_runs
    areas = np.bincount(runs.value, runs.length)[1:]
    return _describe_areas(areas, prediction.mask.size, prediction.pixel_size_um)


def _describe_areas(areas: Pixels, size: int, pixel_size_um: tuple[float, float] | None) -> Row:
    um2 = None if pixel_size_um is None else pixel_size_um[0] * pixel_size_um[1]
    median = float(np.median(areas)) if len(areas) else None
    return {
        "cells": len(areas),
        "cells_per_mm2": None if um2 is None else round(len(areas) / (size * um2 * 1e-6), 2),
        "median_area_px": median,
        "median_area_um2": None if um2 is None or median is None else round(median * um2, 3),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 3) if known else None


def _make_row(foreground_fraction: float, seconds: float) -> Row:
    return {"foreground_fraction": round(foreground_fraction, 6), "seconds": round(seconds, 3)}
