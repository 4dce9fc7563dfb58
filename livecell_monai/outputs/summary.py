"""Tables: `summary.csv` of a run, and for each movie a table by frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from livecell_monai.outputs.base import Files, Output, OutputOptions, Row
from livecell_monai.outputs.prediction import LargePrediction, Prediction
from livecell_monai.runs.atomic import write_table
from livecell_monai.sample import Pixels

TABLE = "summary.csv"


class Summary(Output):
    """`summary.csv`, one row for each image: foreground fraction, connected components, seconds.

    The row of a movie holds the means over its frames; each frame has a row in `NAME_frames.csv`.

    Args:
        options: not used.
    """

    def __init__(self, options: OutputOptions | None = None) -> None:
        self._frames: list[Row] = []

    @property
    def files(self) -> Files:
        """The table of the run and that of each movie."""
        return Files(movie=("{name}_frames.csv",), large=(), run=(TABLE,))

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """The row of an image; with the last frame of a movie, its table and its row."""
        row = _describe(float(prediction.mask.mean()), count_components(prediction.mask), prediction.seconds)
        frame = prediction.frame
        if frame is None:
            return row
        self._frames.append({"frame": frame.index, "time_min": frame.time_min, **row})
        if not frame.is_last:
            return {}
        rows, self._frames = self._frames, []
        write_table(folder / f"{prediction.name}_frames.csv", rows)
        return {
            "foreground_fraction": round(float(np.mean([row["foreground_fraction"] for row in rows])), 6),
            "components": round(float(np.mean([row["components"] for row in rows])), 2),
            "frames": len(rows),
            "seconds": round(sum(row["seconds"] for row in rows), 3),
        }

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """The row of a large image."""
        return _describe(prediction.foreground_fraction, prediction.components, prediction.seconds)

    def finish(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the table of the run."""
        if rows:
            write_table(folder / TABLE, rows)

    def discard(self) -> None:
        """Forget the frames of an incomplete movie."""
        self._frames = []


def count_components(mask: Pixels) -> int:
    """Connected components of a mask (Y, X) bool; those that touch by a corner are one."""
    return int(ndimage.label(mask, structure=np.ones((3, 3)))[1])


def _describe(foreground_fraction: float, components: int, seconds: float) -> Row:
    return {
        "foreground_fraction": round(foreground_fraction, 6),
        "components": components,
        "seconds": round(seconds, 3),
    }
