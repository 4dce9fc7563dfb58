"""What the tables of a comparison show, cell by cell."""

from dataclasses import replace

import pytest

from livecell_monai.experiments.compared_run import ComparedRun
from livecell_monai.experiments.comparison import ComparedScore, Comparison
from livecell_monai.metrics import PairedDifference
from livecell_monai.report.comparison import build_notes, build_rows, build_tables, shorten
from tests.support.logged_runs import some_scores

FIRST = ComparedRun(
    "first",
    "FINISHED",
    id="1" * 32,
    kind="training",
    kept={"iou": 0.61234, "loss": 0.5},
    last={"iou": 0.6},
    images=some_scores(0.5, 0.6, 0.7),
    seconds=61.4,
    data="ab" * 32,
    split="region",
    settings={"lr": "0.1", "validation_fraction": "0.15"},
)
OTHER = replace(
    FIRST, name="other", id="2" * 32, images=some_scores(0.6, 0.6, 0.9), split="original", settings={"lr": "0.20001"}
)
OLD = ComparedRun("old", "FAILED", id="3" * 32, kept={"iou": 0.2})
GAIN = PairedDifference(3, 0.1, (0.0, 0.2), 2, 0, 1)
SIDES = Comparison(
    runs=[OTHER, FIRST, OLD],
    metric="iou",
    first=FIRST,
    intervals=[(0.6, 0.9), (0.5, 0.7), None],
    differences=[GAIN, None, None],
    differing=["lr"],
    warnings=["beware"],
)
LISTED = replace(FIRST, images=None, nested=3)
LIST = Comparison([LISTED, OLD], "iou", None, [None, None], [None, None], ["lr"], [])


class TestList:
    def test_a_row_for_each_run(self):
        (table,) = build_tables(LIST)
        assert table.header == ["run", "kind", "status", "IoU", "accuracy", "loss", "seconds", "data", "nested", "lr"]
        assert table.rows == [
            ["first", "training", "FINISHED", "0.612", "", "0.500", "61", "abababab", "3", "0.1"],
            ["old", "", "FAILED", "0.200", "", "", "", "", "", ""],
        ]

    def test_no_column_of_nested_runs_without_any(self):
        (table,) = build_tables(replace(LIST, runs=[replace(LISTED, nested=0), OLD]))
        assert "nested" not in table.header

    def test_another_metric_gets_a_column(self):
        (table,) = build_tables(replace(LIST, metric="dice", runs=[replace(LISTED, crossval={"dice": 0.75}), OLD]))
        assert table.header[3:7] == ["IoU", "accuracy", "loss", "Dice"]
        assert table.rows[0][6] == "0.750"

    def test_the_note_counts_what_is_not_listed(self):
        assert build_notes(LIST) == []
        assert build_notes(replace(LIST, hidden=4)) == ["4 studies, folds, parts and trials are not listed: add --all"]


class TestSides:
    def test_a_column_for_each_run(self):
        scores = build_tables(SIDES)[0]
        assert scores.title == "Runs, best IoU first"
        assert scores.header == ["", "other", "first", "old"]
        rows = {row[0]: row[1:] for row in scores.rows}
        assert rows["status"] == ["FINISHED", "FINISHED", "FAILED"]
        assert rows["trained on data"] == ["abababab", "abababab", "unknown"]
        assert rows["scored on"] == ["original (leaks)", "region, 0.15 of each image", "unknown"]
        assert rows["IoU by image, mean"] == ["0.700", "0.600", ""]
        assert rows["95 % interval"] == ["0.600 .. 0.900", "0.500 .. 0.700", ""]
        assert rows["images"] == ["3", "3", ""]
        assert rows["IoU, validation"] == ["0.612", "0.612", "0.200"]
        assert "accuracy, validation" not in rows

    def test_a_run_without_a_bundle_shows_its_last_epoch(self):
        failed = replace(FIRST, kept={})
        rows = {row[0]: row[1:] for row in build_tables(replace(SIDES, runs=[OTHER, failed, OLD]))[0].rows}
        assert rows["IoU, validation"] == ["0.612", "0.600", "0.200"]

    def test_differences_to_the_first(self):
        differences = build_tables(SIDES)[1]
        assert differences.title == "IoU minus that of first, on the same images"
        assert differences.rows == [
            ["other", "3", "+0.100", "+0.000 .. +0.200", "2", "0", "1"],
            ["old", "", "none", "", "", "", ""],
        ]

    def test_too_few_images_for_an_interval(self):
        few = replace(SIDES, differences=[replace(GAIN, images=2, interval_95=None), None, None])
        assert build_tables(few)[1].rows[0][1:4] == ["2", "+0.100", ""]

    def test_settings_that_differ(self):
        settings = build_tables(SIDES)[2]
        assert (settings.header, settings.rows) == (["setting", "other", "first", "old"], [["lr", "0.2", "0.1", ""]])
        same = replace(SIDES, differing=[])
        assert [table.title for table in build_tables(same)] == [table.title for table in build_tables(SIDES)[:2]]
        assert "the settings are the same" in build_notes(same)

    def test_a_training_and_a_cross_validation_never_have_the_same_settings(self):
        training, folds = (
            replace(FIRST, settings=settings) for settings in ({"split_used": "region", "lr": "0.1"}, {"x": "1"})
        )
        both = Comparison([training, folds], "iou", training, [None, None], [None, None], [], [])
        assert "the settings are the same" not in build_notes(both)
        assert "the settings are the same" in build_notes(replace(both, runs=[training, training]))

    def test_one_run_has_no_differences(self):
        alone = Comparison([FIRST], "iou", FIRST, [None], [None], [], [])
        assert len(build_tables(alone)) == 1

    @pytest.mark.parametrize("comparison", [SIDES, LIST])
    def test_every_row_is_as_wide_as_its_header(self, comparison):
        for table in build_tables(comparison):
            assert {len(row) for row in table.rows} == {len(table.header)}

    def test_note_states_what_the_interval_does_not_cover(self):
        assert any("another training" in line for line in build_notes(SIDES))


