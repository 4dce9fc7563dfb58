"""Reads `tracks.csv` back into tracks, also after it was edited: tracks split, joined, deleted, or given another parent."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.errors import DataError
from livecell_monai.outputs.table_file import find_delimiter, read_rows
from livecell_monai.outputs.tracks.tables import FACTS
from livecell_monai.tracks.columns import OF_CHANNEL
from livecell_monai.tracks.tracks import Limit, Tracks

# column by field of `Tracks`, and the type
_FIELDS = {
    "track": ("track", np.int64),
    "frame": ("frame", np.int64),
    "label": ("label", np.int64),
    "y": ("centroid_y_px", np.float64),
    "x": ("centroid_x_px", np.float64),
    "area": ("area_px", np.float64),
    "intensity": ("intensity_mean", np.float64),
    "touches_border": ("touches_border", np.bool_),
    "confidence": ("confidence", np.float64),
}
_MAY_BE_EMPTY = ("intensity", "confidence")
_REMEDY = "correct it"
_LEAST = {"track": 1, "parent": 0, "frame": 0, "label": 1}  # of the columns of whole numbers
_MOST = 2**53  # whole number that a float holds exactly
MOST_ID = 2**32 - 1  #: greatest id of a track: the label images have 32 bits


def read_tracks(path: Path, facts: Path | None = None) -> Tracks:
    """The tracks of a table as `tables.write_tables` writes it, also an edited one; rows in any order.

    Read are `track`, `parent`, `frame`, `label`, the centroid in px, `area_px`, `intensity_mean` and those of channels,
    `touches_border` and `confidence`; all other columns follow from these. The parent of a track is that of its first frame;
    the others may differ. A link made by hand, to a cell that had none before, has confidence 1.

    Args:
        path: the table.
        facts: what else is known of the movie; None for `tracks.json` beside the table.

    Raises a DataError that names the line if a value is missing or no number, a track or a label comes twice in a frame, or
    a parent does not exist or does not end before its child begins.
    """
    facts = facts or path.with_name(FACTS)
    known = _read_facts(facts)
    rows = _read_rows(path)
    values: dict[str, Any] = {}
    for name, (column, dtype) in _FIELDS.items():
        numbers = [_to_number(path, line, row, column, name) for line, row in enumerate(rows, start=2)]
        values[name] = np.array(numbers, np.float64).astype(dtype)
    names = [name for name in rows[0] if name.startswith(OF_CHANNEL)] if rows else []
    for name in names:
        values[name] = np.array([_to_number(path, line, row, name, "intensity") for line, row in enumerate(rows, start=2)])
    parent = np.array([_to_number(path, line, row, "parent", "parent") for line, row in enumerate(rows, start=2)], np.int64)
    lines = np.arange(2, len(rows) + 2)
    order = np.lexsort((values["frame"], values["track"]))
    values, parent = {name: column[order] for name, column in values.items()}, parent[order]
    _check_entries(path, values, known["frames"], lines[order])
    is_first = np.diff(values["track"], prepend=0) != 0
    by_hand = ~is_first & np.isnan(values["confidence"])
    values["confidence"] = np.where(is_first, np.nan, np.where(by_hand, 1.0, values["confidence"]))
    first = np.flatnonzero(is_first)
    channels = {name.removeprefix(OF_CHANNEL): values.pop(name) for name in names}
    parents = {int(values["track"][at]): int(parent[at]) for at in first if parent[at]}
    tracks = Tracks(**values, parents=parents, channels=channels, **known)
    _check_parents(path, tracks, lines[order])
    return tracks


def _read_facts(path: Path) -> dict[str, Any]:
    """The fields of `Tracks` that the table does not hold."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        size = found["pixel_size_um"]
        return {
            "name": str(found["name"]),
            "frames": int(found["frames"]),
            "shape": (int(found["shape"][0]), int(found["shape"][1])),
            "interval_min": None if found["interval_min"] is None else float(found["interval_min"]),
            "pixel_size_um": None if size is None else (float(size[0]), float(size[1])),
            "missing": tuple(map(int, found["missing"])),
            "drift": np.array(found["drift_px"], np.float64).reshape(int(found["frames"]), 2),
            "joined": np.array(found.get("joined", []), np.int64).reshape(-1, 3),
            "limits": tuple(Limit(**limit) for limit in found["limits"]),
        }
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(
            f"{path}: must be the {FACTS} of a table of tracks, got {reason}; copy it from that folder"
        ) from error


