"""Cross-validation: every image scored by a network that has not seen it, one nested run for each fold."""

import csv
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecell_monai.data.checks import check_samples
from livecell_monai.data.folder import list_samples
from livecell_monai.data.folds import Fold, make_folds, write_fold
from livecell_monai.data.identity import digest_of, hash_samples
from livecell_monai.data.writing import write_table
from livecell_monai.experiments.study_folder import ASIDE, open_folder, refuse_choosing, write_record
from livecell_monai.experiments.tracking import RunTracker
from livecell_monai.metrics.scores import NAMES, Scores, summarise_scores
from livecell_monai.workflow.tasks import evaluate, train

RECORD = "crossval.json"
COUNTS = ("tp", "fp", "fn", "tn")
#: what a fold must not choose by, for it is what the fold is scored on: the last epoch is kept, and none ends early
HELD = {"keep": "last", "split": "auto", "patience": 10**6}


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found.

    Attributes:
        rows: of `scores.csv`, one for each image: its fold, its name, its scores.
        summary: what the scores say of the set, and on how many images and cells they rest.
    """

    rows: list[dict[str, Any]]
    summary: dict[str, Any]


def cross_validate(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    folds: int = 0,
    group_pattern: str | None = None,
) -> CrossValidation:
    """Train and score each fold; those that an earlier call has finished in the same folder are taken over.

    Args:
        data: data folder or datalist; its test images are not looked at.
        output: folder for a bundle by fold, `scores.csv` and `crossval.json`; new, empty, or of the same call before.
        overlays: configs over those of training, as for `train`.
        settings: values over those of the configs, as for `train`; minutes and epochs are those of each fold.
        recipe: as for `train`.
        folds: number of folds; 0 for one by image or group below seven images, else 5.
        group_pattern: regular expression that gives an image's group from its name.

    Raises:
        LiveCellError: where the data or a setting breaks a rule, or the folder holds something else.
    """
    given = dict(settings or {})
    refuse_choosing(given, HELD, "a cross-validation")
    samples = list_samples(data, "train")
    cells = sum(finding.cells or 0 for finding in check_samples(samples, "train"))
    parts = make_folds(samples, folds, group_pattern, int(given.get("seed", 0)))
    hashes = hash_samples(samples)
    asked = {
        "data_sha256": digest_of(hashes),
        "folds": {fold.name: [sample.name for sample in fold.held] for fold in parts},
        "recipe": recipe,
        "overlays": [str(overlay) for overlay in overlays],
        "settings": {name: value for name, value in given.items() if name not in ASIDE},
    }
    names = ("tracking_uri", "experiment", "run_name")
    where = {key.removeprefix("tracking_"): given.get(key, "livecell" if key == "experiment" else "auto") for key in names}
    tracker = RunTracker(**where, enabled=bool(given.get("track", True)))
    tracker.check()
    root = Path(output)
    open_folder(root, RECORD, asked, "a cross-validation")
    fold_settings = {**given, **HELD, "run_name": "auto"}
    with tracker.start({"recipe": recipe, "number_of_folds": len(parts), **given}, hashes, Path(data).stem) as run:
        for fold in parts:
            _run_fold(fold, root, overlays, fold_settings, recipe, run.run_id or None)
        result = _collect(root, parts, cells)
        write_table(root / "scores.csv", result.rows)
        write_record(root / RECORD, {"asked": asked, "summary": result.summary})
        means = {f"crossval_{name}": result.summary[name]["mean"] for name in NAMES}
        run.log_scores(means, root, (RECORD, "scores.csv"))
    return result


def _run_fold(
    fold: Fold, root: Path, overlays: Sequence[str], settings: Mapping[str, Any], recipe: str, parent: str | None
) -> None:
    """Train and score a fold; its folder takes its name when both are done."""
    if (root / fold.name).is_dir():
        logging.getLogger(__name__).info("%s is there already", fold.name)
        return
    partial = root / f"{fold.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    datalist = write_fold(root / f"{fold.name}.json", fold)
    train(datalist, partial, overlays, settings, recipe, time.monotonic(), parent_run=parent)
    evaluate(partial, datalist, partial / "evaluation", {"show_progress": settings.get("show_progress", True)})
    partial.rename(root / fold.name)


def _collect(root: Path, folds: Sequence[Fold], cells: int) -> CrossValidation:
    rows: list[dict[str, Any]] = []
    for fold in folds:
        with open(root / fold.name / "evaluation" / "scores.csv", encoding="utf-8", newline="") as stream:
            rows += [{"fold": fold.name, **row} for row in csv.DictReader(stream)]
    scores = [Scores(*(int(row[name]) for name in COUNTS)) for row in rows]
    worst = min(zip(scores, rows, strict=True), key=lambda pair: pair[0].iou)[1]["image"]
    summary = {**summarise_scores(scores), "cells": cells, "folds": len(folds), "worst_image": worst}
    return CrossValidation(rows, summary)
