"""A sweep trains each trial once, by any process and after any kill, and keeps the best bundle."""

import csv
import json
import os
import shutil
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments import study
from livecell_monai.experiments import sweep as module
from livecell_monai.experiments.objective import find_objective
from livecell_monai.experiments.search_space import read_space
from livecell_monai.experiments.store import open_store
from livecell_monai.experiments.study import quiet_optuna
from livecell_monai.experiments.sweep import SweepRequest, sweep
from livecell_monai.network.start import write_start
from livecell_monai.report import page
from tests.support.fresh import FORKS, prepare_forks, start_python
from tests.support.small_training import SMALL
from tests.support.starts import make_start

pytestmark = pytest.mark.usefixtures("without_figures")

TINY = {name: value for name, value in SMALL.items() if name not in ("checkpoint_selection", "batch_size")}
TINY |= {"epochs": 1, "samples_per_epoch": 4, "filters": [4, 8]}
SPACE = "lr: {low: 0.0005, high: 0.02, log: true}\nbatch_size: {choices: [2, 4]}\nstrength: {low: 0.5, high: 1.5}\n"


def ask(data, trials=3, text=SPACE, objective="iou", **settings):
    """A request; the file of its space is written beside the data."""
    path = Path(data).parent / "space.yaml"
    path.write_text(text, encoding="utf-8")
    given = {**TINY, **settings}
    return SweepRequest(data, (), given, space=read_space(path, given), trials=trials, objective=find_objective(objective))


def runs_of(uri):
    client = open_store(uri)
    return client.search_runs([client.get_experiment_by_name("livecell").experiment_id])


def trials_of(root, name="livecell"):
    with quiet_optuna():
        return optuna.load_study(study_name=name, storage=f"sqlite:///{root / 'study.db'}").trials


@pytest.fixture(scope="module")
def done(tmp_path_factory, empty_store):
    """A finished sweep of three trials with its store; read only."""
    from tests.support.worlds import write_folder

    root = tmp_path_factory.mktemp("sweep")
    shutil.copyfile(empty_store, root / "mlflow.db")
    uri, told = f"sqlite:///{root / 'mlflow.db'}", []
    data = write_folder(root / "data")
    result = sweep(ask(data, track=True, tracking_uri=uri), root / "out", on_trial=told.append)
    return root, uri, result, told