def find_line(path: Path, frame: int, label: int) -> int | None:
    """The line of a table that `read_tracks` accepts, from 1, with a label in a frame; None if it has none."""
    for line, row in enumerate(_read_rows(path), start=2):
        if all(_to_number(path, line, row, name, name) == value for name, value in (("frame", frame), ("label", label))):
            return line
    return None


def _read_rows(path: Path) -> list[dict[str, str]]:
    """The rows with all columns that are needed; between semicolons or tabs, spreadsheets may write decimal commas."""
    has_commas = find_delimiter(path) in (";", "\t")
    rows = list(read_rows(path))
    of_channels = [name for name in rows[0] if name.startswith(OF_CHANNEL)] if rows else []
    needed = [*(column for column, _ in _FIELDS.values()), "parent", *of_channels]
    if rows and (missing := [column for column in needed if column not in rows[0]]):
        raise DataError(
            f"{path}: a table of tracks must have the column {missing[0]}, got none; save a copy of tracks.csv with commas"
        )
    if has_commas:
        rows = [{name: (row[name] or "").replace(",", ".") for name in needed} for row in rows]
    return rows


def _to_number(path: Path, line: int, row: dict[str, str], column: str, name: str) -> float:
    text = (row[column] or "").strip()
    if not text and name in _MAY_BE_EMPTY:
        return np.nan
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if name in _LEAST:
        is_id = name in ("track", "parent")
        least, most = _LEAST[name], MOST_ID if is_id else _MOST
        if not (least <= number <= most and number.is_integer()):
            span = f"from {least} to {most}" if is_id else f"from {least}"
            raise DataError(f"{path}, line {line}: {column} must be a whole number {span}, got {text!r}; {_REMEDY}")
    elif not np.isfinite(number):
        raise DataError(f"{path}, line {line}: {column} must be a number, got {text!r}; {_REMEDY}")
    elif name == "confidence" and not 0 <= number <= 1:
        raise DataError(f"{path}, line {line}: {column} must be a number from 0 to 1, got {text!r}; {_REMEDY}")
    return number


def _check_entries(path: Path, values: dict[str, Any], frames: int, lines: Any) -> None:
    """Raise a DataError if a frame is outside of the movie, or a track or a label comes twice in one frame."""
    if late := np.flatnonzero(values["frame"] >= frames).tolist():
        at = late[0]
        raise DataError(
            f"{path}, line {lines[at]}: the movie has the frames 0 to {frames - 1}, got {values['frame'][at]}; {_REMEDY}"
        )
    for name in ("track", "label"):
        order = np.lexsort((lines, values[name], values["frame"]))
        same = (np.diff(values["frame"][order]) == 0) & (np.diff(values[name][order]) == 0)
        if twice := order[1:][same].tolist():
            at = twice[0]
            raise DataError(
                f"{path}, line {lines[at]}: a frame must have each {name} once, got {values[name][at]} again in frame "
                f"{values['frame'][at]}; {_REMEDY}"
            )


def _check_parents(path: Path, tracks: Tracks, lines: Any) -> None:
    """Raise a DataError if a parent is not there or does not end before its child begins."""
    spans = dict(tracks.spans())
    for child, parent in tracks.parents.items():
        line = lines[spans[child].start]
        if parent not in spans:
            raise DataError(f"{path}, line {line}: the parent of track {child} must have rows, got {parent}; set 0 for none")
        ended, born = tracks.frame[spans[parent].stop - 1], tracks.frame[spans[child].start]
        if ended >= born:
            raise DataError(
                f"{path}, line {line}: a parent must end before its child begins, got parent {parent} in frame {ended} and "
                f"track {child} from frame {born}; {_REMEDY}, or split the parent"
            )
