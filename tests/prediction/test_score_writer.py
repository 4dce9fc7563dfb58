"""What an evaluation leaves on disk."""

import json

import numpy as np
import torch

from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.metrics import measure_scores, summarise_scores
from livecell_monai.metrics.counts import COLUMNS
from livecell_monai.prediction.score_writer import ScoreWriter
from tests.support.driven import item, output, read_table, run
from tests.support.worlds import some_cells

MASKS = [some_cells(seed=seed) > 0 for seed in range(3)]
TRUTH = some_cells(seed=9)


def items(folder):
    label = torch.as_tensor(TRUTH, dtype=torch.float32)[None]
    return [{**item(index, folder), "label": label} for index in range(3)]


def output_of(mask, truth=TRUTH):
    """The output of the step that knows the cells."""
    cells = {"cells": CellDecoder()(mask, {}), "true_cells": truth}
    return {**output(mask, truth), **{key: torch.from_numpy(plane)[None] for key, plane in cells.items()}}


class TestScoreWriter:
    TRUTH = TRUTH

    def score(self, folder):
        outputs = [output_of(mask) for mask in MASKS]
        return run(ScoreWriter(str(folder)), items(folder), outputs)

    def of(self, mask, tolerance=2.0):
        cells = CellDecoder()(mask, {}), self.TRUTH
        return measure_scores(mask, self.TRUTH, settings={"surface_tolerance_px": tolerance}, cells=cells)

    def test_the_tolerance_of_the_outline_is_that_asked_for(self, tmp_path):
        outputs = [output_of(mask) for mask in MASKS]
        writer = run(ScoreWriter(str(tmp_path), tolerance_px=5.0), items(tmp_path), outputs)
        assert writer.scores == [self.of(mask, 5.0) for mask in MASKS]
        assert writer.scores != [self.of(mask) for mask in MASKS]
        assert writer.summary["surface_tolerance_px"] == 5.0

    def test_rows_are_the_scores_of_each_mask(self, tmp_path):
        self.score(tmp_path)
        rows = read_table(tmp_path / "scores.csv")
        measured = ["iou", "dice", "accuracy", "precision", "recall", "surface_dice", "ap50", "pq", "seg", "count_error"]
        assert {"image", *measured, "tp", "fp", "fn", "tn", "true_cells", "matched_50"} <= set(rows[0])
        for index, (row, mask) in enumerate(zip(rows, MASKS, strict=True)):
            scores = self.of(mask)
            assert row["image"] == f"cell_{index}"
            assert {name: float(row[name]) for name in measured} == {name: scores.get(name) for name in measured}
            assert [int(row[name]) for name in COLUMNS] == [getattr(scores, name) for name in COLUMNS]
            assert int(row["true_cells"]) == self.TRUTH.max()

    def test_summary_is_that_of_the_set(self, tmp_path):
        writer = self.score(tmp_path)
        assert writer.summary == {**summarise_scores([self.of(mask) for mask in MASKS]), "surface_tolerance_px": 2.0}
        assert json.loads((tmp_path / "scores.json").read_text()) == writer.summary

    def test_writes_the_files_that_it_names_and_no_others(self, tmp_path):
        writer = self.score(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == set(writer.files())

    def test_pixels_of_weight_0_do_not_count(self, tmp_path):
        weight = np.ones(MASKS[0].shape, np.float32)
        weight[MASKS[0] != (self.TRUTH > 0)] = 0
        given = {**output_of(MASKS[0]), "labelled": torch.as_tensor(weight > 0)[None]}
        writer = run(ScoreWriter(str(tmp_path)), items(tmp_path)[:1], [given])
        assert writer.scores[0].iou == 1.0 > self.of(MASKS[0]).iou

    def test_cells_of_binary_labels_are_not_scored_and_the_summary_says_so(self, tmp_path):
        outputs = [output(MASKS[0], TRUTH), *map(output_of, MASKS[1:])]
        writer = run(ScoreWriter(str(tmp_path)), items(tmp_path), outputs)
        assert writer.summary["cells_not_scored"] == "1 of 3 labels do not tell cells apart"
        assert "ap50" not in writer.summary
        rows = read_table(tmp_path / "scores.csv")
        assert (rows[0]["true_cells"], rows[1]["true_cells"]) == ("", str(TRUTH.max()))

    def test_ids_of_several_pieces_are_counted_and_scored_as_one_cell(self, tmp_path):
        joined = np.where(self.TRUTH == 2, 1, self.TRUTH)
        writer = run(ScoreWriter(str(tmp_path)), items(tmp_path)[:2], [output_of(MASKS[0]), output_of(MASKS[0], joined)])
        assert writer.summary["split_ids"] == "1 in 1 label; each id is scored as one cell"
        assert [scores.cells.true_cells for scores in writer.scores] == [5, 4]
        both = [output_of(MASKS[0], joined)] * 2
        writer = run(ScoreWriter(str(tmp_path)), items(tmp_path)[:2], both)
        assert writer.summary["split_ids"] == "2 in 2 labels; each id is scored as one cell"
