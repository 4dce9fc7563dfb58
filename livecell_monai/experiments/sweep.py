"""A sweep: trials with different settings, each a nested run, until the study has the requested number."""

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from livecell_monai.data.dataset.folder import list_samples, name_data
from livecell_monai.data.dataset.identity import digest_of, hash_samples
from livecell_monai.data.dataset.items import partition
from livecell_monai.errors import SettingError
from livecell_monai.experiments.cost import describe_cost
from livecell_monai.experiments.objective import Objective, find_objective
from livecell_monai.experiments.outbox import set_aside
from livecell_monai.experiments.parts import StudyRequest, check_choosing, open_study
from livecell_monai.experiments.search_space import HELD, Entry, Space, check_space, to_settings
from livecell_monai.experiments.study import (
    FINISHED,
    Row,
    build_pruner,
    build_sampler,
    join_study,
    keep_bundle,
    make_row,
    measure_importance,
    open_storage,
    quiet_optuna,
)
from livecell_monai.experiments.tracking import PARTIAL, PrunedError, RunTracker, TrackedRun
from livecell_monai.runs.atomic import write_table
from livecell_monai.runs.ledger import Ledger
from livecell_monai.tasks import train
from livecell_monai.training.request import LOCAL
from livecell_monai.training.setup import RunContext

RECORD, TABLE, BEST, DATABASE = "sweep.json", "sweep.csv", "best", "study.db"
LOOK_S = 1.0  # seconds between two looks at the trials of other processes


@dataclass(frozen=True)
class SweepRequest(StudyRequest):
    """What is searched; `trials` counts those of all processes and calls."""

    space: Space = field(kw_only=True)
    trials: int = field(default=12, kw_only=True)
    objective: Objective = field(default=find_objective("iou"), kw_only=True)


@dataclass(frozen=True)
class Sweep:
    """The rows of `sweep.csv`, best first and pruned ones last, the importance of settings, and the best bundle."""

    rows: list[Row]
    importance: dict[str, float]  #: see `measure_importance`
    best: Path | None  #: None if it is on another machine


