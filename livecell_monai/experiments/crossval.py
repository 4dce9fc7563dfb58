"""Cross-validation: every image scored by a network that has not seen it, one nested run for each fold."""

import csv
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.bundle.ensemble import join_bundles, note_study
from livecell_monai.data.dataset.findings import Finding, check_samples
from livecell_monai.data.dataset.folder import list_samples, name_data
from livecell_monai.data.dataset.folds import AUTO_FOLDS, Fold, FoldOptions, check_unique_names, make_folds
from livecell_monai.data.dataset.identity import digest_of, hash_samples
from livecell_monai.experiments.parts import HELD, Training, read_rows, run_part, train_part
from livecell_monai.experiments.study_folder import open_study
from livecell_monai.experiments.tracked_run import TrackedRun
from livecell_monai.experiments.tracking import RunTracker
from livecell_monai.metrics import POOLED, read_scores, summarise_scores
from livecell_monai.plan import write_plan
from livecell_monai.runs.atomic import write_table
from livecell_monai.settings import list_settings
from livecell_monai.training.setup import plan

RECORD = "crossval.json"
SCORES = "scores.csv"


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found.

    Attributes:
        data: name of the data.
        rows: of `scores.csv`, one for each image: its fold, its name, its scores.
        summary: what the scores say of the set, and on how many images, cells and folds they rest.
        bundles: those that were requested beyond the folds' own, `ensemble` and `refit`, by name.
    """

    data: str
    rows: list[dict[str, Any]]
    summary: dict[str, Any]
    bundles: dict[str, Path]


Describe = Callable[[str, CrossValidation], str]


def cross_validate(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    folds: FoldOptions = AUTO_FOLDS,
    describe: Describe | None = None,
    bundles: Collection[str] = (),
) -> CrossValidation:
    """Train and score each fold; those that an earlier call has finished in the same folder are kept.

    Args:
        data: data folder or datalist; its test images are not looked at.
        output: folder for a bundle by fold, `scores.csv` and `crossval.json`; new, empty, or of the same call before.
        overlays: configs over those of training, as for `train`.
        settings: values over those of the configs, as for `train`; minutes and epochs are those of each fold.
        recipe: as for `train`.
        folds: how images are divided.
        describe: gives the card of `ensemble` and what is added to that of `refit`, Markdown, by what was found.
        bundles: `ensemble` for a bundle that averages the folds' probabilities; scale, percentiles and depth are then
            planned once, from all images. `refit` for a training on everything, for the number of epochs whose mean
            validation IoU over the folds is best.

    Raises:
        LiveCellError: where the data or a setting breaks a rule, or the folder holds something else.
    """
    training = Training(overlays, dict(settings or {}), recipe)
    resolved = training.check(data)
    samples = list_samples(data, "train")
    cells = _count_cells(check_samples(samples, "train"))
    ensemble, refit = "ensemble" in bundles, "refit" in bundles
    parts = make_folds(samples, folds.count, folds.group_pattern, int(resolved["seed"]))
    check_unique_names(samples)
    hashes = hash_samples(samples)
    held = {fold.name: [sample.name for sample in fold.held_out] for fold in parts}
    must_match = {"data_sha256": digest_of(hashes), "folds": held, "shared_plan": ensemble, **training.must_match()}
    tracker = RunTracker.of(resolved, output)
    tracker.check()
    root = Path(output)
    noted = {"recipe": recipe, "number_of_folds": len(parts), **training.settings}
    with (
        open_study(root, RECORD, "a cross-validation", must_match) as ledger,
        tracker.start(noted, hashes, name_data(data), ledger.read().get("run_id")) as run,
    ):
        ledger.update(run_id=run.run_id)
        if ensemble:
            training = _share_plan(data, root, training)
        for fold in parts:
            run_part(fold, root, training, run)
        result = _collect(name_data(data), root, parts, cells, ensemble, refit)
        write_table(root / SCORES, result.rows)
        ledger.update(run_id=run.run_id, summary=result.summary)
        run.log_scores(_metrics(result.summary), (RECORD, SCORES))
        if ensemble and not (root / "ensemble").is_dir():
            card = describe("ensemble", result) if describe else ""
            join_bundles([root / fold.name for fold in parts], root / "ensemble", _facts(result, digest_of(hashes)), card)
        if refit:
            section = describe("refit", result) if describe else ""
            _refit(data, root, parts, training, run, _facts(result, digest_of(hashes)), section)
    return result


def _count_cells(findings: Sequence[Finding]) -> int | None:
    """Cells of all images; None where a label does not tell them apart."""
    counts = [finding.cells for finding in findings if finding.cells is not None]
    return sum(counts) if len(counts) == len(findings) else None


def _share_plan(data: str | Path, root: Path, training: Training) -> Training:
    """The training with what prediction hangs on planned once, as the lowest of its overlays."""
    if training.recipe != "planned":
        return training
    names = list_settings(["inference"])
    choices, head = plan(data, training.overlays, training.settings)
    file = root / "shared.yaml"
    write_plan(file, {name: choice for name, choice in choices.items() if name in names}, head)
    return Training([str(file), *training.overlays], training.settings, training.recipe)


def _collect(
    name: str, root: Path, folds: Sequence[Fold], cells: int | None, ensemble: bool, refit: bool
) -> CrossValidation:
    rows = read_rows(root, folds)
    scores = [read_scores(row) for row in rows]
    worst = min(zip(scores, rows, strict=True), key=lambda pair: pair[0].iou)[1]["image"]
    evaluated = (root / folds[0].name / "evaluation" / "scores.json").read_text(encoding="utf-8")
    tolerance = json.loads(evaluated)["surface_tolerance_px"]
    groups = len({row["group"] for row in rows})
    found = summarise_scores(scores, groups=[row["group"] for row in rows])
    rests_on = {"groups": groups, "cells": cells, "folds": len(folds), "worst_image": worst}
    summary = {**found, **rests_on, "surface_tolerance_px": tolerance}
    wanted = {"ensemble": ensemble, "refit": refit}
    return CrossValidation(name, rows, summary, {kind: root / kind for kind, is_wanted in wanted.items() if is_wanted})


def _metrics(summary: Mapping[str, Any]) -> dict[str, float]:
    """What the run says of the cross-validation: means over images, by metric."""
    means = {f"crossval_{name}": part["mean"] for name, part in summary.items() if isinstance(part, dict)}
    pooled = {name: value for name, value in summary.items() if name.startswith(POOLED) and isinstance(value, float)}
    return {**means, **{f"crossval_{name}": value for name, value in pooled.items()}}


def _facts(result: CrossValidation, digest: str) -> dict[str, Any]:
    """What a bundle's metadata say of the cross-validation that it comes from."""
    return {"data": result.data, "data_sha256": digest, "crossval": result.summary}


