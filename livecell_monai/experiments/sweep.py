"""A sweep: trials with other settings, each a nested run, until the study has as many as were asked for."""

import json
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from livecell_monai.data.folder import list_samples, name_data
from livecell_monai.data.identity import digest_of, hash_samples
from livecell_monai.data.writing import write_table
from livecell_monai.errors import SettingError
from livecell_monai.experiments.search_space import Space, check_space, to_settings
from livecell_monai.experiments.study import (
    FINISHED,
    build_pruner,
    build_sampler,
    join_study,
    measure_importance,
    open_storage,
    quiet_optuna,
    trials_by_state,
)
from livecell_monai.experiments.study_folder import ASIDE, LOCK, open_folder, refuse_choosing, write_record
from livecell_monai.experiments.tracking import PrunedError, RunTracker, TrackedRun
from livecell_monai.workflow.tasks import resolve_settings, train

RECORD, TABLE, BEST, DATABASE = "sweep.json", "sweep.csv", "best", "study.db"
#: by epoch or threshold of its own choice a trial would look better than it is
HELD = {"keep": "last", "patience": 10**6}
SPLITS = ("auto", "images", "region")
LOOK_S = 1.0  # seconds between two looks at trials that others train
Row = dict[str, Any]


class _SurplusError(Exception):
    """Other processes have begun as many trials as were asked for in the same moment."""


@dataclass(frozen=True)
class Question:
    """What is swept over, and by which rules.

    Attributes:
        data: data folder or datalist.
        overlays: configs over those of training, as for `train`.
        settings: values that every trial has, as for `train`; minutes and epochs are those of each trial.
        recipe: as for `train`.
        space: what trials may try.
        trials: number of trials in the whole study, those of other processes and earlier calls among them.
    """

    data: str | Path
    space: Space
    overlays: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = "planned"
    trials: int = 12


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
    question: Question,
    output: str | Path,
    storage: str | None = None,
    name: str = "livecell",
    on_trial: Callable[[Row], None] = lambda row: None,
) -> Sweep:
    """Train trials until the study has as many as were asked for, and keep the bundle of the best.

    Args:
        question: what is swept over.
        output: folder for a bundle by trial, `best`, `sweep.csv` and `sweep.json`; new, empty, or of the same sweep before.
        storage: URL of the database that holds the study, for several machines; None for SQLite in the folder.
        name: of the study.
        on_trial: called with the row of each trial that this process has finished.

    Raises:
        LiveCellError: where the data, a setting or the space breaks a rule, a store does not answer, or the folder or the
            study is of something else.
    """
    if question.trials < 1:
        raise SettingError(f"--trials must be 1 or more, got {question.trials}: an empty study tells nothing; correct it")
    given, root = {**question.settings, **HELD}, Path(output)
    refuse_choosing(question.settings, HELD, "a sweep")
    base = _find_base(question, given)
    hashes = hash_samples(list_samples(question.data, "train"))
    tracker = RunTracker.of(question.settings)
    tracker.check()
    space = question.space.describe()
    asked = {
        "data_sha256": digest_of(hashes),
        "recipe": question.recipe,
        "overlays": [str(overlay) for overlay in question.overlays],
        "settings": {
            key: value for key, value in question.settings.items() if key not in (*ASIDE, "accelerator", "compile")
        },
        "space": space,
        "study": name,
    }
    with quiet_optuna():
        elsewhere = None if storage is None else open_storage(storage)
        open_folder(root, RECORD, asked, "a sweep")
        database = elsewhere or open_storage(f"sqlite:///{root.resolve() / DATABASE}")
        study, parent = join_study(database, name, asked, question.space.usual(base))
        searched = {f"space_{key}": entry for key, entry in space.items()}
        start = {"recipe": question.recipe, **question.settings, **searched}
        with tracker.start(start, hashes, name_data(question.data), parent) as run:
            if parent is None:
                study.set_user_attr("parent_run", run.run_id)
            _Trials(question, root, study, base, run, on_trial).run()
            return _conclude(study, root, asked, int(base["seed"]), run)


