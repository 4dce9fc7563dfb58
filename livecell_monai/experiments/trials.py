"""The trials of a sweep that this process trains: none twice, none half, no more than were requested."""

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
from livecell_monai.experiments.search_space import Space, to_settings
from livecell_monai.experiments.study import FINISHED, build_pruner, build_sampler, trials_by_state
from livecell_monai.experiments.tracked_run import PARTIAL, PrunedError, TrackedRun
from livecell_monai.tasks import train
from livecell_monai.training.setup import RunContext

#: by epoch or threshold of its own choice a trial would look better than it is
HELD = {"checkpoint_selection": "last", "patience": 10**6}
LOOK_S = 1.0  # seconds between two looks at trials that others train
Row = dict[str, Any]


class _SurplusError(Exception):
    """Other processes have started as many trials as were requested in the same moment."""


@dataclass(frozen=True)
class SweepRequest:
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


class Trials:
    """The trials that this process trains."""

    def __init__(
        self,
        request: SweepRequest,
        root: Path,
        study: optuna.Study,
        base: Mapping[str, Any],
        run: TrackedRun,
        on_trial: Callable[[Row], None],
    ) -> None:
        self.request = request
        self.root = root
        self.study = study
        self.base = base
        self.parent = run
        self.on_trial = on_trial
        self.is_taken_over = False
        self.study.pruner = build_pruner(int(base["epochs"]))

    def run(self, on_wait: Callable[[int], None]) -> None:
        """Train until the study has its number; wait for those that another process has started and not finished."""
        wanted, is_waiting = self.request.trials, False
        while len(finished := trials_by_state(self.study, *FINISHED)) < wanted:
            running = len(trials_by_state(self.study, TrialState.RUNNING))
            if len(finished) + running < wanted:
                self._train_one()
                is_waiting = False
                continue
            if not is_waiting:
                on_wait(running)
            is_waiting = True
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
            self.on_trial(make_row(trial))

    def _train(self, trial: optuna.Trial) -> float:
        others = self.study.get_trials(deepcopy=False)[: trial.number]
        if sum(other.state in (*FINISHED, TrialState.RUNNING) for other in others) >= self.request.trials:
            raise _SurplusError
        self.study.sampler = build_sampler(int(self.base["seed"]), trial.number)
        values = self.request.space.suggest(trial)
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        before = RetryHeartbeatStaleTrialCallback.retry_history(frozen)
        for number in before:
            self.parent.end_nested(name_trial(number))
            self._throw_away(self.root / f"{name_trial(number)}{PARTIAL}")
        # its process may have died between the end of the training and the report of it
        folder = next(
            (self.root / name_trial(number) for number in before if (self.root / name_trial(number)).is_dir()), None
        )
        try:
            folder = folder or self._train_bundle(trial, values)
        except KeyboardInterrupt:
            RetryHeartbeatStaleTrialCallback()(self.study, frozen)  # to resume it the next time
            raise
        facts = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))["training"]
        trial.set_user_attr("seconds", facts["seconds"])
        trial.set_user_attr("bundle", f"{platform.node()}:{folder.resolve()}")
        return float(facts["validation"]["iou"])

    def _train_bundle(self, trial: optuna.Trial, values: Mapping[str, Any]) -> Path:
        """Train into a folder that gets its name when it is complete."""
        name, given = name_trial(trial.number), self.request.settings
        partial = self.root / f"{name}{PARTIAL}"
        self._throw_away(partial)
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
            self._throw_away(partial)

    def _throw_away(self, partial: Path) -> None:
        """Remove what became no bundle; what MLflow lacks of it stays."""
        set_aside(partial, self.root)
        shutil.rmtree(partial, ignore_errors=True)


def name_trial(number: int) -> str:
    """The name of a trial's folder and of its run."""
    return f"trial_{number:04d}"


def make_row(trial: FrozenTrial) -> Row:
    """What the table says of a trial that is finished; `val_iou` of a pruned one is that of its last epoch."""
    spent = trial.duration.total_seconds() if trial.duration is not None else 0.0
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "val_iou": trial.value,
        "seconds": trial.user_attrs.get("seconds", round(spent, 1)),
        **trial.params,
        "bundle": trial.user_attrs.get("bundle", ""),
    }
