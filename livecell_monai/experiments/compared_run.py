"""One side of a comparison: a run in MLflow or a folder of results, with its settings, scores and data."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from livecell_monai.bundle.contents import read_bundle_settings, read_metadata
from livecell_monai.errors import DataError
from livecell_monai.experiments.locate import download
from livecell_monai.metrics import Scores, find_metric, list_cell_metrics, list_metrics, read_scores
from livecell_monai.metrics.counts import COLUMNS
from livecell_monai.runs.atomic import read_table
from livecell_monai.runs.ledger import STARTED_WITH, Ledger

TABLE = "scores.csv"
LOSS = "loss"
VALIDATED = ("iou", "accuracy", LOSS)  # metrics of every training's validation
TRAINING, CROSS_VALIDATION = "training", "cross-validation"
#: parameters that only studies log, in this order, and their kind; a training has none
SIGNS = {"draws": "learning curve", "number_of_folds": CROSS_VALIDATION, "objective": "sweep"}
NESTED = {"learning curve": "part", CROSS_VALIDATION: "fold", "sweep": "trial"}  #: kinds of runs under a study
RECORD, CURVE = "crossval.json", "learning_curve.json"  # as in `crossval` and `learning_curve`, which are slow to import

ImageScores = dict[str, Scores]


@dataclass(frozen=True)
class ComparedRun:
    """One run, or one folder of results, with its scores by metric; what is unknown is empty or None."""

    name: str
    status: str = ""
    id: str = ""
    kind: str = ""  #: training, cross-validation, learning curve, sweep, or fold, part or trial under one of them
    kept: Mapping[str, float] = field(default_factory=dict)  #: validation of the bundle's weights
    last: Mapping[str, float] = field(default_factory=dict)  #: validation after the last epoch, of one without a bundle
    crossval: Mapping[str, float] = field(default_factory=dict)  #: means over the images of a cross-validation
    images: ImageScores | None = field(default=None, repr=False)
    seconds: float | None = None
    data: str = ""  #: SHA-256 of the training data
    split: str = ""  #: by which it was validated, or `cross-validation`
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    nested: int = 0  #: number of runs under it
    parent: str = ""  #: id of the run above it

    @property
    def leaks(self) -> bool:
        """Whether its validation score is on training data."""
        return self.split in ("original", "none")

    @property
    def scored_on(self) -> str:
        """The images, and the part of each, that its scores are of; empty if unknown."""
        fraction = self.settings.get("validation_fraction")
        if fraction and self.split == "region":
            return f"region, {fraction} of each image"
        if fraction and self.split == "images":
            return f"images, {fraction} of them by seed {self.settings.get('seed', '')}"
        return self.split

    def score_images(self, metric: str) -> dict[str, float]:
        """A metric by image; empty unless it was measured on each."""
        values = {name: scores.get(metric) for name, scores in (self.images or {}).items()}
        return {} if None in values.values() else {name: float(value) for name, value in values.items() if value is not None}

    def score(self, metric: str) -> float | None:
        """The value that the run is ranked by: the mean over its images, else the logged one of its kept or last weights."""
        by_image = self.score_images(metric)
        if by_image:
            return fmean(by_image.values())
        return next((logged[metric] for logged in (self.crossval, self.kept, self.last) if metric in logged), None)


def list_comparable() -> tuple[str, ...]:
    """The names of the metrics that runs can be compared by."""
    return (*(metric.name for metric in list_metrics()), LOSS)


def list_validated() -> tuple[str, ...]:
    """The names of the metrics of a training's validation; those of cells may be missing."""
    return (*VALIDATED, *(metric.name for metric in list_cell_metrics()))


def read_run(run: Any) -> ComparedRun:
    """An MLflow run, without what must be requested for each run: `images`."""
    metrics, params, info = run.data.metrics, run.data.params, run.info
    kind = next((kind for name, kind in SIGNS.items() if name in params), TRAINING)
    return ComparedRun(
        name=info.run_name or info.run_id,
        status=info.status,
        id=info.run_id,
        kind=kind,
        kept=_select_finite(metrics, list_validated()) if kind == TRAINING else {},
        last=_select_finite(metrics, list_validated(), "val_"),
        crossval=_select_finite(metrics, list_comparable(), "crossval_"),
        seconds=(info.end_time - info.start_time) / 1000 if info.end_time else None,
        data=params.get("data_sha256", ""),
        split=CROSS_VALIDATION if kind == CROSS_VALIDATION else params.get("split_used", ""),
        settings=dict(params),
        parent=run.data.tags.get("mlflow.parentRunId", ""),
    )


