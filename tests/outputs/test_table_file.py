"""Tables in CSV and Parquet."""

import numpy as np
import pyarrow.parquet
import pytest

from livecell_monai.cells.columns import find_columns
from livecell_monai.errors import DataError
from livecell_monai.outputs.table_file import find_delimiter, read_names, read_rows, to_text, write_rows

COLUMNS = find_columns(["image", "frame", "cell", "touches_border", "area_um2"])
ROWS = [
    {"image": "a, b", "frame": "", "cell": "1", "touches_border": "1", "area_um2": "1.5"},
    {"image": "é", "cell": "70000", "touches_border": "0", "area_um2": "1e-05"},
]
FULL = [{**dict.fromkeys(COLUMNS, ""), **row} for row in ROWS]
FORMATS = pytest.mark.parametrize("form", ["csv", "parquet"])


@FORMATS
def test_what_is_written_is_read(tmp_path, form):
    path = tmp_path / f"table.{form}"
    write_rows(path, COLUMNS, iter(ROWS))
    assert read_names(path) == list(COLUMNS)
    assert list(read_rows(path)) == FULL
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@FORMATS
def test_a_table_without_rows_has_its_columns(tmp_path, form):
    path = tmp_path / f"table.{form}"
    write_rows(path, COLUMNS, [])
    assert read_names(path) == list(COLUMNS)
    assert list(read_rows(path)) == []


@FORMATS
def test_more_rows_than_are_in_memory_at_once(tmp_path, form):
    path = tmp_path / f"table.{form}"
    write_rows(path, find_columns(["cell"]), ({"cell": str(number)} for number in range(10_000)))
    assert [row["cell"] for row in read_rows(path)] == list(map(str, range(10_000)))


def test_parquet_keeps_the_types_and_the_values_of_csv(tmp_path):
    write_rows(tmp_path / "table.parquet", COLUMNS, ROWS)
    table = pyarrow.parquet.read_table(tmp_path / "table.parquet")
    assert [str(each) for each in table.schema.types] == ["string", "int64", "int64", "bool", "double"]
    assert table.to_pylist()[1] == {"image": "é", "frame": None, "cell": 70000, "touches_border": False, "area_um2": 1e-5}


@FORMATS
def test_a_table_that_is_none(tmp_path, form):
    path = tmp_path / f"table.{form}"
    path.write_bytes(b"\xff\xfe\x00\x81")
    for read in (read_names, lambda path: list(read_rows(path))):
        with pytest.raises(DataError, match=rf"table\.{form}: must be a table in .*, got: .*; write it again"):
            read(path)


@FORMATS
def test_a_failed_write_leaves_the_table_before(tmp_path, form):
    path = tmp_path / f"table.{form}"
    write_rows(path, COLUMNS, ROWS)

    def rows():
        yield ROWS[0]
        raise KeyError("no more")

    with pytest.raises(KeyError):
        write_rows(path, COLUMNS, rows())
    assert list(read_rows(path)) == FULL
    with pytest.raises(DataError, match="cannot be written"):
        write_rows(tmp_path / "missing" / path.name, COLUMNS, ROWS)


def test_values_as_text():
    values = [None, np.nan, 1 / 3, 1e7, 12, True, False, "a", 0.0]
    assert list(map(to_text, values)) == ["", "", "0.333333", "1e+07", "12", "1", "0", "a", "0"]


def test_the_header_tells_the_delimiter(tmp_path):
    path = tmp_path / "table.csv"
    for text, expected in (
        ("a,b;c,d\n1;2;3;4,5\n", ","),
        ("a;b;c\n1,5;2,5;3,5\n", ";"),
        ("a\tb\n", "\t"),
        ("a\n", ","),
        ("", ","),
    ):
        path.write_text(text)
        assert find_delimiter(path) == expected
    path.write_text("a;b\n1;2\n")
    assert read_names(path) == ["a", "b"]
    assert list(read_rows(path)) == [{"a": "1", "b": "2"}]
    assert find_delimiter(tmp_path / "none.parquet") == ","
