"""What a sweep improves: names, direction, order, and what it asks of data and bundle."""

import numpy as np
import pytest
import tifffile

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments.objective import find_objective

CELLS = {"maps": ["foreground"], "cells": True}


@pytest.mark.parametrize("name", ["dice", "loss", "nothing", ""])
def test_another_name_is_rejected_with_all_names(name):
    with pytest.raises(SettingError, match=rf"--objective must be one of iou, accuracy, ap50, .*count_error, got '{name}'"):
        find_objective(name)


@pytest.mark.parametrize(("name", "direction"), [("iou", "maximize"), ("ap50", "maximize"), ("count_error", "minimize")])
def test_errors_are_minimised_and_scores_maximised(name, direction):
    objective = find_objective(name)
    assert (objective.column, objective.direction) == (f"val_{name}", direction)
    column = objective.column
    rows = [{"state": state, column: value} for state, value in (("complete", 0.2), ("complete", 0.1), ("complete", 0.3))]
    rows += [{"state": "pruned", column: None}, {"state": "pruned", column: 0.0 if direction == "minimize" else 1.0}]
    ranked = objective.rank(rows)
    best_first = [0.1, 0.2, 0.3] if direction == "minimize" else [0.3, 0.2, 0.1]
    assert [row[column] for row in ranked[:3]] == best_first
    assert [row["state"] for row in ranked[3:]] == ["pruned", "pruned"]
    assert ranked[-1][column] is None


class TestCheck:
    def test_pixels_need_nothing(self, folder):
        find_objective("iou").check({"maps": ["foreground"], "cells": False}, [])

    def test_cells_need_a_bundle_that_writes_them(self, folder):
        samples = list_samples(folder, "train")
        find_objective("ap50").check(CELLS, samples)
        with pytest.raises(
            SettingError, match=r"--objective ap50 must .* writes cells, got cells=auto.*; add --set cells=true"
        ):
            find_objective("ap50").check({**CELLS, "cells": "auto"}, samples)

    def test_cells_need_ids(self, folder):
        label = folder / "train" / "labels" / "train_01.tif"
        tifffile.imwrite(label, (tifffile.imread(label) > 0).astype(np.uint8))
        with pytest.raises(DataError, match=r"train_01.tif: --objective pq must have labels with an id .*--objective iou"):
            find_objective("pq").check(CELLS, list_samples(folder, "train"))


def test_a_score_that_was_not_measured_is_an_error():
    objective = find_objective("pq")
    assert objective.read({"iou": 0.5, "pq": 0.4}, "trial_0000") == 0.4
    with pytest.raises(DataError, match="trial_0000: its last validation must have pq, it has iou: "):
        objective.read({"iou": 0.5}, "trial_0000")