def choose_epochs(histories: Sequence[Sequence[float]]) -> int:
    """The number of epochs whose mean validation IoU over the folds is best, the first of equals.

    Args:
        histories: by fold, the validation IoU after each epoch.
    """
    shortest = min(len(history) for history in histories)
    means = np.mean([history[:shortest] for history in histories], axis=0)
    return int(np.argmax(means)) + 1


def _refit(
    data: str | Path,
    root: Path,
    folds: Sequence[Fold],
    training: Training,
    run: TrackedRun,
    facts: Mapping[str, Any],
    section: str,
) -> None:
    """Train on everything for as long as the folds say."""
    if (root / "refit").is_dir():
        return
    histories = [_read_history(root / fold.name) for fold in folds]
    epochs, of = choose_epochs(histories), len(histories[0])
    logging.getLogger(__name__).info("refit: %d of %d epochs", epochs, of)
    settings = {**training.settings, **HELD, "split": "none", "epochs": epochs}
    if minutes := settings.get("minutes"):
        settings["minutes"] = minutes * epochs / of
    partial = train_part(data, root, "refit", training, settings, run)
    note_study(partial, {"crossval": facts["crossval"], "refit_epochs": [epochs, of]}, section)
    partial.rename(root / "refit")


def _read_history(bundle: Path) -> list[float]:
    with open(bundle / "docs" / "history.csv", encoding="utf-8", newline="") as stream:
        return [float(row["val_iou"]) for row in csv.DictReader(stream)]
