"""One side of a comparison: a run in MLflow with what it was set to, what it scored and on what."""

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from livecell_monai.errors import SettingError
from livecell_monai.experiments.image_scores import TABLE, ImageScores, read_image_scores
from livecell_monai.experiments.store import without_bars
from livecell_monai.metrics import list_metrics

LOSS = "loss"
VALIDATED = ("iou", "accuracy", LOSS)  # what a training notes of its validation
PARENT = "mlflow.parentRunId"
CROSS_VALIDATION = "cross-validation"
LEAKING = ("original", "none")
UNFINISHED = ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class ComparedRun:
    """One run, or one folder of results, as a comparison shows it.

    Attributes:
        name: the run's name, or the folder as it was given.
        status: FINISHED, FAILED, KILLED, SCHEDULED or RUNNING; empty for a folder.
        id: of the run in MLflow; empty for a folder.
        kept: validation scores of the weights that were kept, by metric: iou, accuracy, loss.
        last: those of the last epoch.
        best: the best value of each over the epochs, which may be of three epochs; empty where it was not looked for.
        crossval: means over the images of a cross-validation, by metric.
        images: scores by image; None where there are none, or where they were not looked for.
        seconds: how long it took, None where that is not known.
        data: SHA-256 of the data it was trained on, empty where it is not known.
        split: the split that it was validated by, `cross-validation`, or empty where it is not known.
        settings: its settings, as text.
        nested: number of runs under it.
        parent: id of the run that it lies under; empty for none.
    """

    name: str
    status: str = ""
    id: str = ""
    kept: Mapping[str, float] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float] = field(default_factory=dict)
    crossval: Mapping[str, float] = field(default_factory=dict)
    images: ImageScores | None = field(default=None, repr=False)
    seconds: float | None = None
    data: str = ""
    split: str = ""
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    nested: int = 0
    parent: str = ""

    @property
    def leaks(self) -> bool:
        """Whether its validation score is of what it was trained on."""
        return self.split in LEAKING

    @property
    def scored_on(self) -> str:
        """The images and the parts of them that its scores are of, as far as its settings tell; empty for unknown."""
        share = self.settings.get("validation_fraction", "")
        more = {"region": f", {share} of each image", "images": f", {share} of them by seed {self.settings.get('seed', '')}"}
        return self.split + (more.get(self.split, "") if share else "")

    def score_images(self, metric: str) -> dict[str, float]:
        """A metric by image; empty where it was not measured on each."""
        values = {name: scores.get(metric) for name, scores in (self.images or {}).items()}
        return {} if None in values.values() else {name: float(value) for name, value in values.items() if value is not None}

    def score(self, metric: str) -> float | None:
        """What the run is ranked by: the mean over its images, or what it noted of its kept weights or its last epoch."""
        by_image = self.score_images(metric)
        if by_image:
            return fmean(by_image.values())
        return next((noted[metric] for noted in (self.crossval, self.kept, self.last) if metric in noted), None)


def list_comparable() -> tuple[str, ...]:
    """The names of the metrics that runs can be compared by."""
    return (*(metric.name for metric in list_metrics()), LOSS)


def read_run(run: Any, nested: int = 0) -> ComparedRun:
    """A run as MLflow's list of runs tells of it.

    Args:
        run: of MLflow.
        nested: number of runs under it.
    """
    params, info = run.data.params, run.info
    return ComparedRun(
        name=info.run_name or info.run_id,
        status=info.status,
        id=info.run_id,
        kept=_noted(run.data.metrics, "best_val_", VALIDATED),
        last=_noted(run.data.metrics, "val_", VALIDATED),
        crossval=_noted(run.data.metrics, "crossval_", list_comparable()),
        seconds=(info.end_time - info.start_time) / 1000 if info.end_time else None,
        data=params.get("data_sha256", ""),
        split=CROSS_VALIDATION if "number_of_folds" in params else params.get("split_used", ""),
        settings=dict(params),
        nested=nested,
        parent=run.data.tags.get(PARENT, ""),
    )


def find_best(client: Any, run_id: str) -> dict[str, float]:
    """The best value of each validation metric over the epochs: the least loss, the highest of the others."""
    found = {}
    for metric in VALIDATED:
        values = [entry.value for entry in client.get_metric_history(run_id, f"val_{metric}") if math.isfinite(entry.value)]
        if values:
            found[metric] = min(values) if metric == LOSS else max(values)
    return found


def find_image_scores(client: Any, run: ComparedRun) -> ImageScores | None:
    """The scores by image among the files of a run: of a cross-validation, else of a training's validation.

    Raises:
        LiveCellError: where the table cannot be had or is none.
    """
    from mlflow.exceptions import MlflowException

    for folder in ("", "bundle/docs/"):
        if any(entry.path == folder + TABLE for entry in client.list_artifacts(run.id, folder.rstrip("/") or None)):
            with tempfile.TemporaryDirectory() as into, without_bars():
                try:
                    table = Path(client.download_artifacts(run.id, folder + TABLE, into))
                except (MlflowException, OSError) as error:
                    reason = " ".join(str(error).split())[:200]
                    raise SettingError(
                        f"run {run.name}: its {folder}{TABLE} must be readable, it is not: {reason}; name another run"
                    ) from error
                return read_image_scores(table, f"run {run.name}, {folder}{TABLE}")
    return None


def check_unfinished(run: Any) -> None:
    """Refuse a run that may still change, or that was deleted.

    Args:
        run: of MLflow.

    Raises:
        SettingError: where it runs or is deleted.
    """
    name, run_id = run.info.run_name, run.info.run_id
    if run.info.status in UNFINISHED:
        raise SettingError(
            f"run {name}: must have ended, it is {run.info.status}; wait for it, or where its process is gone end it in "
            f"Python: mlflow.MlflowClient().set_terminated('{run_id}', 'KILLED')"
        )
    if run.info.lifecycle_stage != "active":
        raise SettingError(f"run {name}: must not be deleted, it is; restore it: mlflow runs restore --run-id {run_id}")


def _noted(metrics: Mapping[str, float], prefix: str, names: tuple[str, ...]) -> dict[str, float]:
    """Metrics by their name without the prefix; those that diverged are none."""
    return {name: metrics[prefix + name] for name in names if math.isfinite(metrics.get(prefix + name, math.nan))}
