"""Runs side by side: their settings, their scores, and their differences on the same images."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from livecell_monai.errors import SettingError
from livecell_monai.experiments.compared_run import (
    CROSS_VALIDATION,
    NESTED,
    TRAINING,
    ComparedRun,
    find_image_scores,
    is_higher_better,
    list_comparable,
    read_folder,
    read_run,
)
from livecell_monai.experiments.locate import find_run, open_store_for
from livecell_monai.experiments.mismatch import find_common, find_mismatches
from livecell_monai.experiments.store import choose_uri, open_store, quiet_mlflow, store_errors
from livecell_monai.metrics import PairedDifference, list_cell_metrics, measure_mean, measure_paired_difference

#: starts of the names of parameters that are no settings of the method
UNINTERESTING = ("version_", "computed_on", "data_sha256", "show_progress", "track", "experiment", "run_name")
LOGGED_BY_TRAININGS = "split_used"
PAGE = 1000  # runs in one answer of MLflow


@dataclass(frozen=True)
class ComparedScore:
    """One score of runs, in their order; an entry is None where a run has no such score by image."""

    metric: str
    means: Sequence[float | None]  #: over images
    intervals: Sequence[tuple[float, float] | None]  #: 95 % interval over images of the mean
    differences: Sequence[PairedDifference | None]  #: to the reference, on the same images


@dataclass(frozen=True)
class Comparison:
    """Runs and their differences; `intervals` and `differences` have one entry for each run."""

    runs: Sequence[ComparedRun]  #: best first by `metric`; those without it last
    metric: str
    first: ComparedRun | None  #: the reference; None for a list of all runs
    intervals: Sequence[tuple[float, float] | None]  #: 95 % interval over images of the mean of the metric
    differences: Sequence[PairedDifference | None]  #: to the reference, on the same images
    differing: Sequence[str]  #: the settings in which the runs differ, sorted
    warnings: Sequence[str]  #: why some scores cannot be compared, a line each
    cells: Sequence[ComparedScore] = ()  #: each score of cells that a run has
    hidden: int = 0  #: number of studies and runs under them that a list leaves out


def list_runs(
    uri: str = "auto", experiment: str = "livecell", limit: int = 20, metric: str = "iou", is_all: bool = False
) -> Comparison:
    """The best trainings of an experiment by a metric; `is_all` lists studies and the runs under them, too.

    Raises a SettingError if the store cannot be reached or has no such experiment, or no run has the metric.
    """
    _check_metric(metric)
    uri = choose_uri(uri)
    client = open_store(uri, create=False)
    with quiet_mlflow(), store_errors(uri):
        found = client.get_experiment_by_name(experiment)
        if found is None:
            names = ", ".join(entry.name for entry in client.search_experiments()) or "none"
            raise SettingError(f"--experiment must be one of the store's ({names}), got {experiment!r}; correct it")
        runs = [read_run(run) for run in _search_all(client, found.experiment_id)]
    kinds, children = {run.id: run.kind for run in runs}, Counter(run.parent for run in runs)
    runs = [replace(run, kind=_find_kind(run, kinds), nested=children[run.id]) for run in runs]
    # each fold is scored on images of its own
    runs = [replace(run, split=f"fold {run.name}") if run.kind == NESTED[CROSS_VALIDATION] else run for run in runs]
    shown = [run for run in runs if is_all or run.kind == TRAINING]
    if all(run.score(metric) is None for run in shown) and any(run.kept or run.last or run.crossval for run in shown):
        raise SettingError(f"--metric must be one that a run has, none of {experiment} has {metric}; choose another")
    ranked = _rank(_add_ids(shown), metric)[:limit]
    scored = [run for run in ranked if run.score(metric) is not None]
    nothing = [None] * len(ranked)
    hidden = len(runs) - len(shown)
    return Comparison(ranked, metric, None, nothing, nothing, find_differences(ranked), find_mismatches(scored), (), hidden)


def compare_runs(names: Sequence[str], uri: str = "auto", metric: str = "iou") -> Comparison:
    """Runs by their id, name or folder (with scores.csv, or a bundle), each with its difference to the first one.

    Raises a LiveCellError if a run does not exist, has not ended or lacks the metric, or the store does not answer.
    """
    _check_metric(metric)
    runs = _add_ids(_read_all(names, uri))
    without = next((run for run in runs if run.score(metric) is None), None)
    if without is not None:
        has = ", ".join(name for name in list_comparable() if without.score(name) is not None) or "none"
        raise SettingError(
            f"run {without.name}: must have the metric {metric}, it has: {has}; choose by --metric, or leave it out"
        )
    first, ranked = runs[0], _rank(runs, metric)
    notes: list[str] = []
    differences = [None if run is first else _pair(first, run, metric, notes) for run in ranked]
    intervals = [_find_interval(run, metric) for run in ranked]
    cells = _compare_cells(ranked, first)
    mismatches = [*find_mismatches(runs), *dict.fromkeys(notes), *_note_without_cells(ranked, cells)]
    return Comparison(ranked, metric, first, intervals, differences, find_differences(ranked), mismatches, cells)


def find_differences(runs: Sequence[ComparedRun]) -> list[str]:
    """The settings in which the runs differ, sorted; trainings log every setting, studies only the given ones."""
    known = [run.settings for run in runs if run.settings]
    trainings = [settings for settings in known if LOGGED_BY_TRAININGS in settings]
    studies = [settings for settings in known if LOGGED_BY_TRAININGS not in settings]

    def differs(name: str) -> bool:
        within = any(len({settings.get(name, "") for settings in kind}) > 1 for kind in (trainings, studies))
        return within or len({settings[name] for settings in known if name in settings}) > 1

    # `split` may be auto, `split_used` is what was chosen
    names = {name for settings in known for name in settings if not name.startswith(UNINTERESTING) and name != "split"}
    return sorted(filter(differs, names))


def _check_metric(metric: str) -> None:
    if metric not in list_comparable():
        raise SettingError(f"--metric must be one of {', '.join(list_comparable())}, got {metric!r}; correct it")


def _read_all(names: Sequence[str], uri: str) -> list[ComparedRun]:
    client: Any = None
    runs: list[ComparedRun] = []
    for name in names:
        if os.path.isdir(name):  # False for a name that is too long, where Path raises
            run = read_folder(Path(name))
        else:
            client = client or open_store_for(name, uri)
            with quiet_mlflow(), store_errors(choose_uri(uri)):
                found = find_run(client, name)
                _check_ended(found)
                run = read_run(found)
                run = replace(run, images=find_image_scores(client, run))
        if any((other.id or other.name) == (run.id or run.name) for other in runs):
            raise SettingError(f"run {name}: each run must be named once, it is named twice; leave one out")
        runs.append(run)
    return runs


def _check_ended(run: Any) -> None:
    name, run_id = run.info.run_name, run.info.run_id
    if run.info.status in ("RUNNING", "SCHEDULED"):
        raise SettingError(
            f"run {name}: must have ended, it is {run.info.status}; wait for it, or if its process is dead end it in "
            f"Python: mlflow.MlflowClient().set_terminated('{run_id}', 'KILLED')"
        )
    if run.info.lifecycle_stage != "active":
        raise SettingError(f"run {name}: must not be deleted, it is; restore it: mlflow runs restore --run-id {run_id}")


def _find_kind(run: ComparedRun, kinds: Mapping[str, str]) -> str:
    """The kind of a run, by the kinds of all runs by id; one whose study was deleted counts as a training."""
    return NESTED.get(kinds[run.parent], "part") if run.parent in kinds else run.kind


def _search_all(client: Any, experiment_id: str) -> Iterator[Any]:
    token: str | None = ""
    while token is not None:
        page = client.search_runs([experiment_id], max_results=PAGE, page_token=token or None)
        yield from page
        token = page.token or None


def _rank(runs: Sequence[ComparedRun], metric: str) -> list[ComparedRun]:
    sign = -1 if is_higher_better(metric) else 1
    return sorted(runs, key=lambda run: (run.score(metric) is None, sign * (run.score(metric) or 0.0)))


def _add_ids(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """Append the start of their ids to the names of runs of the same name."""
    counts = Counter(run.name for run in runs)
    return [replace(run, name=f"{run.name} ({run.id[:8]})") if counts[run.name] > 1 and run.id else run for run in runs]


def _pair(first: ComparedRun, other: ComparedRun, metric: str, notes: list[str]) -> PairedDifference | None:
    """The difference on the images that both have scored; adds notes about it."""
    before, after = first.score_images(metric), other.score_images(metric)
    if not (before and after):
        notes.append(f"no difference to {first.name}: {other.name if before else first.name} has no {metric} by image")
        return None
    same, changed = find_common(first, other)
    if changed:
        images = ", ".join(changed[:5])
        notes.append(f"left out of the difference of {other.name} to {first.name}, the labels differ: {images}")
    if not same:
        notes.append(f"no difference of {other.name} to {first.name}: no image in common")
        return None
    if first.data and other.data and first.data != other.data:
        notes.append(f"{other.name} and {first.name} are paired by the names of images, though the data differ")
    found = measure_paired_difference(np.array([before[name] for name in same]), np.array([after[name] for name in same]))
    return found if is_higher_better(metric) else replace(found, better=found.worse, worse=found.better)


def _compare_cells(runs: Sequence[ComparedRun], first: ComparedRun) -> list[ComparedScore]:
    """The scores of cells that a run has by image."""
    found = []
    for metric in list_cell_metrics():
        by_image = [run.score_images(metric.name) for run in runs]
        if not any(by_image):
            continue
        means = [fmean(values.values()) if values else None for values in by_image]
        intervals = [_find_interval(run, metric.name) for run in runs]
        differences = [None if run is first else _pair(first, run, metric.name, []) for run in runs]
        found.append(ComparedScore(metric.name, means, intervals, differences))
    return found


def _note_without_cells(runs: Sequence[ComparedRun], cells: Sequence[ComparedScore]) -> list[str]:
    """A line that names the runs without scores of cells, if others have them."""
    without = [run.name for run, mean in zip(runs, cells[0].means, strict=True) if mean is None] if cells else []
    if not without:
        return []
    return [f"no scores of cells, because some labels are binary or cells were not scored: {', '.join(without)}"]


def _find_interval(run: ComparedRun, metric: str) -> tuple[float, float] | None:
    values = list(run.score_images(metric).values())
    interval = measure_mean(values)[1] if values else None
    return None if interval is None else (interval[0], interval[1])
