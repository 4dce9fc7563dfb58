"""Cross-validation: each image is scored by a network that was not trained on it, one nested run for each fold."""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.bundle.contents import read_metadata
from livecell_monai.bundle.ensemble import join_bundles, note_study
from livecell_monai.data.dataset.folder import name_data
from livecell_monai.data.dataset.folds import AUTO_FOLDS, FoldOptions
from livecell_monai.data.dataset.identity import digest_of
from livecell_monai.experiments.compared_run import read_history
from livecell_monai.experiments.cost import describe_cost
from livecell_monai.experiments.parts import HELD, FoldStudy, StudyRequest, read_rows, run_part, train_part
from livecell_monai.experiments.store import HEADLINE
from livecell_monai.experiments.tracking import TrackedRun
from livecell_monai.metrics import POOLED, note_unscored_cells, read_scores, summarise_scores
from livecell_monai.plan import write_plan
from livecell_monai.runs.atomic import write_table
from livecell_monai.settings import list_settings
from livecell_monai.training.setup import plan

RECORD = "crossval.json"
SCORES = "scores.csv"
SHARED = "shared.yaml"  #: overlay with the settings of inference that the folds of an ensemble share
REFIT = "refit.yaml"  #: overlay with the settings of the folds that a plan for the shorter time of the refit would change


@dataclass(frozen=True)
class CrossValidation:
    """The rows of `scores.csv`, the summary of the scores, and the requested bundles by name."""

    rows: list[dict[str, Any]]
    summary: dict[str, Any]
    bundles: dict[str, Path]


def cross_validate(
    request: StudyRequest,
    output: str | Path,
    folds: FoldOptions = AUTO_FOLDS,
    describe: Callable[[str, str, Mapping[str, Any]], str] | None = None,
    bundles: Collection[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> CrossValidation:
    """Train and score each fold; those that an earlier call has finished in the same folder are kept.

    Args:
        request: the data and the trainings.
        output: folder for a bundle by fold, `scores.csv` and `crossval.json`; new, empty, or of the same study.
        folds: how images are divided.
        describe: returns Markdown, by the names of a bundle and of the data, and the summary: the card of `ensemble`, or a
            section for that of `refit`.
        bundles: `ensemble` for a bundle that averages the folds' probabilities; scale, percentiles and depth are then
            planned once, from all images. `refit` for a training on all images, for the number of epochs whose mean
            validation IoU over the folds is best.
        tell: called with what the study will cost, before the first training.

    Raises a LiveCellError if the data or a setting is invalid, or the folder holds something else.
    """
    study = FoldStudy(request, output, folds)
    request, root, data = study.request, study.root, name_data(request.data)
    paths = {name: root / name for name in ("ensemble", "refit") if name in bundles}
    with study.open(RECORD, "a cross-validation", {"shared_plan": "ensemble" in paths}, {}) as (ledger, run):
        tell(describe_cost(len(study.folds) + ("refit" in paths), study.resolved))
        if "ensemble" in paths:
            request = _share_plan(request, root)
        for fold in study.folds:
            run_part(fold, root, request, run)
        result = _collect(study, paths)
        write_table(root / SCORES, result.rows)
        ledger.update(summary=result.summary)
        run.log_scores(_metrics(result.summary), (RECORD, SCORES))
        facts = {"data": data, "data_sha256": digest_of(study.hashes), "crossval": result.summary}
        for name, path in paths.items():
            if path.is_dir():
                continue
            text = describe(name, data, result.summary) if describe else ""
            if name == "ensemble":
                join_bundles([root / fold.name for fold in study.folds], path, facts, text)
            else:
                _refit(study, request, run, result.summary, text)
    return result


def choose_epochs(histories: Sequence[Sequence[float]]) -> int:
    """The number of epochs with the best mean, the first of equals, of each fold's validation IoU after each epoch."""
    shortest = min(len(history) for history in histories)
    means = np.mean([history[:shortest] for history in histories], axis=0)
    return int(np.argmax(means)) + 1


def _keep_plan(request: StudyRequest, settings: Mapping[str, Any], file: Path) -> StudyRequest:
    """The request with shorter trainings by `settings`, which keep what is planned for its whole time, as lowest overlay."""
    short = replace(request, settings=settings)
    if request.recipe != "planned":
        return short
    lengths = ("minutes", "epochs")
    whole = {name: value for name, value in settings.items() if name not in lengths}
    whole |= {name: request.settings[name] for name in lengths if name in request.settings}
    choices, head = plan(request.data, request.overlays, whole)
    others = {name: choice.value for name, choice in plan(request.data, request.overlays, settings)[0].items()}
    changed = {name: choice for name, choice in choices.items() if name != "epochs" and choice.value != others.get(name)}
    if not changed:
        return short
    write_plan(file, changed, head)
    return replace(short, overlays=[str(file), *request.overlays])


def _share_plan(request: StudyRequest, root: Path) -> StudyRequest:
    """The request with the settings of inference planned once, as its lowest overlay."""
    if request.recipe != "planned":
        return request
    names = list_settings(["inference"])
    # without a split all images are measured, and no strip of them has to be kept back
    choices, head = plan(request.data, request.overlays, {**request.settings, **HELD, "split": "none"})
    file = root / SHARED
    write_plan(file, {name: choice for name, choice in choices.items() if name in names}, head)
    return replace(request, overlays=[str(file), *request.overlays])


def _collect(study: FoldStudy, bundles: dict[str, Path]) -> CrossValidation:
    rows = read_rows(study.root, study.folds)
    scores = [read_scores(row) for row in rows]
    groups = [row["group"] for row in rows]
    worst = min(zip(scores, rows, strict=True), key=lambda pair: pair[0].iou)[1]["image"]
    evaluated = (study.root / study.folds[0].name / "evaluation" / "scores.json").read_text(encoding="utf-8")
    counts = [finding.cells for finding in study.findings if finding.cells is not None]
    summary = summarise_scores(scores, groups=groups) | {
        "groups": len(set(groups)),
        "cells": sum(counts) if len(counts) == len(study.findings) else None,
        "folds": len(study.folds),
        "worst_image": worst,
        "surface_tolerance_px": json.loads(evaluated)["surface_tolerance_px"],
    }
    return CrossValidation(rows, summary | note_unscored_cells(scores), bundles)


def _metrics(summary: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of the run: means over images and values over all pixels."""
    means = {f"crossval_{name}": part["mean"] for name, part in summary.items() if isinstance(part, dict)}
    pooled = {name: value for name, value in summary.items() if name.startswith(POOLED) and isinstance(value, float)}
    return {HEADLINE: means["crossval_iou"], **means, **{f"crossval_{name}": value for name, value in pooled.items()}}


def _refit(study: FoldStudy, request: StudyRequest, run: TrackedRun, summary: Mapping[str, Any], section: str) -> None:
    """Train on all images for the best number of epochs."""
    histories = [read_history(study.root / fold.name / "docs" / "history.csv")["iou"] for fold in study.folds]
    epochs, planned = choose_epochs(histories), len(histories[0])
    logging.getLogger(__name__).info("refit: %d of %d epochs", epochs, planned)
    settings = {**request.settings, **HELD, "split": "none", "epochs": epochs}
    if minutes := study.resolved["minutes"]:  # which an overlay may set, too
        settings["minutes"] = minutes * epochs / planned
    partial = train_part(_keep_plan(request, settings, study.root / REFIT), study.root, "refit", run)
    if "refit_epochs" not in read_metadata(partial)["training"]:
        note_study(partial, {"crossval": summary, "refit_epochs": [epochs, planned]}, section)
    partial.rename(study.root / "refit")
