"""Tracks read back from `tracks.csv`, as written and edited."""

import csv

import numpy as np
import pytest

from livecell_monai.errors import DataError
from livecell_monai.outputs.tracks.read_tables import MOST_ID, find_line, read_tracks
from livecell_monai.outputs.tracks.tables import write_tables
from livecell_monai.tracks.lineages import describe_lineages
from livecell_monai.tracks.tracks import ENTRIES
from tests.support.track_worlds import some_tracks

JOINED = np.array([[2, 33, 89]])


@pytest.fixture
def table(tmp_path):
    """Edits `tracks.csv`: calls a function for each row, which returns the new row, or None to delete it."""
    tracks = some_tracks(intensity=np.full(len(some_tracks()), np.nan), joined=JOINED)
    write_tables(tmp_path, tracks, describe_lineages(tracks), {})

    def edit(change):
        with open(tmp_path / "tracks.csv", encoding="utf-8", newline="") as stream:
            rows = [row for each in csv.DictReader(stream) if (row := change(each)) is not None]
        with open(tmp_path / "edits.csv", "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return tmp_path / "edits.csv"

    return edit


def test_a_table_is_read_back_as_it_was(table):
    found, expected = read_tracks(table(lambda row: row)), some_tracks()
    for name in set(ENTRIES) - {"intensity"}:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert np.isnan(found.intensity).all()
    for name in ("parents", "name", "frames", "shape", "interval_min", "pixel_size_um", "limits", "missing"):
        assert getattr(found, name) == getattr(expected, name), name
    np.testing.assert_array_equal(found.drift, expected.drift)
    np.testing.assert_array_equal(found.joined, JOINED)


def test_a_track_is_split(table):
    def split(row):
        return row | {"track": "70"} if row["track"] == "7" and int(row["frame"]) > 2 else row

    found = read_tracks(table(split))
    assert found.frame[found.track == 70].tolist() == [3, 4, 5]
    assert np.isnan(found.confidence[found.track == 70][0])
    assert found.frame[found.track == 7].tolist() == [0, 1, 2]


def test_two_tracks_are_joined_and_the_new_link_is_certain(table):
    found = read_tracks(table(lambda row: row | {"track": "4"} if row["track"] == "3" else row))
    assert found.frame[found.track == 4].tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(found.confidence[found.track == 4], [np.nan, 0.75, 0.75, 1, 0.75, 0.75])
    assert found.parents == {2: 1}  # what the first frame of track 4 says


def test_a_track_is_deleted_and_a_parent_is_set(table):
    def change(row):
        if row["track"] == "6":
            return None
        return row | {"parent": "4"} if row["track"] in ("2", "3") and row["frame"] == "3" else row

    found = read_tracks(table(change))
    assert 6 not in found.track
    assert found.parents == {2: 4, 3: 4}


def test_rows_may_be_in_any_order_and_a_delete_may_leave_none(table, tmp_path):
    path = table(lambda row: row)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    np.testing.assert_array_equal(read_tracks(path).track, some_tracks().track)
    path.write_text(lines[0] + "\n")
    assert len(read_tracks(path)) == 0


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (("1", "1"), {"track": ""}, "line 3: track must be a whole number from 1 to 4294967295, got ''; correct it"),
        (("1", "1"), {"track": "1.5"}, "line 3: track must be a whole number from 1 to 4294967295, got '1.5'"),
        (("1", "1"), {"track": "99999999999"}, "from 1 to 4294967295, got '99999999999'; correct it"),
        (("1", "1"), {"parent": "4294967296"}, "parent must be a whole number from 0 to 4294967295, got '4294967296'"),
        (("1", "1"), {"confidence": "1.5"}, "line 3: confidence must be a number from 0 to 1, got '1.5'; correct it"),
        (("1", "1"), {"confidence": "-0.1"}, "confidence must be a number from 0 to 1, got '-0.1'"),
        (("1", "1"), {"frame": "nan"}, "line 3: frame must be a whole number from 0, got 'nan'"),
        (("1", "1"), {"frame": "inf"}, "line 3: frame must be a whole number from 0, got 'inf'"),
        (("1", "1"), {"frame": "6"}, "line 3: the movie has the frames 0 to 5, got 6"),
        (("1", "1"), {"centroid_y_px": "left"}, "line 3: centroid_y_px must be a number, got 'left'"),
        (("1", "1"), {"frame": "0", "label": "7"}, "line 3: a frame must have each track once, got 1 again in frame 0"),
        (("1", "1"), {"label": "85"}, "a frame must have each label once, got 85 again in frame 1"),
        (("2", "3"), {"parent": "99"}, "the parent of track 2 must have rows, got 99; set 0 for none"),
        (("2", "3"), {"parent": "7"}, "got parent 7 in frame 5 and track 2 from frame 3"),
        (("2", "3"), {"parent": "2"}, "got parent 2 in frame 5 and track 2 from frame 3"),
    ],
)
def test_a_wrong_edit_names_its_line(table, place, change, message):
    path = table(lambda row: row | change if (row["track"], row["frame"]) == place else row)
    with pytest.raises(DataError, match=message) as caught:
        read_tracks(path)
    assert str(caught.value).startswith(f"{path}, line ")


def test_a_table_that_a_spreadsheet_has_saved_is_read(table):
    path = table(lambda row: row)
    path.write_text("\ufeff" + path.read_text().replace("\n", "\r\n"), encoding="utf-8", newline="")
    np.testing.assert_array_equal(read_tracks(path).track, some_tracks().track)


@pytest.mark.parametrize(("delimiter", "decimal"), [(";", "."), (";", ","), ("\t", "."), ("\t", ",")])
def test_other_delimiters_and_decimal_commas_of_spreadsheets_are_read(table, delimiter, decimal):
    path = table(lambda row: row | {"centroid_y_px": "20.25"})
    path.write_text(path.read_text().replace(",", delimiter).replace(".", decimal), encoding="utf-8")
    found = read_tracks(path)
    np.testing.assert_array_equal(found.y, 20.25)
    np.testing.assert_array_equal(found.track, some_tracks().track)


def test_the_greatest_id_is_read(table):
    found = read_tracks(table(lambda row: row | {"track": str(MOST_ID)} if row["track"] == "7" else row))
    assert found.track.max() == MOST_ID


def test_the_line_of_a_label_is_found(table):
    path = table(lambda row: row)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    frame, label = (int(rows[4][rows[0].index(name)]) for name in ("frame", "label"))
    assert find_line(path, frame, label) == 5
    assert find_line(path, frame, 999) is None


def test_a_table_without_a_column_or_without_facts_is_rejected(table, tmp_path):
    path = table(lambda row: {name: value for name, value in row.items() if name != "label"})
    with pytest.raises(DataError, match="must have the column label, got none"):
        read_tracks(path)
    path.write_text("track,frame\n1\n")
    with pytest.raises(DataError, match="must have the column label"):
        read_tracks(path)
    with pytest.raises(DataError, match=r"nowhere.json: must be the tracks.json of a table of tracks"):
        read_tracks(path, tmp_path / "nowhere.json")
    (tmp_path / "tracks.json").write_text("[]")
    with pytest.raises(DataError, match=r"must be the tracks.json of a table of tracks"):
        read_tracks(path)
