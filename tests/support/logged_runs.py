"""Runs in MLflow as trainings and cross-validations leave them, without the training."""

from dataclasses import replace

from livecell_monai.metrics import Scores, tabulate_scores
from livecell_monai.metrics.cells import THRESHOLDS, CellCounts
from livecell_monai.runs.atomic import write_table

DATA = "0123456789abcdef" * 4


def some_scores(*ious, size=1000, foreground=100):
    """Scores by image (`a`, `b`, ...) of masks that miss cells and invent none, so that tp / foreground is the IoU."""
    found = [round(iou * foreground) for iou in ious]
    names = "abcdefghijklmnopqrstuvwxyz"
    return {name: Scores(tp, 0, foreground - tp, size - foreground) for name, tp in zip(names, found, strict=False)}


def with_cells(images, *found):
    """The scores by image with cells: ten true and ten predicted ones, of which so many are right; None: a binary label."""
    return {
        name: scores if right is None else replace(scores, cells=_count_cells(right))
        for (name, scores), right in zip(images.items(), found, strict=True)
    }


def _count_cells(right):
    wrong = 10 - right
    return CellCounts(10, 10, (right,) * len(THRESHOLDS), 0.8 * right, 0.8 * right, 80 * right, 1000, 0, 0, wrong, wrong)


def write_scores(path, images):
    """`scores.csv` with the columns that an evaluation writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, [tabulate_scores(name, scores) for name, scores in images.items()])
    return path


def log_run(
    client,
    experiment,
    name,
    status="FINISHED",
    kept=None,
    epochs=(),
    data=DATA,
    images=None,
    folder="",
    parent=None,
    **settings,
):
    """A run; `kept` are its scores, `epochs` rows of metrics, `images` its scores by image, noted under `folder`."""
    tags = {} if parent is None else {"mlflow.parentRunId": parent}
    run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    for key, value in {"version_torch": name, "computed_on": name, "data_sha256": data, **settings}.items():
        client.log_param(run, key, value)
    for epoch, row in enumerate(epochs, start=1):
        for key, value in row.items():
            client.log_metric(run, f"val_{key}", value, step=epoch)
    prefix = "crossval_" if "number_of_folds" in settings else ""
    for key, value in (kept or {}).items():
        client.log_metric(run, prefix + key, value)
    if images is not None:
        client.log_text(run, *_as_text(images, f"{folder}scores.csv"))
    if status != "RUNNING":
        client.set_terminated(run, status)
    return run


def _as_text(images, path):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as into:
        return write_scores(Path(into) / "scores.csv", images).read_text(), path
