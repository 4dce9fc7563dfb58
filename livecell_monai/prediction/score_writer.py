"""A handler that scores an engine's predictions: pixels, and cells where labels tell them apart."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.cells.distance import has_ids
from livecell_monai.metrics import Scores, describe_unscored, measure_scores, summarise_scores, tabulate_scores
from livecell_monai.outputs.base import Row
from livecell_monai.prediction.prepared import plane_of
from livecell_monai.prediction.writers import BackgroundWriter
from livecell_monai.runs.atomic import atomic_path, write_table
from livecell_monai.sample import LABEL, LABELLED, MAPS, NAME, PRED, Pixels


class ScoreWriter(BackgroundWriter):
    """Scores on the original grid: `scores.csv` by image, `scores.json` for the data set.

    The surface Dice counts an outline within `tolerance_px` as correct. Cells are scored where labels have ids.
    """

    def __init__(
        self,
        output_dir: str,
        tolerance_px: float = 2.0,
        channels: Sequence[str] = ("foreground",),
        cells: CellDecoder | None = None,
    ) -> None:
        super().__init__(output_dir)
        self.channels, self.decoder = tuple(channels), cells or CellDecoder(channels)
        self.tolerance_px = tolerance_px
        self.scores: list[Scores] = []
        self.summary: dict[str, Any] = {}

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row]:
        """A function that scores one image."""
        weight = plane_of(output[LABELLED]) if LABELLED in output else None
        maps = dict(zip(self.channels, np.asarray(output[MAPS].cpu()), strict=True))
        label = plane_of(item[LABEL]).astype(np.int64)
        return partial(self._score, str(item[NAME]), plane_of(output[PRED]) > 0, maps, label, weight)

    def _score(self, name: str, mask: Pixels, maps: Mapping[str, Pixels], label: Pixels, weight: Pixels | None) -> Row:
        cells = (self.decoder(mask, maps), label) if has_ids(label) else None
        scores = measure_scores(mask, label > 0, weight, {"surface_tolerance_px": self.tolerance_px}, cells)
        self.scores.append(scores)
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
        if unscored := describe_unscored(self.scores):
            self.summary["cells_not_scored"] = unscored
        with atomic_path(self.folder / "scores.json") as temporary:
            temporary.write_text(json.dumps(self.summary, indent=2) + "\n", encoding="utf-8")