def find_image_scores(client: Any, run: ComparedRun) -> ImageScores | None:
    """The scores by image among the files of an MLflow run: of a cross-validation, else of a training's validation."""
    for folder in ("", "bundle/docs"):
        path = f"{folder}/{TABLE}".lstrip("/")
        if any(entry.path == path for entry in client.list_artifacts(run.id, folder or None)):
            with tempfile.TemporaryDirectory() as into:
                table = download(client, run.name, run.id, path, into)
                return read_image_scores(table, f"run {run.name}, {path}")
    return None


def read_image_scores(path: Path, name: str = "") -> ImageScores:
    """The scores by image of a CSV table with the columns image, tp, fp, fn, tn and of metrics that were measured on masks.

    Raises a DataError if the file is no such table, or an image is in it twice; it is called `name`, or by its path.
    """
    name = name or str(path)
    found: ImageScores = {}
    for row in read_table(path, name):
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


def read_folder(folder: Path) -> ComparedRun:
    """The results in a folder: of a cross-validation, an evaluation, or a trained bundle."""
    if (folder / CURVE).is_file():
        raise DataError(
            f"{folder}: a folder to compare must score each image once, this learning curve scores it after each amount of "
            "data, see its curve.csv; name one of the folders in it"
        )
    if (folder / TABLE).is_file():
        images = read_image_scores(folder / TABLE)
        if not (folder / RECORD).is_file():
            return ComparedRun(str(folder), images=images, split="evaluation")
        remedy = "run it again in another folder, or leave it out of the comparison"
        started_with = Ledger(folder, "a cross-validation", remedy, RECORD).read()[STARTED_WITH]
        folds, given = (started_with.get(name) for name in ("folds", "settings"))
        settings = {"recipe": started_with.get("recipe"), "number_of_folds": len(folds) if isinstance(folds, dict) else None}
        settings |= given if isinstance(given, dict) else {}
        data = str(started_with.get("data_sha256", ""))
        return ComparedRun(str(folder), images=images, split=CROSS_VALIDATION, data=data, settings=_as_text(settings))
    if (folder / "configs" / "metadata.json").is_file():
        return _read_bundle(folder)
    raise DataError(
        f"{folder}: a folder to compare must hold {TABLE} or be a trained bundle, it is neither; name the output of "
        "livecell evaluate, crossval or train"
    )


def _read_bundle(folder: Path) -> ComparedRun:
    training = read_metadata(folder).get("training", {})
    facts = {"split_used": training.get("split"), "unlabelled_images": training.get("unlabelled_images")}
    settings = read_bundle_settings(folder) | {name: value for name, value in facts.items() if value is not None}
    validation = training.get("validation")
    table = folder / "docs" / TABLE
    epochs = read_history(folder / "docs" / "history.csv")
    return ComparedRun(
        name=str(folder),
        kept=_select_finite(validation, list_validated()) if isinstance(validation, Mapping) else {},
        last=_select_finite({name: values[-1] for name, values in epochs.items() if values}, list_validated()),
        images=read_image_scores(table) if table.is_file() else None,
        seconds=training.get("seconds"),
        data=str(training.get("data_sha256", "")),
        split=str(training.get("split", "")),
        settings=_as_text(settings),
    )


def read_history(path: Path) -> dict[str, list[float]]:
    """Each validation metric by epoch in `history.csv` of a bundle; empty without the file."""
    if not path.is_file():
        return {}
    try:
        rows = read_table(path)
        names = [name for name in list_validated() if name in VALIDATED or (rows and f"val_{name}" in rows[0])]
        return {name: [float(row[f"val_{name}"] or "nan") for row in rows] for name in names}
    except (DataError, ValueError, KeyError) as error:
        raise DataError(f"{path}: must be the table of a training's epochs, it is not; train the bundle again") from error


def is_higher_better(metric: str) -> bool:
    """Whether a higher value of a metric, or of the loss, is better."""
    found = find_metric(metric)
    return metric != LOSS if found is None else found.higher_is_better


def _as_text(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as MLflow has them."""
    return {name: str(value) for name, value in settings.items()}


def _select_finite(values: Mapping[str, Any], names: Sequence[str], prefix: str = "") -> dict[str, float]:
    """Metrics by their name without the prefix; missing and diverged ones are left out."""
    found = {name: values.get(prefix + name) for name in names}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float) and math.isfinite(value)}