class TestResult:
    def test_the_table_has_each_trial_best_first(self, done):
        root, _, result, told = done
        assert sorted(row["trial"] for row in result.rows) == [0, 1, 2] == [row["trial"] for row in told]
        scores = [row["val_iou"] for row in result.rows]
        assert scores == sorted(scores, reverse=True)
        with open(root / "out" / "sweep.csv", encoding="utf-8", newline="") as stream:
            written = list(csv.DictReader(stream))
        assert [{name: str(value) for name, value in row.items()} for row in result.rows] == written
        assert json.loads((root / "out" / "sweep.json").read_text())["trials"] == result.rows

    def test_a_trial_was_trained_with_its_settings_and_scored_by_its_last_epoch(self, done):
        root, _, result, _ = done
        for row in result.rows:
            folder = root / "out" / f"trial_{row['trial']:04d}"
            facts = json.loads((folder / "configs" / "metadata.json").read_text())["training"]
            assert facts["validation"]["iou"] == row["val_iou"]
            assert row["began_from"] == facts.get("start", "none")
            assert facts["kept_epoch"] == facts["epochs_run"]
            settings = (folder / "configs" / "train.yaml").read_text()
            assert f"\nlr: {row['lr']}" in settings
            assert f"\nbatch_size: {row['batch_size']}" in settings
            assert f"\nnoise: {round(0.2 * row['strength'], 4)}" in settings

    def test_the_first_trial_has_the_settings_of_a_training_without_a_sweep(self, done):
        first = next(row for row in done[2].rows if row["trial"] == 0)
        assert (first["lr"], first["strength"]) == (0.002, 1.0)

    def test_the_best_bundle_is_a_copy_of_the_best_trials(self, done):
        root, _, result, _ = done
        weights = Path("models") / "model.pt"
        best = root / "out" / f"trial_{result.rows[0]['trial']:04d}"
        assert result.best == root / "out" / "best"
        assert hash_file(result.best / weights) == hash_file(best / weights)
        assert len({hash_file(path) for path in (root / "out").glob(f"trial_*/{weights}")}) == 3

    def test_each_trial_has_a_nested_run(self, done):
        _, uri, result, _ = done
        runs = runs_of(uri)
        (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
        nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert sorted(run.info.run_name for run in nested) == ["trial_0000", "trial_0001", "trial_0002"]
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert parent.data.metrics["sweep_best_iou"] == result.rows[0]["val_iou"]
        shares = {name.removeprefix("importance_") for name in parent.data.metrics} - {"sweep_best_iou"}
        assert shares == set(result.importance) == {"lr", "batch_size", "strength"}
        files = {entry.path for entry in open_store(uri).list_artifacts(parent.info.run_id)}
        assert files == {"sweep.json", "sweep.csv"}


def test_a_start_that_was_written_again_is_another_study(folder, tmp_path):
    start = tmp_path / "start.safetensors"
    write_start(start, make_start(["foreground"]), {})
    given = {"maps": ["foreground"], "start": str(start)}
    sweep(ask(folder, 1, **given), tmp_path / "out")
    write_start(start, make_start(["foreground"], seed=2), {})
    with pytest.raises(SettingError, match="a sweep must resume with the same start_sha256"):
        sweep(ask(folder, 2, **given), tmp_path / "out")


@pytest.mark.parametrize("is_searched", [False, True])
def test_a_start_that_has_seen_what_is_validated_is_rejected(trained, tmp_path, is_searched):
    data, bundle = trained
    text = f"{SPACE}start: {{choices: [none, {bundle}]}}\n" if is_searched else SPACE
    given = {"maps": ["foreground"], "validation_fraction": 0.4, **({} if is_searched else {"start": str(bundle)})}
    path = tmp_path / "space.yaml"
    path.write_text(text, encoding="utf-8")
    settings = {**TINY, **given}
    request = SweepRequest(data, (), settings, space=read_space(path, settings))
    with pytest.raises(SettingError, match=f"{bundle} was trained on train_00"):
        sweep(request, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_score_of_cells_that_is_an_error_is_minimised(folder, tmp_path, store):
    given = {"cells": True, "epochs": 2, "track": True, "tracking_uri": store}
    result = sweep(ask(folder, 2, objective="count_error", **given), tmp_path / "out")
    scores = [row["val_count_error"] for row in result.rows]
    assert scores == sorted(scores)
    for row in result.rows:
        facts = json.loads((tmp_path / "out" / f"trial_{row['trial']:04d}" / "configs" / "metadata.json").read_text())
        assert facts["training"]["validation"]["count_error"] == row["val_count_error"]
        assert "ap50" in facts["training"]["validation"]
    with quiet_optuna():
        found = optuna.load_study(study_name="livecell", storage=f"sqlite:///{tmp_path / 'out' / 'study.db'}")
    assert found.direction.name == "MINIMIZE"
    (parent,) = (run for run in runs_of(store) if "mlflow.parentRunId" not in run.data.tags)
    assert parent.data.metrics["sweep_best_count_error"] == scores[0]
    assert "sweep_best_iou" not in parent.data.metrics
    assert parent.data.params["objective"] == "count_error"
    (nested, _) = (run for run in runs_of(store) if "mlflow.parentRunId" in run.data.tags)
    assert {"val_ap50", "val_iou", "ap50", "count_error"} <= set(nested.data.metrics)


class TestResume:
    @pytest.fixture
    def again(self, done, tmp_path):
        """A copy of the finished sweep and its request."""
        root, uri, _, _ = done
        shutil.copytree(root / "out", tmp_path / "out")
        return tmp_path / "out", lambda **given: ask(root / "data", **{"track": True, "tracking_uri": uri, **given})

    def test_finished_trials_are_not_trained_again(self, again, done, monkeypatch):
        monkeypatch.setattr(module, "train", lambda *args, **kwargs: pytest.fail("trained again"))
        before = len(runs_of(done[1]))
        assert sweep(again[1](), again[0]).rows == done[2].rows
        assert len(runs_of(done[1])) == before

    def test_more_trials_are_added(self, again):
        told = []
        result = sweep(again[1](trials=4, track=False), again[0], on_trial=told.append)
        assert ([row["trial"] for row in told], len(result.rows)) == ([3], 4)
        draws = [(row["lr"], row["strength"]) for row in result.rows]
        assert len(set(draws)) == 4  # the seed alone would draw the same again

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"weight_decay": 0.5}, "settings"),
            ({"text": "lr: {choices: [0.1]}"}, "space"),
            ({"objective": "accuracy"}, "objective"),
        ],
    )
    def test_another_study_in_the_same_folder_is_rejected(self, again, change, word):
        with pytest.raises(SettingError, match=f"a sweep must resume with the same {word}"):
            sweep(again[1](**change), again[0])

    def test_an_interrupted_trial_is_trained_first_with_the_same_settings(self, folder, tmp_path, monkeypatch):
        real, tried = module.train, []

        def stopping(data, output, overlays, settings, *args, **kwargs):
            tried.append(settings["lr"])
            if len(tried) == 2:
                output.mkdir()
                raise KeyboardInterrupt
            return real(data, output, overlays, settings, *args, **kwargs)

        monkeypatch.setattr(module, "train", stopping)
        with pytest.raises(KeyboardInterrupt):
            sweep(ask(folder), tmp_path / "out")
        assert not list((tmp_path / "out").glob("*.partial"))
        result = sweep(ask(folder), tmp_path / "out")
        assert len(result.rows) == 3
        assert tried[2] == tried[1]
        assert len(set(tried)) == 3

    def test_an_error_ends_the_sweep_and_leaves_no_incomplete_trial(self, folder, tmp_path, monkeypatch):
        def failing(data, output, *args, **kwargs):
            output.mkdir()
            raise ZeroDivisionError

        monkeypatch.setattr(module, "train", failing)
        with pytest.raises(ZeroDivisionError):
            sweep(ask(folder), tmp_path / "out")
        assert not list((tmp_path / "out").glob("trial_*"))


