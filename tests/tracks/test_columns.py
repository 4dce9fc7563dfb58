"""The columns of the tables of tracks."""

from pathlib import Path

import pytest

from livecell_monai.tracks.columns import CELL_COLUMNS, LINEAGE_COLUMNS, list_cell_columns

UNITS = {
    "px": "px",
    "um": "µm",
    "um2": "µm²",
    "min": "min",
    "px_per_frame": "px / frame",
    "um_per_min": "µm / min",
    "frames": "frames",
}


def test_the_unit_of_a_column_is_at_the_end_of_its_name():
    for column in (*CELL_COLUMNS.values(), *LINEAGE_COLUMNS.values()):
        endings = [ending for ending in UNITS if column.name.endswith(f"_{ending}")]
        assert not endings or column.unit == UNITS[max(endings, key=len)], column.name
        assert column.description.endswith("."), column.name


@pytest.mark.parametrize("columns", [CELL_COLUMNS, LINEAGE_COLUMNS])
def test_the_page_says_what_every_column_is(columns):
    page = (Path(__file__).parents[2] / "docs" / "tracks-files.md").read_text(encoding="utf-8")
    for column in columns.values():
        assert f"| `{column.name}` | {column.unit} | {column.description} |" in page, column.name


def test_each_channel_has_a_column_after_that_of_the_one_that_was_segmented():
    found = list_cell_columns(["DAPI", "GFP"])
    place = list(found).index("intensity_mean")
    assert list(found)[place : place + 3] == ["intensity_mean", "intensity_mean_DAPI", "intensity_mean_GFP"]
    assert found["intensity_mean_GFP"].description == "Channel GFP: Mean of the original grey values; empty without images."
    assert list_cell_columns() == CELL_COLUMNS
