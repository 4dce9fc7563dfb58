"""Scores by image in `scores.csv` of an evaluation, a cross-validation or a training's validation."""

import csv
from collections.abc import Mapping
from pathlib import Path

from livecell_monai.errors import DataError
from livecell_monai.metrics import Scores, list_metrics, read_scores
from livecell_monai.metrics.counts import COLUMNS

TABLE = "scores.csv"
ImageScores = dict[str, Scores]


def read_image_scores(path: Path, name: str = "") -> ImageScores:
    """The scores by image of a CSV table, in its order.

    Args:
        path: a file with the columns image, tp, fp, fn and tn, and those of metrics that were measured on masks.
        name: of the table in errors; its path if empty.

    Raises:
        DataError: the file is no such table, or an image is in it twice.
    """
    name = name or str(path)
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name}: must be a CSV table of scores, got: {reason}; write it again") from error
    found: ImageScores = {}
    for row in rows:
        scores = _read_row(row, name)
        if row["image"] in found:
            raise DataError(f"{name}: each image must have one row, {row['image']} has two; write it again")
        found[row["image"]] = scores
    if not found:
        raise DataError(f"{name}: a table of scores must have a row for each image, found none; write it again")
    return found


def _read_row(row: Mapping[str, str | None], name: str) -> Scores:
    missing = [column for column in ("image", *COLUMNS) if not row.get(column)]
    if missing:
        raise DataError(
            f"{name}: a table of scores must have image, {', '.join(COLUMNS)} for each image, {', '.join(missing)} is "
            "missing; write it again by livecell evaluate"
        )
    try:
        scores = read_scores(row)
    except ValueError as error:
        raise DataError(f"{name}: {row['image']} must have whole numbers of pixels, got: {error}; write it again") from error
    counts = [getattr(scores, column) for column in COLUMNS]
    measured = [(metric, value) for metric in list_metrics() if (value := scores.measured.get(metric.name)) is not None]
    if min(counts) < 0 or not sum(counts) or not all(metric.least <= value <= metric.most for metric, value in measured):
        values = ", ".join(f"{column} {row.get(column)}" for column in (*COLUMNS, *scores.measured))
        raise DataError(f"{name}: {row['image']} must have possible scores, got {values}; write it again")
    return scores