SCRIPT = """
import sys
from pathlib import Path
from livecell_monai.experiments import study, sweep
from livecell_monai.report import page
from tests.experiments.test_sweep import ask
page.write_figures = lambda *args, **facts: None  # as without_figures
study.HEARTBEAT_S, study.GRACE_S, sweep.LOOK_S = 1, 2, 0.1
data, output, uri, count, epochs = sys.argv[1:6]
sweep.sweep(ask(Path(data), int(count), track=True, tracking_uri=uri, epochs=int(epochs)), output)
"""


@pytest.fixture
def start(folder, tmp_path, store):
    """Starts a sweep of the folder in another process."""
    started = []
    ask(folder)  # writes the space

    def run(*counts):
        given = [folder, tmp_path / "out", store, *counts]
        started.append(start_python("-c", SCRIPT, *given, cwd=tmp_path, paths=[Path(__file__).parent]))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.send(signal.SIGKILL)
        process.wait()


def trained(root):
    """The modification time of each trial's weights, by folder."""
    return {path.parts[-3]: path.stat().st_mtime_ns for path in root.glob("trial_????/models/model.pt")}


def settings_of(trial):
    return tuple(sorted(trial.params.items()))


@pytest.mark.slow
def test_a_killed_sweep_resumes_and_trains_nothing_twice(folder, tmp_path, store, start, impatient):
    root = tmp_path / "out"
    process = start(4, 4)
    until = time.monotonic() + 90
    # in the middle of the second trial, or of a later one
    while not (len(trained(root)) >= 1 and list(root.glob("*.partial/models/model.pt"))):
        assert time.monotonic() < until
        assert process.poll() is None, process.err
        time.sleep(0.005)
    process.send(signal.SIGKILL)
    process.wait()
    before, (killed,) = trained(root), [trial for trial in trials_of(root) if trial.state.name == "RUNNING"]
    assert len(before) < 4
    waits = []
    result = sweep(ask(folder, 4, track=True, tracking_uri=store, epochs=4), root, on_wait=waits.append)
    assert len(result.rows) == 4
    assert waits in ([], [1])  # [] where the killed one was taken for dead before the others were done
    assert before.items() <= trained(root).items()  # what was there was not touched
    assert len(trained(root)) == 4
    finished = [trial for trial in trials_of(root) if trial.state.name == "COMPLETE"]
    assert len({settings_of(trial) for trial in finished}) == 4
    assert settings_of(killed) in {settings_of(trial) for trial in finished}
    assert not list(root.glob("*.partial"))
    runs = runs_of(store)
    assert Counter(run.info.status for run in runs) == {"FINISHED": 5, "KILLED": 1}
    assert len([run for run in runs if "mlflow.parentRunId" not in run.data.tags]) == 1


