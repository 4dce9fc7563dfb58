"""Tables of any length in CSV or Parquet, written and read row by row; the ending of the file decides.

A row is a text by column, as CSV holds it, so that both formats hold the same values; a missing value is an empty text.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from livecell_monai.cells.columns import Column, Kind
from livecell_monai.errors import DataError
from livecell_monai.runs.atomic import atomic_path

Texts = Mapping[str, str]
PARQUET = ".parquet"
DIGITS = 6  #: significant, of a number
_LONGEST_HEADER = 2**20  # characters
_BATCH = 4096  # rows in memory, of Parquet
_PARSERS: dict[Kind, Callable[[str], Any]] = {
    "text": str,
    "integer": int,
    "number": float,
    "boolean": lambda text: text == "1",
}
_ARROW = {"text": "string", "integer": "int64", "number": "float64", "boolean": "bool_"}


def to_text(value: Any) -> str:
    """A value of a table as text: a float with six significant digits, NaN and None empty, a bool as 0 or 1."""
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return value if isinstance(value, str) else str(int(value))


def write_rows(path: Path, columns: Mapping[str, Column], rows: Iterable[Texts]) -> None:
    """Write a table atomically, also one without rows; a column that a row lacks is empty.

    Raises a DataError if it cannot be written.
    """
    with atomic_path(path) as temporary:
        if path.suffix == PARQUET:
            _write_parquet(temporary, columns, rows)
            return
        with open(temporary, "w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, list(columns), restval="")
            table.writeheader()
            table.writerows(rows)


def find_delimiter(path: Path) -> str:
    """What separates the columns of a table, by its header: a comma, or a semicolon or tab as spreadsheets may write it.

    Parquet has the comma. Raises a DataError if the table cannot be read.
    """
    if path.suffix == PARQUET:
        return ","
    with _reading_errors(path), open(path, encoding="utf-8-sig", newline="") as stream:
        header = stream.readline(_LONGEST_HEADER)
    return max(",;\t", key=header.count)


def read_names(path: Path) -> list[str]:
    """The names of the columns of a table; a DataError if it cannot be read."""
    with _reading_errors(path):
        if path.suffix == PARQUET:
            import pyarrow.parquet

            return list(pyarrow.parquet.read_schema(path).names)
        with open(path, encoding="utf-8-sig", newline="") as stream:
            return next(csv.reader(stream, delimiter=find_delimiter(path)), [])


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table; a DataError if it cannot be read."""
    with _reading_errors(path):
        if path.suffix == PARQUET:
            yield from _read_parquet(path)
            return
        with open(path, encoding="utf-8-sig", newline="") as stream:  # spreadsheets begin the file with a mark
            yield from csv.DictReader(stream, delimiter=find_delimiter(path))


@contextmanager
def _reading_errors(path: Path) -> Iterator[None]:
    """Turn the errors of a table that cannot be read into a DataError."""
    try:
        yield
    except (OSError, ValueError, csv.Error) as error:  # pyarrow's errors are ValueErrors
        what = "Parquet" if path.suffix == PARQUET else "CSV"
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: must be a table in {what}, got: {reason}; write it again") from error


def _write_parquet(path: Path, columns: Mapping[str, Column], rows: Iterable[Texts]) -> None:
    import pyarrow
    import pyarrow.parquet

    types = [(name, getattr(pyarrow, _ARROW[column.kind])()) for name, column in columns.items()]
    schema, left = pyarrow.schema(types), iter(rows)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while batch := list(islice(left, _BATCH)):
            values = {name: [_parse(row.get(name, ""), column.kind) for row in batch] for name, column in columns.items()}
            writer.write_table(pyarrow.table(values, schema))


def _read_parquet(path: Path) -> Iterator[dict[str, str]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH):
            for row in batch.to_pylist():
                yield {name: to_text(value) for name, value in row.items()}


def _parse(text: str, kind: Kind) -> Any:
    return _PARSERS[kind](text) if text else None
