"""Trials that other processes take over, complete or add, and pruned trials."""

import os
from dataclasses import replace

import optuna
import pytest

from livecell_monai.experiments import study
from livecell_monai.experiments import trials as module
from livecell_monai.experiments.store import open_store
from livecell_monai.experiments.sweep import sweep
from livecell_monai.report import training
from tests.experiments.test_sweep import ask, runs_of, trained, trials_of
from tests.support.fresh import FORKS, prepare_forks

pytestmark = pytest.mark.usefixtures("without_figures")


def test_a_trial_that_another_process_has_taken_over_is_discarded(folder, tmp_path, monkeypatch):
    """As when a machine wakes up whose trial counted as dead."""
    real, told = module.train, []

    def sleeping(*args, context):
        def follow(epoch, row):
            if not told:
                (running,) = (trial for trial in trials_of(tmp_path / "out") if trial.state.name == "RUNNING")
                storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'out' / 'study.db'}")
                told.append(storage.set_trial_state_values(running._trial_id, optuna.trial.TrialState.FAIL))
            context.on_epoch(epoch, row)

        return real(*args, context=replace(context, on_epoch=follow))

    monkeypatch.setattr(module, "train", sleeping)
    result = sweep(ask(folder, 2), tmp_path / "out")
    assert told == [True]
    assert [trial.state.name for trial in trials_of(tmp_path / "out")] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert [row["trial"] for row in sorted(result.rows, key=lambda row: row["trial"])] == [1, 2]
    assert set(trained(tmp_path / "out")) == {"trial_0001", "trial_0002"}


def test_no_more_trials_than_requested_if_two_processes_start_at_once(folder, tmp_path, monkeypatch):
    """Another process starts the last trial after this one has looked at the study."""
    real, looks = optuna.Study.get_trials, []

    def late(study, *given, **named):
        found = real(study, *given, **named)
        looks.append(named)
        if len(looks) == 2:  # the process has looked for finished and running trials and found none
            other = optuna.load_study(study_name="livecell", storage=study._storage)
            other.optimize(lambda trial: 0.5, n_trials=1)
        return found

    monkeypatch.setattr(optuna.Study, "get_trials", late)
    trained_by_us = []
    monkeypatch.setattr(module, "train", lambda *args, **kwargs: trained_by_us.append(args))
    result = sweep(ask(folder, 1), tmp_path / "out")
    assert trained_by_us == []
    assert [row["val_iou"] for row in result.rows] == [0.5]
    assert [trial.state.name for trial in trials_of(tmp_path / "out")] == ["COMPLETE", "FAIL"]
    assert result.best is None  # its bundle is not on this machine


def sweep_and_die(folder, root):
    """Run by a process that dies between the end of a training and its report."""
    study.HEARTBEAT_S, study.GRACE_S = 1, 2
    training.write_figures = lambda *args, **facts: None
    module.optuna.Trial.set_user_attr = lambda self, key, value: os._exit(7)
    sweep(ask(folder, 1), root)


def test_a_complete_trial_of_a_dead_process_is_taken_over(folder, tmp_path, impatient):
    prepare_forks()
    dying = FORKS.Process(target=sweep_and_die, args=(folder, tmp_path / "out"))
    dying.start()
    dying.join(120)
    assert dying.exitcode == 7
    before = trained(tmp_path / "out")
    assert set(before) == {"trial_0000"}
    result = sweep(ask(folder, 1), tmp_path / "out")
    assert trained(tmp_path / "out") == before
    assert result.rows[0]["bundle"].endswith("trial_0000")


def test_a_bad_trial_is_pruned(folder, tmp_path, store, monkeypatch):
    """One value is scored low after each epoch, below the median of four others."""
    from livecell_monai.training.history import History

    real = History._add

    def scored(self, trainer):
        value = 0.1 if trainer.optimizer.param_groups[0]["weight_decay"] > 0.05 else 0.8
        self.evaluator.state.metrics["val_iou"] = value
        real(self, trainer)

    monkeypatch.setattr(History, "_add", scored)
    monkeypatch.setattr(module, "build_sampler", lambda seed, number: Planted())
    text = "weight_decay: {choices: [0.01, 0.1]}"
    given = {"batch_size": 4, "epochs": 3, "track": True, "tracking_uri": store}
    result = sweep(ask(folder, 5, text, **given), tmp_path / "out")
    assert [row["state"] for row in result.rows] == ["complete"] * 4 + ["pruned"]
    assert (result.rows[-1]["weight_decay"], result.rows[-1]["val_iou"]) == (0.1, 0.1)
    assert len(trained(tmp_path / "out")) == 4
    assert not list((tmp_path / "out").glob("*.partial"))
    (pruned,) = (run for run in runs_of(store) if run.data.tags.get("pruned") == "true")
    assert (pruned.info.run_name, pruned.info.status) == ("trial_0004", "KILLED")
    assert [metric.step for metric in open_store(store).get_metric_history(pruned.info.run_id, "val_iou")] == [1]
    assert "best_val_iou" not in pruned.data.metrics


class Planted(optuna.samplers.RandomSampler):
    """Draws the bad value for the fifth trial."""

    def sample_independent(self, study, trial, name, distribution):
        return 0.1 if trial.number == 4 else 0.01