def _find_base(question: Question, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting as a trial has it where the space says nothing; the ends of the space are tried on it."""
    base = resolve_settings(question.data, question.overlays, given, question.recipe)
    if base["split"] not in SPLITS:
        raise SettingError(
            f"setting split must be one of {', '.join(SPLITS)} in a sweep, got {base['split']!r}: trials would be compared "
            "by what they were trained on; give --set split=region"
        )
    check_space(question.space, base, question.settings)
    return base


class _Trials:
    """The trials that this process trains."""

    def __init__(
        self,
        question: Question,
        root: Path,
        study: optuna.Study,
        base: Mapping[str, Any],
        run: TrackedRun,
        on_trial: Callable[[Row], None],
    ) -> None:
        self.question = question
        self.root = root
        self.study = study
        self.base = base
        self.parent = run
        self.on_trial = on_trial
        self.is_taken_over = False
        self.study.pruner = build_pruner(int(base["epochs"]))

    def run(self) -> None:
        """Train until the study has its number; what another process has begun and not finished is waited for."""
        wanted = self.question.trials
        while len(finished := trials_by_state(self.study, *FINISHED)) < wanted:
            if len(finished) + len(trials_by_state(self.study, TrialState.RUNNING)) < wanted:
                self._train_one()
            else:
                time.sleep(LOOK_S)
                optuna.storages.fail_stale_trials(self.study)

    def _train_one(self) -> None:
        try:
            self.study.optimize(self._train, n_trials=1, catch=(_SurplusError,), callbacks=[self._tell])
        except ValueError:
            # a machine that slept was taken for dead: its trial is another's now, and Optuna takes no word of it
            if not self.is_taken_over:
                raise
            self.is_taken_over = False

    def _tell(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.state in FINISHED:
            self.on_trial(_row(trial))

    def _train(self, trial: optuna.Trial) -> float:
        others = self.study.get_trials(deepcopy=False)[: trial.number]
        if sum(other.state in (*FINISHED, TrialState.RUNNING) for other in others) >= self.question.trials:
            raise _SurplusError
        self.study.sampler = build_sampler(int(self.base["seed"]), trial.number)
        values = self.question.space.suggest(trial)
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        before = RetryHeartbeatStaleTrialCallback.retry_history(frozen)
        for number in before:
            self.parent.end_nested(_name(number))
            shutil.rmtree(self.root / f"{_name(number)}.partial", ignore_errors=True)
        # its process may have died between the end of the training and the word of it
        folder = next((self.root / _name(number) for number in before if (self.root / _name(number)).is_dir()), None)
        try:
            folder = folder or self._train_bundle(trial, values)
        except KeyboardInterrupt:
            RetryHeartbeatStaleTrialCallback()(self.study, frozen)  # to go on with it the next time
            raise
        facts = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))["training"]
        trial.set_user_attr("seconds", facts["seconds"])
        trial.set_user_attr("bundle", f"{platform.node()}:{folder.resolve()}")
        return float(facts["validation"]["iou"])

    def _train_bundle(self, trial: optuna.Trial, values: Mapping[str, Any]) -> Path:
        """Train into a folder that takes its name when it is complete."""
        name, given = _name(trial.number), self.question.settings
        partial = self.root / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        settings = {**given, **to_settings(values, self.base, given), **HELD, "run_name": name}

        def follow(epoch: int, row: Mapping[str, float]) -> None:
            try:
                trial.report(row["val_iou"], epoch)
            except optuna.exceptions.UpdateFinishedTrialError:
                self.is_taken_over = True
            if self.is_taken_over or trial.should_prune():
                raise PrunedError(f"epoch {epoch}")

        try:
            train(
                *(self.question.data, partial, self.question.overlays, settings, self.question.recipe, time.monotonic()),
                parent_run=self.parent.run_id or None,
                on_epoch=follow,
            )
            return partial.rename(self.root / name)
        except RuntimeError as error:
            if isinstance(error.__cause__, PrunedError):  # MONAI wraps what a training raises
                raise optuna.TrialPruned(str(error.__cause__)) from error
            raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _name(number: int) -> str:
    return f"trial_{number:04d}"


def _row(trial: FrozenTrial) -> Row:
    spent = trial.duration.total_seconds() if trial.duration is not None else 0.0
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "val_iou": trial.value,
        "seconds": trial.user_attrs.get("seconds", round(spent, 1)),
        **trial.params,
        "bundle": trial.user_attrs.get("bundle", ""),
    }


def _conclude(study: optuna.Study, root: Path, asked: Mapping[str, Any], seed: int, run: TrackedRun) -> Sweep:
    """Table, importance and best bundle of all trials that are finished, whoever trained them."""
    rows = [_row(trial) for trial in trials_by_state(study, *FINISHED)]
    rows.sort(key=lambda row: (row["state"] != "complete", -(row["val_iou"] or 0.0)))
    if not rows or rows[0]["state"] != "complete":
        raise SettingError(f"study {study.study_name}: must have a trial that came to its end, has none; raise --trials")
    importance = measure_importance(study, seed)
    with FileLock(root / LOCK):
        write_table(root / TABLE, rows)
        write_record(root / RECORD, {"asked": asked, "trials": rows, "importance": importance})
        best = _keep_best(root, str(rows[0]["bundle"]))
    scores = {f"importance_{name}": share for name, share in importance.items()}
    run.log_scores({"sweep_best_iou": rows[0]["val_iou"], **scores}, root, (RECORD, TABLE))
    return Sweep(rows, importance, best)


def _keep_best(root: Path, bundle: str) -> Path | None:
    """A copy of the best trial's bundle under a name that stays; none where another machine has it."""
    host, _, path = bundle.partition(":")
    target, partial = root / BEST, root / f"{BEST}.partial"
    shutil.rmtree(target, ignore_errors=True)
    if host != platform.node() or not Path(path).is_dir():
        return None
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(path, partial)
    return partial.rename(target)