def sweep(
    request: SweepRequest,
    output: str | Path,
    storage: str | None = None,
    name: str = "livecell",
    on_trial: Callable[[Row], None] = lambda row: None,
    on_wait: Callable[[int], None] = lambda trials: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Sweep:
    """Train trials until the study has the requested number, and keep the bundle of the best.

    Args:
        request: what is searched.
        output: folder for a bundle by trial, `best`, `sweep.csv` and `sweep.json`; new, empty, or of the same sweep.
        storage: URL of a database that several machines share; None for SQLite in the folder.
        name: of the study.
        on_trial: called with the row of each trial that this process has finished.
        on_wait: called with the number of running trials of other processes, if only those are left.
        tell: called with what all trials will cost, before the first.

    Raises:
        LiveCellError: a setting, the data or the space is invalid, a store does not answer, or the study is another one.
    """
    if request.trials < 1:
        raise SettingError(f"--trials must be 1 or more, got {request.trials}: an empty study has no result; correct it")
    root = Path(output)
    check_choosing(request.settings, HELD, "a sweep")
    base, request = _find_base(request)
    samples = list_samples(request.data, "train", base["unlabelled_value"])
    request.objective.check(base, samples)
    hashes = hash_samples(samples)
    tracker = RunTracker.of(base, root, f"-{platform.node()}-{os.getpid()}")
    tracker.check()
    must_match = {
        "data_sha256": digest_of(hashes),
        **request.must_match((*LOCAL, "accelerator", "compile")),
        "space": request.space.describe(),
        "study": name,
        "objective": request.objective.name,
    }
    with quiet_optuna():
        elsewhere = None if storage is None else open_storage(storage)
        with open_study(root, RECORD, "a sweep", must_match, wait=True) as ledger:
            pass  # not locked from here on: other processes and machines work on the same study
        database = elsewhere or open_storage(root.resolve() / DATABASE)
        first, direction = request.space.usual(base), request.objective.direction
        study, parent = join_study(database, name, must_match, first, direction)
        searched = {f"space_{key}": entry for key, entry in must_match["space"].items()}
        parameters = {"recipe": request.recipe, "objective": must_match["objective"], **request.settings, **searched}
        with tracker.start(parameters, hashes, name_data(request.data), parent) as run:
            if parent is None:
                study.set_user_attr("parent_run", run.run_id)
            study.pruner = build_pruner(int(base["epochs"]))
            tell(describe_cost(request.trials, base))
            Trials(request, root, study, base, run, on_trial).run(on_wait)
            return _conclude(study, request.objective, ledger, int(base["seed"]), run)


def _find_base(request: SweepRequest) -> tuple[Mapping[str, Any], SweepRequest]:
    """The settings of a trial outside of the search space, after checking its limits, and the request with its starts."""
    base = request.resolve(**HELD)
    if base["split"] not in ("auto", "images", "region"):
        raise SettingError(
            f"setting split must be one of auto, images, region in a sweep, got {base['split']!r}: trials would be compared "
            "by what they were trained on; give --set split=region"
        )
    check_space(request.space, base, request.settings)
    split = {name: base[name] for name in ("split", "validation_fraction", "guard", "seed", "unlabelled_value")}
    searched = request.space.entries.get("start", Entry())
    return base, request.with_starts(partition(request.data, **split).validation, searched.choices)


def _conclude(study: optuna.Study, objective: Objective, ledger: Ledger, seed: int, run: TrackedRun) -> Sweep:
    """Table, importance and best bundle of all finished trials, of every process."""
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    rows = objective.rank(make_row(trial, objective.column) for trial in trials)
    if not rows or rows[0]["state"] != "complete":
        raise SettingError(f"study {study.study_name}: must have a complete trial, has none; raise --trials")
    importance = measure_importance(study, seed)
    root = ledger.path
    with ledger.lock(wait=True):
        write_table(root / TABLE, rows)
        ledger.update(trials=rows, importance=importance)
        best = keep_bundle(root / BEST, str(rows[0]["bundle"]))
    scores = {f"importance_{name}": share for name, share in importance.items()}
    run.log_scores({f"sweep_best_{objective.name}": rows[0][objective.column], **scores}, (RECORD, TABLE))
    return Sweep(rows, importance, best)


class _SurplusError(Exception):
    """Other processes have started the last requested trials at the same moment."""


@dataclass
class Trials:
    """The trials that this process trains in the folder `root`; `base` are the settings outside of the search space."""

    request: SweepRequest
    root: Path
    study: optuna.Study
    base: Mapping[str, Any]
    parent: TrackedRun
    on_trial: Callable[[Row], None]
    is_taken_over: bool = field(default=False, init=False)

    def run(self, on_wait: Callable[[int], None]) -> None:
        """Train until the study has its number of trials, and wait for those that other processes are training."""
        requested, is_waiting = self.request.trials, False
        while len(finished := self.study.get_trials(deepcopy=False, states=FINISHED)) < requested:
            running = len(self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
            if len(finished) + running < requested:
                self._train_one()
                is_waiting = False
                continue
            if not is_waiting:
                on_wait(running)
            is_waiting = True
            time.sleep(LOOK_S)
            optuna.storages.fail_stale_trials(self.study)

    def _train_one(self) -> None:
        def report(study: optuna.Study, trial: FrozenTrial) -> None:
            if trial.state in FINISHED:
                self.on_trial(make_row(trial, self.request.objective.column))

        try:
            self.study.optimize(self._train, n_trials=1, catch=(_SurplusError,), callbacks=[report])
        except ValueError:
            # while the machine slept, another process has taken over the trial, so that Optuna rejects the result
            if not self.is_taken_over:
                raise
            self.is_taken_over = False

    def _train(self, trial: optuna.Trial) -> float:
        others = self.study.get_trials(deepcopy=False)[: trial.number]
        if sum(other.state in (*FINISHED, TrialState.RUNNING) for other in others) >= self.request.trials:
            raise _SurplusError
        self.study.sampler = build_sampler(int(self.base["seed"]), trial.number)
        values = self.request.space.suggest(trial)
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        earlier = [_name_trial(number) for number in RetryHeartbeatStaleTrialCallback.retry_history(frozen)]
        for name in earlier:
            self.parent.end_nested(name)
            self._discard(self.root / f"{name}{PARTIAL}")
        # a process may have died between the end of a training and its report
        folder = next((self.root / name for name in earlier if (self.root / name).is_dir()), None)
        try:
            folder = folder or self._train_bundle(trial, values)
        except KeyboardInterrupt:
            RetryHeartbeatStaleTrialCallback()(self.study, frozen)  # the next call trains it first
            raise
        facts = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))["training"]
        trial.set_user_attr("seconds", facts["seconds"])
        trial.set_user_attr("began_from", facts.get("start", "none"))
        trial.set_user_attr("bundle", f"{platform.node()}:{folder.resolve()}")
        return self.request.objective.read(facts["validation"], str(folder))

    def _train_bundle(self, trial: optuna.Trial, values: Mapping[str, Any]) -> Path:
        """Train into a folder that gets its name when it is complete."""
        name, given, column = _name_trial(trial.number), self.request.settings, self.request.objective.column
        partial = self.root / f"{name}{PARTIAL}"
        self._discard(partial)
        settings = {**given, **to_settings(values, self.base, given), **HELD, **self.parent.nest(name)}

        def follow(epoch: int, row: Mapping[str, float]) -> None:
            if column not in row:  # cells are not scored after each epoch
                return
            try:
                trial.report(row[column], epoch)
            except optuna.exceptions.UpdateFinishedTrialError:
                self.is_taken_over = True
            if self.is_taken_over or trial.should_prune():
                raise PrunedError(f"epoch {epoch}")

        try:
            starts = tuple(self.request.starts.values())
            context = RunContext(time.monotonic(), self.parent.run_id or None, follow, starts=starts)
            train(self.request.data, partial, self.request.overlays, settings, self.request.recipe, context=context)
            return partial.rename(self.root / name)
        except RuntimeError as error:
            if isinstance(error.__cause__, PrunedError):  # MONAI wraps what a training raises
                raise optuna.TrialPruned(str(error.__cause__)) from error
            raise
        finally:
            self._discard(partial)

    def _discard(self, partial: Path) -> None:
        """Remove an incomplete bundle, but keep what MLflow lacks of it."""
        set_aside(partial, self.root)
        shutil.rmtree(partial, ignore_errors=True)


def _name_trial(number: int) -> str:
    return f"trial_{number:04d}"
