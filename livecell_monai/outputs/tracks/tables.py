"""`tracks.csv` and `lineages.csv`, and `tracks.json`: what their columns are and what else was known of the movie."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai import __version__
from livecell_monai.cells.columns import Column
from livecell_monai.cells.measure import Columns
from livecell_monai.outputs.table_file import Texts, to_text, write_rows
from livecell_monai.runs.atomic import write_file
from livecell_monai.tracks.columns import LINEAGE_COLUMNS, list_cell_columns
from livecell_monai.tracks.lineages import describe_cells
from livecell_monai.tracks.tracks import Tracks

CELLS, LINEAGES, FACTS = "tracks.csv", "lineages.csv", "tracks.json"
OF_MOVIE = ("name", "frames", "shape", "interval_min", "pixel_size_um", "missing")  #: facts of a movie, by field of `Tracks`
_BLOCK = 4096  # rows that are text at once


def write_tables(
    folder: Path, tracks: Tracks, lineages: Columns, source: Mapping[str, str | int | None], exported: Sequence[str] = ()
) -> None:
    """Write the three files, each atomically; a DataError if one cannot be written.

    Args:
        folder: where they are written.
        tracks: the movie.
        lineages: the columns of `describe_lineages`.
        source: where its label images (`labels`) and grey images (`images`) are, None for no path; of the latter `channel`
            and `z`.
        exported: names of the files for other programs beside them.
    """
    columns = list_cell_columns(tracks.channels)
    write_rows(folder / CELLS, columns, _to_rows(describe_cells(tracks), columns))
    write_rows(folder / LINEAGES, LINEAGE_COLUMNS, _to_rows(lineages, LINEAGE_COLUMNS))
    facts = _describe_movie(tracks) | {"source": dict(source), "exported": list(exported)}
    write_file(folder / FACTS, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def list_exported(folder: Path) -> list[str]:
    """The files for other programs that the last run into a folder has written, by its `tracks.json`; none without one."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        listed = json.loads((folder / FACTS).read_text(encoding="utf-8"))["exported"]
        return [name for name in listed if isinstance(name, str) and Path(name).name == name]
    return []


def _to_rows(table: Columns, columns: Mapping[str, Column]) -> Iterator[Texts]:
    names, count = list(columns), len(table["track"])
    for start in range(0, count, _BLOCK):
        block = [table[name][start : start + _BLOCK].tolist() for name in names]
        for values in zip(*block, strict=True):
            yield {name: to_text(value) for name, value in zip(names, values, strict=True)}


def _describe_movie(tracks: Tracks) -> dict[str, Any]:
    described = {
        name: [{key: value for key, value in asdict(column).items() if value} for column in columns.values()]
        for name, columns in ((CELLS, list_cell_columns(tracks.channels)), (LINEAGES, LINEAGE_COLUMNS))
    }
    return {
        "livecell_monai": __version__,
        **{name: getattr(tracks, name) for name in OF_MOVIE},
        "drift_px": np.round(tracks.drift, 3).tolist(),
        "joined": tracks.joined.tolist(),
        "limits": [asdict(limit) for limit in tracks.limits],
        "tables": described,
    }
