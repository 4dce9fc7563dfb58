"""The tables of docs/benchmarks.md: the scores of cells stand beside those of masks, where labels tell cells apart."""

import ablation
import accuracy
import page
import pytest

from livecell_monai.metrics.registry import BUILT_IN

WORK = accuracy.Work("a", "a", 10, 0.7, "a: 3 training images", ap50_goal=0.65)


def scores_of(value, with_cells=True):
    """The contents of `scores.json` with the same value for all scores."""
    names = BUILT_IN if with_cells else ["iou", "dice"]
    return {"images": 3, **{name: {"mean": value, "interval_95": [value - 0.1, value + 0.1]} for name in names}}


def test_the_scores_of_cells_are_means_or_nothing():
    assert page.format_cell_scores([scores_of(0.5)]) == ["0.500"] * 4
    assert page.format_cell_scores([scores_of(0.5), scores_of(0.6)]) == ["0.550"] * 4
    assert page.format_cell_scores([scores_of(0.5), scores_of(0.6, with_cells=False)]) == [""] * 4


def test_accuracy_has_the_cells_without_views():
    row = accuracy.row_of(WORK, 596.2, 0.71, [scores_of(0.5), scores_of(0.6)])
    cells = dict(zip(accuracy.HEAD, row, strict=True))
    assert cells["test IoU (95 % over images)"] == "0.500 (0.400 .. 0.600)"
    assert cells["with 8 views"] == "0.600 (0.500 .. 0.700)"
    assert [cells[name] for name in ("AP50", "PQ", "SEG", "count error")] == ["0.500"] * 4
    assert (cells["aim"], cells["aim of AP50"]) == ("0.7", "0.65")


def test_accuracy_keeps_the_rows_of_other_tasks_also_of_an_older_table(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(page, "describe_machine", lambda: "*a machine*")
    row = accuracy.row_of(WORK, 596.2, 0.71, [scores_of(0.5, with_cells=False)] * 2)
    others = [
        ["a: 3 training images", "0.5", "26 s", "0.6", "0.5 (0.4 .. 0.6)", "0.5 (0.4 .. 0.6)", "0.5"],
        [*row[:4], "earlier"],
    ]
    for _ in range(2):  # the second table is made of the first one on the page
        page.write_section("Accuracy", "command", accuracy.table_of(row, others))
        others = page.read_rows("Accuracy")
    lines = [line for line in page.PAGE.read_text().splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert [line.split(" | ")[1] for line in lines[2:]] == ["0.5", "10"]
    assert "earlier" not in page.PAGE.read_text()


@pytest.mark.parametrize(("with_cells", "of_cells"), [(True, " 0.550 |"), (False, "  |")])
def test_ablation_has_the_masks_by_fold_and_the_cells_over_folds(with_cells, of_cells):
    row = ablation.row_of("a", [scores_of(value, with_cells) for value in (0.5, 0.6)])
    assert row == "| a | 0.550 | 0.500 | 0.600 |" + of_cells * 4
    head, rule = ablation.head_of(["fold 1", "fold 2"])
    assert head == "| changed | mean IoU | fold 1 | fold 2 | AP50 | PQ | SEG | count error |"
    assert len({line.count("|") for line in (head, rule, row)}) == 1