@pytest.mark.slow
def test_two_processes_share_one_study(folder, tmp_path, store, start):
    processes = [start(4, 1), start(4, 1)]
    for process in processes:
        assert process.wait() == 0, process.err
    finished = [trial for trial in trials_of(tmp_path / "out") if trial.state.name == "COMPLETE"]
    assert len(finished) == 4 == len({settings_of(trial) for trial in finished})
    assert set(trained(tmp_path / "out")) == {f"trial_{trial.number:04d}" for trial in finished}
    nested = [run for run in runs_of(store) if "mlflow.parentRunId" in run.data.tags]
    assert len(nested) == 4 == len(runs_of(store)) - 1
    assert len({run.data.tags["mlflow.parentRunId"] for run in nested}) == 1
    assert all(run.info.status == "FINISHED" for run in runs_of(store))


class TestRejected:
    """Before anything is written."""

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"checkpoint_selection": "best"}, "setting checkpoint_selection must be left as it is in a sweep, got 'best'"),
            ({"patience": 3}, "setting patience must be left as it is in a sweep"),
            ({"split": "original"}, "setting split must be one of auto, images, region in a sweep, got 'original'"),
            ({"split": "none"}, "got 'none'"),
            ({"trials": 0}, "--trials must be 1 or more, got 0: an empty study has no result"),
            ({"text": "lr: {low: -1.0, high: 0.1}"}, "setting lr must be a number above 0, got -1.0"),
            ({"track": True, "tracking_uri": "http://127.0.0.1:9"}, "setting tracking_uri must be a store that answers"),
        ],
    )
    def test_settings_and_stores(self, folder, tmp_path, given, words):
        with pytest.raises(SettingError, match=words) as caught:
            sweep(ask(folder, **given), tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()

    def test_a_store_named_in_an_overlay(self, folder, tmp_path):
        overlay = tmp_path / "store.yaml"
        overlay.write_text("track: true\ntracking_uri: http://127.0.0.1:9\n")
        given = {name: value for name, value in ask(folder).settings.items() if name != "track"}
        request = replace(ask(folder), overlays=(str(overlay),), settings=given)
        with pytest.raises(SettingError, match="setting tracking_uri must be a store that answers"):
            sweep(request, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_missing_storage(self, folder, tmp_path):
        with pytest.raises(SettingError, match="--storage must be a database that answers"):
            sweep(ask(folder), tmp_path / "out", f"sqlite:///{tmp_path / 'none' / 'study.db'}")
        assert not (tmp_path / "out").exists()

    def test_the_original_recipe_with_its_split(self, folder, tmp_path):
        request = SweepRequest(folder, (), {"track": False}, "original", space=read_space())
        with pytest.raises(SettingError, match="give --set split=region"):
            sweep(request, tmp_path / "out")

    def test_missing_data(self, tmp_path):
        with pytest.raises(DataError, match="none: the data folder does not exist"):
            sweep(ask(tmp_path / "none"), tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_folder_with_other_files(self, folder, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").write_text("")
        with pytest.raises(DataError, match="must be empty or new"):
            sweep(ask(folder), tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


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
    page.write_figures = lambda *args, **facts: None
    module.optuna.Trial.set_user_attr = lambda self, key, value: os._exit(7)
    sweep(ask(folder, 1), root)


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert "iou" not in pruned.data.metrics


class Planted(optuna.samplers.RandomSampler):
    """Draws the bad value for the fifth trial."""

    def sample_independent(self, study, trial, name, distribution):
        return 0.1 if trial.number == 4 else 0.01
