"""A handler that scores an engine's predictions: pixels, and cells where labels tell them apart."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from livecell_monai.data.dataset.findings import count_split_ids
from livecell_monai.metrics import Scores, measure_scores, note_unscored_cells, summarise_scores, tabulate_scores
from livecell_monai.outputs.base import Row
from livecell_monai.prediction.background_writer import BackgroundWriter
from livecell_monai.prediction.prepared import plane_of
from livecell_monai.runs.atomic import atomic_path, write_table
from livecell_monai.sample import CELLS, LABEL, LABELLED, NAME, PRED, TRUE_CELLS, Pixels

Planes = tuple[Pixels, Pixels, Pixels | None]  # mask, truth and weight (Y, X)


class ScoreWriter(BackgroundWriter):
    """Scores on the original grid: `scores.csv` by image, `scores.json` for the data set.

    The surface Dice counts an outline within `tolerance_px` as correct. Cells are scored where the output has them.
    """

    def __init__(self, output_dir: str, tolerance_px: float = 2.0) -> None:
        super().__init__(output_dir)
        self.tolerance_px = tolerance_px
        self.scores: list[Scores] = []
        self.split_ids: list[int] = []  #: ids of several pieces, by image with cells
        self.summary: dict[str, Any] = {}

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row]:
        """A function that scores one image."""
        weight = plane_of(output[LABELLED]) if LABELLED in output else None
        cells = (plane_of(output[CELLS]), plane_of(output[TRUE_CELLS])) if CELLS in output else None
        planes = (plane_of(output[PRED]) > 0, plane_of(item[LABEL]) > 0, weight)
        return partial(self._score, str(item[NAME]), planes, cells)

    def _score(self, name: str, planes: Planes, cells: tuple[Pixels, Pixels] | None) -> Row:
        scores = measure_scores(*planes, {"surface_tolerance_px": self.tolerance_px}, cells)
        self.scores.append(scores)
        self.split_ids += [] if cells is None else [count_split_ids(cells[1])]
        return tabulate_scores(name, scores)

    def files(self) -> list[str]:
        """Both tables."""
        return ["scores.csv", "scores.json"]

    movie_files = files  # a frame is scored as an image

    def write_run(self) -> None:
        """Write the table and the summary of the data set."""
        if self.rows:
            write_table(self.folder / "scores.csv", self.rows)
        self.summary = {**summarise_scores(self.scores), "surface_tolerance_px": self.tolerance_px}
        self.summary |= {**note_unscored_cells(self.scores), **self._note_split_ids()}
        with atomic_path(self.folder / "scores.json") as temporary:
            temporary.write_text(json.dumps(self.summary, indent=2) + "\n", encoding="utf-8")

    def _note_split_ids(self) -> dict[str, str]:
        """The entry `split_ids` of the summary; none without ids of several pieces."""
        labels, total = sum(count > 0 for count in self.split_ids), sum(self.split_ids)
        where = f"{labels} label{'s' if labels > 1 else ''}"
        return {"split_ids": f"{total} in {where}; each id is scored as one cell"} if total else {}
