"""The tables of a movie and their description."""

import csv
import json

import numpy as np
import pytest

from livecell_monai.outputs.tracks.tables import write_tables
from livecell_monai.tracks.lineages import describe_lineages
from tests.support.track_worlds import FRAMES, some_tracks


@pytest.fixture
def folder(tmp_path):
    tracks = some_tracks(drift=np.full((FRAMES, 2), (1.5, -2.25)))
    write_tables(tmp_path, tracks, describe_lineages(tracks), {"labels": "cells.tif", "images": None})
    return tmp_path


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_row_a_cell_and_frame_and_one_a_track(folder):
    cells, lineages = rows_of(folder / "tracks.csv"), rows_of(folder / "lineages.csv")
    assert (len(cells), len(lineages)) == (len(some_tracks()), 7)
    row = next(row for row in cells if (row["track"], row["frame"]) == ("2", "4"))
    assert (row["parent"], row["time_min"], row["label"]) == ("1", "40", "88")
    assert (row["centroid_y_px"], row["centroid_y_um"], row["area_um2"]) == ("6", "3", "7.25")
    assert (row["age_min"], row["touches_border"], row["confidence"]) == ("10", "0", "0.75")
    divided = lineages[0]
    assert (divided["children"], divided["fate"], divided["born_min"], divided["ended_min"]) == ("2 3", "divided", "0", "20")
    assert lineages[1]["children"] == ""


def test_every_column_is_described_and_the_movie_too(folder):
    facts = json.loads((folder / "tracks.json").read_text(encoding="utf-8"))
    for name in ("tracks.csv", "lineages.csv"):
        described = facts["tables"][name]
        assert [column["name"] for column in described] == list(rows_of(folder / name)[0])
        assert all(column["description"] for column in described)
    assert (facts["interval_min"], facts["pixel_size_um"], facts["shape"]) == (10.0, [0.5, 0.5], [48, 64])
    assert facts["source"] == {"labels": "cells.tif", "images": None}
    assert facts["drift_px"][0] == [1.5, -2.25]
    assert facts["limits"] == [{"name": "greatest_step", "value": 12.5, "unit": "px", "reason": "measured"}]
