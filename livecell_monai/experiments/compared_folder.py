"""One side of a comparison: a folder that holds results, as the commands leave them."""

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livecell_monai.bundle.contents import read_bundle_settings
from livecell_monai.errors import DataError, LiveCellError
from livecell_monai.experiments.compared_run import CROSS_VALIDATION, LOSS, VALIDATED, ComparedRun
from livecell_monai.experiments.image_scores import TABLE, read_image_scores
from livecell_monai.runs.ledger import STARTED_WITH

METADATA = Path("configs") / "metadata.json"
EVALUATION = "evaluation"
RECORD = "crossval.json"  # that of `crossval`, which imports all that trains


def read_folder(folder: Path) -> ComparedRun:
    """The results in a folder: a cross-validation, an evaluation, or a trained bundle.

    Args:
        folder: with scores.csv, or a bundle; its name is that of the side.

    Raises:
        DataError: where it holds neither, or what it holds cannot be read.
    """
    if (folder / TABLE).is_file():
        images = read_image_scores(folder / TABLE)
        if not (folder / RECORD).is_file():
            return ComparedRun(str(folder), images=images, split=EVALUATION)
        started_with = _read_json(folder / RECORD, STARTED_WITH)
        folds, given = (started_with.get(name) for name in ("folds", "settings"))
        told = {"recipe": started_with.get("recipe"), "number_of_folds": len(folds) if isinstance(folds, dict) else None}
        told |= given if isinstance(given, dict) else {}
        settings = {name: str(value) for name, value in told.items()}
        data = str(started_with.get("data_sha256", ""))
        return ComparedRun(str(folder), images=images, split=CROSS_VALIDATION, data=data, settings=settings)
    if (folder / METADATA).is_file():
        return _read_bundle(folder)
    raise DataError(
        f"{folder}: a folder to compare must hold {TABLE} or be a trained bundle, it is neither; name what livecell "
        "evaluate, crossval or train left"
    )


def _read_bundle(folder: Path) -> ComparedRun:
    training = _read_json(folder / METADATA, "training")
    noted = {"split_used": training.get("split"), "unlabelled_images": training.get("unlabelled_images")}
    settings = {**_read_settings(folder), **{name: str(value) for name, value in noted.items() if value is not None}}
    table = folder / "docs" / TABLE
    last, best = _read_history(folder / "docs" / "history.csv")
    return ComparedRun(
        name=str(folder),
        kept=_numbers(training.get("validation", {})),
        last=last,
        best=best,
        images=read_image_scores(table) if table.is_file() else None,
        seconds=training.get("seconds"),
        data=str(training.get("data_sha256", "")),
        split=str(training.get("split", "")),
        settings=settings,
    )


def _read_settings(folder: Path) -> dict[str, str]:
    """The settings of a training, as text, as MLflow has them."""
    try:
        return {name: str(value) for name, value in read_bundle_settings(folder).items()}
    except LiveCellError as error:
        raise DataError(str(error)) from error


def _read_history(path: Path) -> tuple[dict[str, float], dict[str, float]]:
    """The validation metrics of the last epoch, and the best of each."""
    if not path.is_file():
        return {}, {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = [{name: float(row[f"val_{name}"] or "nan") for name in VALIDATED} for row in csv.DictReader(stream)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(f"{path}: must be the table of a training's epochs, it is not; train the bundle anew") from error
    finite = {name: [row[name] for row in rows if math.isfinite(row[name])] for name in VALIDATED}
    best = {name: (min if name == LOSS else max)(values) for name, values in finite.items() if values}
    return (_numbers(rows[-1]) if rows else {}), best


def _read_json(path: Path, key: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: must be JSON with the entry {key}, it is not; name another folder") from error
    return found


def _numbers(values: Any) -> dict[str, float]:
    found = {name: values.get(name) for name in VALIDATED} if isinstance(values, Mapping) else {}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float) and math.isfinite(value)}
