"""The trials of a sweep that this process trains, beside other processes."""

import json
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from livecell_monai.experiments.outbox import set_aside
from livecell_monai.experiments.search_space import HELD, Space, to_settings
from livecell_monai.experiments.study import FINISHED, build_pruner, build_sampler
from livecell_monai.experiments.tracking import PARTIAL, PrunedError, TrackedRun
from livecell_monai.tasks import train
from livecell_monai.training.setup import RunContext

LOOK_S = 1.0  # seconds between two looks at the trials of other processes
Row = dict[str, Any]


class _SurplusError(Exception):
    """Other processes have started the last requested trials at the same moment."""


@dataclass(frozen=True)
class SweepRequest:
    """What is searched: arguments as for `train` for each trial; `trials` counts those of all processes and calls."""

    data: str | Path
    space: Space
    overlays: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = "planned"
    trials: int = 12


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

    def __post_init__(self) -> None:
        """Replace the pruner."""
        self.study.pruner = build_pruner(int(self.base["epochs"]))

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
                self.on_trial(make_row(trial))

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
        earlier = [name_trial(number) for number in RetryHeartbeatStaleTrialCallback.retry_history(frozen)]
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
        trial.set_user_attr("bundle", f"{platform.node()}:{folder.resolve()}")
        return float(facts["validation"]["iou"])

    def _train_bundle(self, trial: optuna.Trial, values: Mapping[str, Any]) -> Path:
        """Train into a folder that gets its name when it is complete."""
        name, given = name_trial(trial.number), self.request.settings
        partial = self.root / f"{name}{PARTIAL}"
        self._discard(partial)
        settings = {**given, **to_settings(values, self.base, given), **HELD, "run_name": name}

        def follow(epoch: int, row: Mapping[str, float]) -> None:
            try:
                trial.report(row["val_iou"], epoch)
            except optuna.exceptions.UpdateFinishedTrialError:
                self.is_taken_over = True
            if self.is_taken_over or trial.should_prune():
                raise PrunedError(f"epoch {epoch}")

        try:
            context = RunContext(time.monotonic(), self.parent.run_id or None, follow)
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


def name_trial(number: int) -> str:
    """The name of a trial's folder and of its run."""
    return f"trial_{number:04d}"


def make_row(trial: FrozenTrial) -> Row:
    """The row of a finished trial in the table; `val_iou` of a pruned one is that of its last epoch."""
    spent = trial.duration.total_seconds() if trial.duration is not None else 0.0
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "val_iou": trial.value,
        "seconds": trial.user_attrs.get("seconds", round(spent, 1)),
        **trial.params,
        "bundle": trial.user_attrs.get("bundle", ""),
    }
