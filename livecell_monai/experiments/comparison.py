"""Runs side by side: what they were set to, what they scored, and by how much on the same images."""

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.errors import SettingError
from livecell_monai.experiments.compared_folder import read_folder
from livecell_monai.experiments.compared_run import (
    CROSS_VALIDATION,
    LOSS,
    ComparedRun,
    check_unfinished,
    find_best,
    find_image_scores,
    list_comparable,
    read_run,
)
from livecell_monai.experiments.locate import find_run
from livecell_monai.experiments.mismatch import find_common, find_mismatches
from livecell_monai.experiments.store import choose_uri, open_store
from livecell_monai.metrics import PairedDifference, find_metric, measure_paired_difference, summarise_scores

UNINTERESTING = (
    "version_",
    "computed_on",
    "data_sha256",
    "show_progress",
    "track",
    "experiment",
    "run_name",
)  # how they begin
NOTED_BY_TRAININGS = "split_used"
PAGE = 1000  # runs that MLflow is asked for at once


@dataclass(frozen=True)
class Comparison:
    """Runs with what was found between them.

    Attributes:
        runs: best first by the metric; those without it last.
        metric: what they are ranked and paired by.
        first: the run that the others are set against; None for a list of all runs.
        intervals: the 95 % interval over images of each run's mean of the metric, None where there is none; as `runs`.
        differences: of each run to the first on the same images, None where there is none; as `runs`.
        differing: the settings in which the runs differ, sorted.
        warnings: why some scores are not to be set against each other, a line each.
    """

    runs: Sequence[ComparedRun]
    metric: str
    first: ComparedRun | None
    intervals: Sequence[tuple[float, float] | None]
    differences: Sequence[PairedDifference | None]
    differing: Sequence[str]
    warnings: Sequence[str]


def list_runs(
    uri: str = "auto", experiment: str = "livecell", limit: int = 20, metric: str = "iou", nested: bool = False
) -> Comparison:
    """The runs of an experiment, best first; those without a score come last.

    Args:
        uri: tracking URI, as for `choose_uri`.
        experiment: its name.
        limit: greatest number of runs.
        metric: what they are ranked by, one of `list_comparable()`.
        nested: whether runs under another one, such as folds, are listed too; else their number stands beside it.

    Raises:
        SettingError: where the store cannot be reached or has no such experiment, or no run has the metric.
    """
    _check_unknown(metric)
    uri = choose_uri(uri)
    client = open_store(uri, create=False)
    with _answering(uri):
        found = client.get_experiment_by_name(experiment)
        if found is None:
            names = ", ".join(entry.name for entry in client.search_experiments()) or "none"
            raise SettingError(f"--experiment must be one of the store's ({names}), got {experiment!r}; correct it")
        runs = [read_run(run) for run in _search_all(client, found.experiment_id)]
    under = Counter(run.parent for run in runs)
    ids, whole = {run.id for run in runs}, {run.id for run in runs if run.split == CROSS_VALIDATION}
    # each fold is scored on images of its own, whatever its settings say
    runs = [
        replace(run, nested=under[run.id], split="fold " + run.name if run.parent in whole else run.split) for run in runs
    ]
    # a run whose parent is gone would otherwise be seen nowhere
    shown = [run for run in runs if nested or run.parent not in ids]
    if all(run.score(metric) is None for run in shown) and any(run.kept or run.last or run.crossval for run in shown):
        raise SettingError(f"--metric must be one that a run has, none of {experiment} has {metric}; choose another")
    ranked = _rank(_tell_apart(shown), metric)[:limit]
    scored = [run for run in ranked if run.score(metric) is not None]
    nothing = [None] * len(ranked)
    return Comparison(ranked, metric, None, nothing, nothing, find_differences(ranked), find_mismatches(scored))


def compare_runs(names: Sequence[str], uri: str = "auto", metric: str = "iou") -> Comparison:
    """Some runs side by side, the others set against the first one on the images that both have scored.

    Args:
        names: ids or names of runs, folders that hold scores.csv, or trained bundles.
        uri: tracking URI, as for `choose_uri`; not asked where all are folders.
        metric: what they are ranked and paired by, one of `list_comparable()`.

    Raises:
        LiveCellError: where there is no such run, it has not ended or has no such metric, or the store does not answer.
    """
    _check_unknown(metric)
    runs = _tell_apart(_read_all(names, uri))
    without = next((run for run in runs if run.score(metric) is None), None)
    if without is not None:
        has = ", ".join(name for name in list_comparable() if without.score(name) is not None) or "none"
        raise SettingError(
            f"run {without.name}: must have the metric {metric}, it has: {has}; choose by --metric, or leave it"
        )
    first, ranked = runs[0], _rank(runs, metric)
    differences, notes = [], []
    for run in ranked:
        difference, said = (None, []) if run is first else _pair(first, run, metric)
        differences.append(difference)
        notes += said
    intervals = [_find_interval(run, metric) for run in ranked]
    mismatches = [*find_mismatches(runs), *dict.fromkeys(notes)]
    return Comparison(ranked, metric, first, intervals, differences, find_differences(ranked), mismatches)