CELLS = replace(
    SIDES,
    cells=[
        ComparedScore("ap50", [0.51234, 0.4, None], [(0.4, 0.6), None, None], [GAIN, None, None]),
        ComparedScore("count_error", [0.1, 0.2, None], [None] * 3, [None] * 3),
    ],
)


class TestCells:
    def test_have_tables_of_means_and_of_differences(self):
        *_, means, differences, _ = build_tables(CELLS)
        assert means.title == "Scores of cells: mean over images (95 % interval)"
        assert means.header == ["", "other", "first", "old"]
        assert means.rows == [
            ["AP50", "0.512 (0.400 .. 0.600)", "0.400", ""],
            ["count error", "0.100", "0.200", ""],
        ]
        assert differences.title == "Scores of cells minus those of first, on the same images"
        assert differences.header == [
            "score",
            "run",
            "images",
            "mean difference",
            "95 % interval",
            "better",
            "worse",
            "equal",
        ]
        assert differences.rows == [
            ["AP50", "other", "3", "+0.100", "+0.000 .. +0.200", "2", "0", "1"],
        ]
        assert len(build_tables(CELLS)) == len(build_tables(SIDES)) + 2
        alone = replace(CELLS, cells=CELLS.cells[1:])  # without a difference
        assert len(build_tables(alone)) == len(build_tables(SIDES)) + 1

    def test_have_columns_in_the_table_of_runs(self):
        other, first, old = build_rows(CELLS)
        assert (other["ap50"], other["ap50_low"], other["ap50_high"]) == (0.51234, 0.4, 0.6)
        assert (other["ap50_difference"], other["ap50_difference_low"], other["ap50_better"]) == (0.1, 0.0, 2)
        assert (first["ap50"], first["ap50_difference"], old["ap50"]) == (0.4, "", "")
        assert list(other) == list(first) == list(old)
        assert "ap50" not in build_rows(SIDES)[0]

    def test_of_validation_are_shown_beside_iou(self):
        run = replace(LISTED, kept={"iou": 0.6, "ap50": 0.4})
        (table,) = build_tables(replace(LIST, runs=[run, OLD]))
        assert table.header[3:7] == ["IoU", "accuracy", "loss", "AP50"]
        assert [row[6] for row in table.rows] == ["0.400", ""]


class TestRows:
    def test_one_for_each_run_with_every_column(self):
        other, first, old = build_rows(SIDES)
        assert list(other) == list(first) == list(old)
        assert (other["run"], other["id"], other["status"], other["reference"]) == ("other", "2" * 32, "FINISHED", "first")
        assert (other["metric"], other["score"], other["score_low"], other["score_high"]) == (
            "iou",
            pytest.approx(0.7),
            0.6,
            0.9,
        )
        assert (other["difference"], other["difference_low"], other["difference_high"]) == (0.1, 0.0, 0.2)
        assert [other[name] for name in ("difference_images", "better", "worse", "equal", "images")] == [3, 2, 0, 1, 3]
        assert (other["setting_lr"], other["leaks"], other["data_sha256"]) == ("0.20001", True, "ab" * 32)
        assert (first["validation_iou"], first["kind"]) == (0.61234, "training")
        assert (first["difference"], old["score_low"], old["validation_accuracy"], old["seconds"]) == ("", "", "", None)

    def test_a_list_has_no_differences(self):
        assert {"difference", "reference"}.isdisjoint(build_rows(LIST)[0])


@pytest.mark.parametrize(("value", "shown"), [("0.123456", "0.1235"), ("[4, 8]", "[4, 8]"), ("3", "3"), ("auto", "auto")])
def test_a_setting_in_a_table(value, shown):
    assert shorten(value) == shown
