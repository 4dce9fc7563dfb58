"""Scores by image as `scores.csv` holds them: of an evaluation, of a cross-validation, of a training's validation."""

import csv
from collections.abc import Mapping
from pathlib import Path

from livecell_monai.errors import DataError
from livecell_monai.metrics import Scores, list_metrics, read_scores
from livecell_monai.metrics.counts import COLUMNS

TABLE = "scores.csv"
ImageScores = dict[str, Scores]


def read_image_scores(path: Path, name: str = "") -> ImageScores:
    """The scores by image of a table, in its order.

    Scores that follow from counts of pixels are computed from them; columns that are neither counts nor metrics are ignored.

    Args:
        path: a CSV file with the columns image, tp, fp, fn and tn, and those of metrics that were measured on masks.
        name: what an error calls the table; its path where it is empty.

    Raises:
        DataError: where the file is no such table or an image stands in it twice.
    """
    called = name or str(path)
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{called}: must be a table of scores in CSV, got: {reason}; write it anew") from error
    found: ImageScores = {}
    for row in rows:
        scores = _read_row(row, called)
        if row["image"] in found:
            raise DataError(f"{called}: an image must stand in it once, {row['image']} stands twice; write it anew")
        found[row["image"]] = scores
    if not found:
        raise DataError(f"{called}: a table of scores must have a row for each image, found none; write it anew")
    return found


def _read_row(row: Mapping[str, str | None], called: str) -> Scores:
    missing = [column for column in ("image", *COLUMNS) if not row.get(column)]
    if missing:
        raise DataError(
            f"{called}: a table of scores must have image, {', '.join(COLUMNS)} for each image, {', '.join(missing)} is not "
            "there; write it anew by livecell evaluate"
        )
    try:
        scores = read_scores(row)
    except ValueError as error:
        raise DataError(
            f"{called}: {row['image']} must have pixels in whole numbers, got: {error}; write it anew"
        ) from error
    counts = [getattr(scores, column) for column in COLUMNS]
    measured = [(metric, value) for metric in list_metrics() if (value := scores.measured.get(metric.name)) is not None]
    if min(counts) < 0 or not sum(counts) or not all(metric.least <= value <= metric.most for metric, value in measured):
        values = ", ".join(f"{column} {row.get(column)}" for column in (*COLUMNS, *scores.measured))
        raise DataError(f"{called}: {row['image']} must have scores that can be, got {values}; write it anew")
    return scores