def find_differences(runs: Sequence[ComparedRun]) -> list[str]:
    """The settings in which the runs differ, sorted.

    A training notes every setting, so that one which it lacks differs; a cross-validation notes what it was given alone, and
    is set against trainings by that.
    """
    told = [run.settings for run in runs if run.settings]
    kinds = [[settings for settings in told if (NOTED_BY_TRAININGS in settings) is is_whole] for is_whole in (True, False)]

    def differs(name: str) -> bool:
        within = any(len({settings.get(name, "") for settings in kind}) > 1 for kind in kinds)
        return within or len({settings[name] for settings in told if name in settings}) > 1

    # `split` may be auto: `split_used` says what came of it
    names = {name for settings in told for name in settings if not name.startswith(UNINTERESTING) and name != "split"}
    return sorted(filter(differs, names))


def _check_unknown(metric: str) -> None:
    if metric not in list_comparable():
        raise SettingError(f"--metric must be one of {', '.join(list_comparable())}, got {metric!r}; correct it")


def _read_all(names: Sequence[str], uri: str) -> list[ComparedRun]:
    opened: Any = None
    runs: list[ComparedRun] = []
    for name in names:
        if os.path.isdir(name):  # a name too long for a path is none, where Path would raise
            run = read_folder(Path(name))
        else:
            opened = opened or _open(name, uri)
            with _answering(choose_uri(uri)):
                run = _read_one(opened, name)
        if any((other.id or other.name) == (run.id or run.name) for other in runs):
            raise SettingError(f"run {name}: each run must be named once, it is named twice; leave one out")
        runs.append(run)
    return runs


def _open(name: str, uri: str) -> Any:
    try:
        return open_store(choose_uri(uri), create=False)
    except SettingError as error:
        raise SettingError(f"run {name}: there is no such folder, and no such run: {error}") from error


def _read_one(client: Any, name: str) -> ComparedRun:
    found = find_run(client, name)
    check_unfinished(found)
    run = read_run(found)
    return replace(run, best=find_best(client, run.id), images=find_image_scores(client, run))


def _search_all(client: Any, experiment_id: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def _answering(uri: str) -> Iterator[None]:
    """A store that stops to answer in between is one that cannot be reached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, ConnectionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SettingError(f"--uri must be a store that answers, got {uri!r}: {reason}; start or correct it") from error


def _rank(runs: Sequence[ComparedRun], metric: str) -> list[ComparedRun]:
    def place(run: ComparedRun) -> tuple[bool, float]:
        score = run.score(metric)
        return score is None, 0.0 if score is None else -score if _is_higher_better(metric) else score

    return sorted(runs, key=place)


def _is_higher_better(metric: str) -> bool:
    found = find_metric(metric)
    return metric != LOSS if found is None else found.higher_is_better


def _tell_apart(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """The runs, those of one name with the start of their id behind it."""
    often = Counter(run.name for run in runs)
    return [replace(run, name=f"{run.name} ({run.id[:8]})") if often[run.name] > 1 and run.id else run for run in runs]


def _pair(first: ComparedRun, other: ComparedRun, metric: str) -> tuple[PairedDifference | None, list[str]]:
    """The difference on the images that both have scored, and what is to be said of them."""
    before, after = first.score_images(metric), other.score_images(metric)
    if not (before and after):
        return None, [f"no difference to {first.name}: {other.name if before else first.name} has no {metric} by image"]
    same, changed = find_common(first, other)
    said = []
    if changed:
        said.append(
            f"left out of the difference of {other.name} to {first.name}, the truth is another: {', '.join(changed[:5])}"
        )
    if not same:
        return None, [*said, f"no difference of {other.name} to {first.name}: no image in common"]
    if first.data and other.data and first.data != other.data:
        said.append(f"{other.name} and {first.name} are paired by the names of images, though the data differ")
    found = measure_paired_difference(np.array([before[name] for name in same]), np.array([after[name] for name in same]))
    return found if _is_higher_better(metric) else replace(found, better=found.worse, worse=found.better), said


def _find_interval(run: ComparedRun, metric: str) -> tuple[float, float] | None:
    if not run.score_images(metric):
        return None
    low_high = summarise_scores(list((run.images or {}).values()))[metric]["interval_95"]
    return None if low_high is None else (low_high[0], low_high[1])
