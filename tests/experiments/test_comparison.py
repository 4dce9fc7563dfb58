"""Runs side by side, as the table of `livecell compare` shows them."""

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.experiments.comparison import ComparedRun, find_differences, list_runs
from livecell_monai.experiments.store import find_experiment, open_store

DATA = "0123456789abcdef"


def add_run(client, experiment, name, status="FINISHED", scores=None, data=DATA, **settings):
    """A run as training leaves it."""
    run = client.create_run(experiment, run_name=name).info.run_id
    for key, value in {"version_torch": name, "computed_on": name, "data_sha256": data, **settings}.items():
        client.log_param(run, key, value)
    for key, value in (scores or {}).items():
        client.log_metric(run, key, value)
    if status != "RUNNING":
        client.set_terminated(run, status)


def settings_run(**settings):
    return ComparedRun("a", "FINISHED", {}, 1.0, False, "0123", {key: str(value) for key, value in settings.items()})


@pytest.fixture(scope="module")
def filled(empty_store, tmp_path_factory):
    """A store of five runs that ended in every way, noted in no order."""
    import shutil

    path = tmp_path_factory.mktemp("filled") / "mlflow.db"
    shutil.copyfile(empty_store, path)
    uri = f"sqlite:///{path}"
    client = open_store(uri)
    number = find_experiment(client, uri, "livecell")
    middle = {"best_val_iou": 0.7, "best_val_accuracy": 0.9, "best_val_loss": 0.3}
    add_run(client, number, "broken", "FAILED", lr=0.1, split_used="region")
    add_run(client, number, "middle", scores=middle, lr=0.01, split_used="region", seed=0)
    add_run(client, number, "running", "RUNNING", lr=0.01, split_used="region")
    add_run(client, number, "best", scores={"best_val_iou": 0.8}, lr=0.01, split_used="region", seed=0, data="f" * 64)
    add_run(client, number, "leaky", scores={"best_val_iou": 0.75}, lr=0.01, split_used="original", seed=0)
    add_run(client, number, "zero", scores={"best_val_iou": 0.0}, lr=0.01, split_used="region", seed=0)
    return uri


def test_best_first_and_those_without_a_score_last(filled):
    names = [run.name for run in list_runs(filled)]
    assert names[:4] == ["best", "leaky", "middle", "zero"]
    assert set(names[4:]) == {"broken", "running"}


def test_what_a_run_tells(filled):
    runs = {run.name: run for run in list_runs(filled)}
    assert runs["middle"].scores == {"best_val_iou": 0.7, "best_val_accuracy": 0.9, "best_val_loss": 0.3}
    assert runs["middle"].settings["lr"] == "0.01"
    assert (runs["broken"].status, runs["broken"].scores) == ("FAILED", {})
    assert (runs["running"].status, runs["running"].seconds) == ("RUNNING", None)
    assert runs["best"].seconds >= 0
    assert (runs["best"].data, runs["middle"].data) == ("ffffffff", "01234567")


def test_a_split_that_leaks_is_flagged(filled):
    assert {run.name for run in list_runs(filled) if run.leaks} == {"leaky"}


def test_the_limit_keeps_the_best(filled):
    assert [run.name for run in list_runs(filled, limit=2)] == ["best", "leaky"]


def test_the_environment_names_the_store(filled, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", filled)
    assert len(list_runs()) == 6


def test_an_unknown_experiment_is_refused_with_those_there_are(filled):
    with pytest.raises(SettingError, match=r"^--experiment must be one of the store's \(.*livecell.*\), got 'livecel'"):
        list_runs(filled, "livecel")


def test_a_store_without_runs_gives_none(store):
    with pytest.raises(SettingError, match=r"one of the store's \(Default\), got 'livecell'"):
        list_runs(store)
    find_experiment(open_store(store), store, "livecell")
    assert list_runs(store) == []


def test_a_store_that_is_not_there_is_refused_and_not_made(tmp_path):
    with pytest.raises(SettingError, match=r"mlflow.db: the store of runs must be there, found none; train first"):
        list_runs(f"sqlite:///{tmp_path}/mlflow.db")
    assert not list(tmp_path.iterdir())


class TestDifferences:
    def test_only_what_differs_by_name(self):
        assert find_differences([settings_run(seed=0, lr=1, dropout=0.1), settings_run(seed=0, lr=2, dropout=0.2)]) == [
            "dropout",
            "lr",
        ]

    def test_a_setting_that_one_run_lacks_differs(self):
        assert find_differences([settings_run(seed=0), settings_run(seed=0, guard=16)]) == ["guard"]

    def test_versions_machine_and_data_are_no_settings(self):
        runs = [settings_run(version_torch=n, computed_on=n, data_sha256=n) for n in (1, 2)]
        assert find_differences(runs) == []

    @pytest.mark.parametrize("runs", [[], [settings_run(lr=1)]])
    def test_one_run_differs_in_nothing(self, runs):
        assert find_differences(runs) == []
