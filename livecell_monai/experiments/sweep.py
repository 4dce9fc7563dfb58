"""A sweep: trials with other settings, each a nested run, until the study has as many as were asked for."""

import os
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock

from livecell_monai.data.dataset.folder import list_samples, name_data
from livecell_monai.data.dataset.identity import digest_of, hash_file, hash_samples
from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments.search_space import check_space
from livecell_monai.experiments.study import (
    FINISHED,
    join_study,
    measure_importance,
    open_storage,
    quiet_optuna,
    trials_by_state,
)
from livecell_monai.experiments.study_folder import LOCK, check_choosing, open_folder, write_record
from livecell_monai.experiments.tracked_run import TrackedRun
from livecell_monai.experiments.tracking import RunTracker
from livecell_monai.experiments.trials import HELD, Row, TrainingRequest, Trials, make_row
from livecell_monai.runs.atomic import write_table, writing_errors
from livecell_monai.settings import SETTINGS, select
from livecell_monai.training.planned import resolve_settings

RECORD, TABLE, BEST, DATABASE = "sweep.json", "sweep.csv", "best", "study.db"
SPLITS = ("auto", "images", "region")


@dataclass(frozen=True)
class Sweep:
    """What a sweep found.

    Attributes:
        rows: of `sweep.csv`, one for each trial, the best first and those that were pruned last.
        importance: share of each setting in what makes the trials differ; empty where too few of them tell.
        best: the bundle of the best trial; None where another machine has it.
    """

    rows: list[Row]
    importance: dict[str, float]
    best: Path | None


def sweep(
    question: TrainingRequest,
    output: str | Path,
    storage: str | None = None,
    name: str = "livecell",
    on_trial: Callable[[Row], None] = lambda row: None,
    on_wait: Callable[[int], None] = lambda trials: None,
) -> Sweep:
    """Train trials until the study has as many as were asked for, and keep the bundle of the best.

    Args:
        question: what is swept over.
        output: folder for a bundle by trial, `best`, `sweep.csv` and `sweep.json`; new, empty, or of the same sweep before.
        storage: URL of the database that holds the study, for several machines; None for SQLite in the folder.
        name: of the study.
        on_trial: called with the row of each trial that this process has finished.
        on_wait: called with the number of trials that others have begun, when there is nothing left but to wait for them.

    Raises:
        LiveCellError: where the data, a setting or the space breaks a rule, a store does not answer, or the folder or the
            study is of something else.
    """
    if question.trials < 1:
        raise SettingError(f"--trials must be 1 or more, got {question.trials}: an empty study tells nothing; correct it")
    given, root = {**question.settings, **HELD}, Path(output)
    check_choosing(question.settings, HELD, "a sweep")
    base = _find_base(question, given)
    hashes = hash_samples(list_samples(question.data, "train"))
    tracker = RunTracker.of(question.settings, root, f"-{platform.node()}-{os.getpid()}")
    tracker.check()
    asked = _describe(question, name, digest_of(hashes))
    with quiet_optuna():
        elsewhere = None if storage is None else open_storage(storage)
        open_folder(root, RECORD, asked, "a sweep")
        database = elsewhere or open_storage(f"sqlite:///{root.resolve() / DATABASE}")
        study, parent = join_study(database, name, asked, question.space.usual(base))
        searched = {f"space_{key}": entry for key, entry in asked["space"].items()}
        start = {"recipe": question.recipe, **question.settings, **searched}
        with tracker.start(start, hashes, name_data(question.data), parent) as run:
            if parent is None:
                study.set_user_attr("parent_run", run.run_id)
            Trials(question, root, study, base, run, on_trial).run(on_wait)
            return _conclude(study, root, asked, int(base["seed"]), run)


def _describe(question: TrainingRequest, name: str, digest: str) -> dict[str, Any]:
    """What makes this sweep another than the next, as JSON holds it; where it runs does not."""
    return {
        "data_sha256": digest,
        "recipe": question.recipe,
        # by content where it is a file: it may be edited between two calls
        "overlays": [hash_file(it) if Path(it).is_file() else str(it) for it in question.overlays],
        "settings": {
            name: value for name, value in select(question.settings, "recorded").items() if not SETTINGS[name].local
        },
        "space": question.space.describe(),
        "study": name,
    }


def _find_base(question: TrainingRequest, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting as a trial has it where the space says nothing; the ends of the space are tried on it."""
    base = resolve_settings(question.data, question.overlays, given, question.recipe)
    if base["split"] not in SPLITS:
        raise SettingError(
            f"setting split must be one of {', '.join(SPLITS)} in a sweep, got {base['split']!r}: trials would be compared "
            "by what they were trained on; give --set split=region"
        )
    check_space(question.space, base, question.settings)
    return base


def _conclude(study: optuna.Study, root: Path, asked: Mapping[str, Any], seed: int, run: TrackedRun) -> Sweep:
    """Table, importance and best bundle of all trials that are finished, whoever trained them."""
    rows = [make_row(trial) for trial in trials_by_state(study, *FINISHED)]
    rows.sort(key=lambda row: (row["state"] != "complete", -(row["val_iou"] or 0.0)))
    if not rows or rows[0]["state"] != "complete":
        raise SettingError(f"study {study.study_name}: must have a trial that came to its end, has none; raise --trials")
    importance = measure_importance(study, seed)
    with FileLock(root / LOCK):
        write_table(root / TABLE, rows)
        write_record(root / RECORD, {"asked": asked, "trials": rows, "importance": importance})
        best = _keep_best(root, str(rows[0]["bundle"]))
    scores = {f"importance_{name}": share for name, share in importance.items()}
    run.log_scores({"sweep_best_iou": rows[0]["val_iou"], **scores}, (RECORD, TABLE))
    return Sweep(rows, importance, best)


def _keep_best(root: Path, bundle: str) -> Path | None:
    """A copy of the best trial's bundle under a name that stays; none where another machine has it."""
    host, _, path = bundle.partition(":")
    target, partial = root / BEST, root / f"{BEST}.partial"
    if host != platform.node() or not Path(path).is_dir():
        shutil.rmtree(target, ignore_errors=True)
        return None
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with writing_errors(target):
            shutil.copytree(path, partial)
    except DataError:
        shutil.rmtree(partial, ignore_errors=True)  # the best so far stays
        raise
    shutil.rmtree(target, ignore_errors=True)
    return partial.rename(target)
