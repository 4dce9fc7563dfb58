"""The Optuna study: storage, joining, sampling, pruning and importance."""

import platform
import threading

import optuna
import pytest

from livecell_monai.errors import SettingError
from livecell_monai.experiments import study as module
from livecell_monai.experiments.study import (
    build_pruner,
    build_sampler,
    join_study,
    keep_bundle,
    measure_importance,
    open_storage,
    quiet_optuna,
)


@pytest.fixture
def storage(tmp_path):
    with quiet_optuna():
        yield open_storage(f"sqlite:///{tmp_path / 'study.db'}")


class TestStorage:
    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("study.db", "got a URL: Could not parse"),
            (
                "sqlite:////no/such/folder/study.db",
                r"got sqlite:////no/such/folder/study\.db: a file in a folder that exists is needed",
            ),
            ("sqlite://", "got sqlite://: a file in a folder"),
            ("postgresql+nodriver://ada:secret@127.0.0.1/x", r"\*\*\*@127\.0\.0\.1/x: "),
        ],
    )
    def test_an_unreachable_one_is_reported_without_the_password(self, url, words):
        with (
            quiet_optuna(),
            pytest.raises(SettingError, match=f"--storage must be a database that answers, .*{words}") as caught,
        ):
            open_storage(url)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)

    def test_a_file_that_is_no_database(self, tmp_path):
        (tmp_path / "study.db").write_text("no database " * 100)
        with quiet_optuna(), pytest.raises(SettingError, match="file is not a database"):
            open_storage(f"sqlite:///{tmp_path / 'study.db'}")

    def test_a_trial_that_keeps_killing_its_process_is_abandoned(self, storage):
        study = optuna.create_study(storage=storage)
        study.enqueue_trial({"x": 1})
        tried = []

        def killed(trial):
            tried.append(trial.suggest_int("x", 0, 9))
            raise MemoryError

        while study.get_trials(states=[optuna.trial.TrialState.WAITING]):
            assert len(tried) < 10
            study.optimize(killed, n_trials=1, catch=(MemoryError,))
            storage.get_heartbeat_stale_trial_callback()(study, study.trials[-1])
        assert tried == [1, 1, 1]

    def test_optuna_logs_again_afterwards(self):
        before = optuna.logging.get_verbosity()
        with quiet_optuna():
            assert optuna.logging.get_verbosity() > before
        assert optuna.logging.get_verbosity() == before


class TestJoining:
    def test_the_first_process_creates_it_and_the_second_waits_for_the_run(self, storage):
        study, parent = join_study(storage, "one", {"data": "abc"}, {"lr": 0.1})
        assert parent is None
        later = threading.Timer(0.5, study.set_user_attr, ("parent_run", "run-1"))
        later.start()
        joined, parent = join_study(storage, "one", {"data": "abc"}, {"lr": 0.1})
        later.join()
        assert parent == "run-1"
        assert len(joined.trials) == 1
        assert joined.trials[0].system_attrs["fixed_params"] == {"lr": 0.1}

    def test_different_data_are_rejected(self, storage):
        study, _ = join_study(storage, "one", {"data": "abc"}, {})
        study.set_user_attr("parent_run", "")
        with pytest.raises(
            SettingError,
            match=r'study one: a sweep must .* same data: started with "abc", now "abd"; name another by --study',
        ):
            join_study(storage, "one", {"data": "abd"}, {})

    def test_a_study_that_is_no_sweep_is_rejected(self, storage):
        optuna.create_study(study_name="theirs", storage=storage).add_trial(optuna.create_trial(value=0.5))
        with pytest.raises(SettingError, match="study theirs: must be that of a sweep, it is not"):
            join_study(storage, "theirs", {}, {})

    def test_a_study_of_a_dead_process_is_taken_over(self, storage, monkeypatch):
        monkeypatch.setattr(module, "JOIN_S", 0.3)
        join_study(storage, "one", {"data": "abc"}, {"lr": 0.1})
        study, parent = join_study(storage, "one", {"data": "abc"}, {"lr": 0.1})
        assert parent is None
        assert len(study.trials) == 1


def test_a_bundle_of_another_machine_is_not_kept(tmp_path):
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / "a").write_text("1")
    target = tmp_path / "best"
    assert keep_bundle(target, f"{platform.node()}:{tmp_path / 'trial'}") == target
    assert (target / "a").read_text() == "1"
    assert keep_bundle(target, f"elsewhere:{tmp_path / 'other' / 'trial_0007'}") is None
    assert not target.exists()


@pytest.mark.parametrize("host", [platform.node(), "earlier-name"])
def test_the_best_bundle_is_found_after_the_study_was_moved(tmp_path, host):
    (tmp_path / "trial_0003").mkdir()
    (tmp_path / "trial_0003" / "a").write_text("1")
    target = tmp_path / "best"
    assert keep_bundle(target, f"{host}:/before/it/was/moved/trial_0003") == target
    assert (target / "a").read_text() == "1"


class TestDrawing:
    def draw(self, number, seed=0):
        study = optuna.create_study(sampler=build_sampler(seed, number))
        return study.ask().suggest_float("lr", 0, 1)

    def test_depends_on_seed_and_number_only(self):
        with quiet_optuna():
            assert self.draw(3) == self.draw(3)
            assert len({self.draw(3), self.draw(4), self.draw(3, seed=1)}) == 3


class TestPruning:
    @pytest.mark.parametrize(("epochs", "step", "pruned"), [(9, 3, True), (9, 2, False), (1, 1, True)])
    def test_after_a_third_of_the_epochs(self, epochs, step, pruned):
        with quiet_optuna():
            study = optuna.create_study(direction="maximize", pruner=build_pruner(epochs))
            for _ in range(4):
                trial = study.ask()
                for epoch in (1, 2, 3):
                    trial.report(0.8, epoch)
                study.tell(trial, 0.8)
            bad, good = study.ask(), study.ask()
            bad.report(0.1, step)
            good.report(0.9, step)
            assert (bad.should_prune(), good.should_prune()) == (pruned, False)


class TestImportance:
    def study(self, value):
        distributions = {name: optuna.distributions.FloatDistribution(0, 1) for name in ("matters", "idle")}
        study = optuna.create_study()
        for index in range(12):
            params = {"matters": index / 12, "idle": (5 * index % 12) / 12}
            study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=value(params)))
        return study

    def test_finds_the_important_setting(self):
        with quiet_optuna():
            found = measure_importance(self.study(lambda params: params["matters"]), 0)
        assert next(iter(found)) == "matters"
        assert found["matters"] > 0.8
        assert sum(found.values()) == pytest.approx(1)

    def test_is_empty_if_trials_are_equal_or_missing(self):
        with quiet_optuna():
            assert measure_importance(self.study(lambda params: 0.5), 0) == {}
            assert measure_importance(optuna.create_study(), 0) == {}
