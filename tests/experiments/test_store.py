"""MLflow stores: invalid ones are rejected quickly and on one line, missing ones are created once."""

import os
import signal
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from livecell_monai.errors import SettingError, mask_secrets
from livecell_monai.experiments import RunTracker
from livecell_monai.experiments import store as store_module
from livecell_monai.experiments.store import ARTIFACTS, choose_uri, find_experiment, open_store, show_run
from tests.support.fresh import FORKS, prepare_forks, run_python

EPOCHS = 40


def uri_of(path: Path) -> str:
    return f"sqlite:///{path}"


def create_store_and_log(uri, folder, barrier, answers):
    """Run by two processes at the same time."""
    barrier.wait(60)
    with RunTracker(uri, folder=folder).start({"lr": 0.1}, {}, "cells") as run:
        for epoch in range(1, EPOCHS + 1):
            run.log_epoch(epoch, {"val_iou": epoch / 64, "val_loss": 1 / epoch})
            time.sleep(0.005)
    answers.put(run.run_id)


class TestChoice:
    def test_the_given_uri_comes_first(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
        assert choose_uri("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"

    def test_the_environment_comes_second(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
        assert choose_uri() == "http://127.0.0.1:5000"

    @pytest.mark.parametrize("empty", [None, ""])
    def test_the_working_folder_comes_last(self, tmp_path, monkeypatch, empty):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        if empty is not None:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", empty)
        monkeypatch.chdir(tmp_path)
        assert choose_uri() == f"sqlite:///{tmp_path}/mlflow.db"


class TestRejected:
    """On one line with the value, and within seconds; MLflow itself tries for minutes."""

    def refused(self, uri, match, **options):
        started = time.monotonic()
        with pytest.raises(SettingError, match=match) as caught:
            open_store(uri, **options)
        assert "\n" not in str(caught.value)
        assert time.monotonic() - started < 8
        return str(caught.value)

    @pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "mlruns", "/tmp/mlruns", "file:mlruns"])
    def test_a_file_store(self, uri):
        message = self.refused(uri, r"^setting tracking_uri must be a database or a server.*; use sqlite:///PATH/mlflow.db")
        assert repr(uri) in message

    def test_a_missing_server(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.refused(f"http://127.0.0.1:{port}", rf"must be a store that answers, got 'http://127.0.0.1:{port}': .*refused")

    def test_a_server_that_does_not_answer(self, monkeypatch):
        """The user's timeout overrides ours."""
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            self.refused(f"http://127.0.0.1:{deaf.getsockname()[1]}", "must be a store that answers.*timed out")
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "1"
        assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ

    def test_a_file_that_is_no_database(self, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("not a database, but a text of some length")
        self.refused(uri_of(path), "must be a store that answers.*file is not a database; start or correct it")
        assert path.read_text().startswith("not a database")

    def test_a_folder(self, tmp_path):
        self.refused(uri_of(tmp_path), "must be a store that answers.*unable to open database file")

    def test_a_path_through_a_file(self, tmp_path):
        (tmp_path / "notes").write_text("")
        self.refused(uri_of(tmp_path / "notes" / "mlflow.db"), "must be a store that answers.*notes")

    @pytest.mark.parametrize("uri", ["mysql://127.0.0.1:1/runs", "carrier-pigeon://loft"])
    def test_a_scheme_without_a_driver(self, uri):
        assert repr(uri) in self.refused(uri, "must be a store that answers")

    def test_a_database_of_another_mlflow(self, store):
        path = Path(store.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE alembic_version SET version_num = 'abcdef'")
        self.refused(store, "must be a store that answers.*abcdef")

    def test_a_missing_database_without_create(self, tmp_path):
        path = tmp_path / "mlflow.db"
        message = self.refused(uri_of(path), "the MLflow store does not exist; train first", create=False)
        assert message.startswith(str(path))
        assert not list(tmp_path.iterdir())

    def test_an_experiment_name_that_mlflow_rejects(self, store):
        with pytest.raises(
            SettingError, match=r"^setting experiment must be a name that the store accepts, got '': [^\n]+$"
        ):
            find_experiment(open_store(store), store, "")


class TestSecrets:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("http://alice:secret@host:1", "http://***@host:1"),
            (
                "at 'postgresql+psycopg2://a:s:e@c@h/db' and http://token@h",
                "at 'postgresql+psycopg2://***@h/db' and http://***@h",
            ),
            ("mysql://h/db?user=a&password=s&charset=utf8", "mysql://h/db?user=***&password=***&charset=utf8"),
            ("got 'http://h/p?sig=s&b=t': no; set it", "got 'http://h/p?sig=***&b=***': no; set it"),
            ("got http://h/?api_key=s; set it", "got http://h/?api_key=***; set it"),
            ("http://h/#access_token=s", "http://h/#access_token=***"),
            ("http://a:x/y?z#w'v@h/p", "http://***@h/p"),
            ('{"uri": "http://h?key=s", "x": "a@b"}', '{"uri": "http://h?key=***", "x": "a@b"}'),
            ("sqlite:////day#a=1/mlflow.db", "sqlite:////day#a=1/mlflow.db"),
            ("sqlite:////a/b@c/mlflow.db", "sqlite:////a/b@c/mlflow.db"),
            ("models:/NAME@champion, a@b", "models:/NAME@champion, a@b"),
        ],
    )
    def test_are_masked(self, text, shown):
        assert mask_secrets(text) == mask_secrets(shown) == shown
        assert str(SettingError(text)) == shown

    def test_a_masked_uri_is_that_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://alice:secret@host")
        assert choose_uri("http://***@host") == "http://alice:secret@host"
        with pytest.raises(SettingError, match=r"got http://\*\*\*@other; set MLFLOW_TRACKING_URI to the whole URI"):
            choose_uri("http://***@other")


def test_a_uri_without_a_scheme_shows_no_password():
    with pytest.raises(SettingError, match=r"got '\*\*\*@host:5000'"):
        open_store("alice:secret@host:5000")


def test_a_question_mark_in_a_given_path_is_rejected_before_anything_is_written(tmp_path):
    (tmp_path / "why?").mkdir()
    with pytest.raises(SettingError, match="whose path has no question mark"):
        open_store(uri_of(tmp_path / "why?" / "mlflow.db"))
    assert [path.name for path in tmp_path.rglob("*")] == ["why?"]


class TestDatabase:
    @pytest.fixture(autouse=True)
    def created_by_mlflow(self, create_database, monkeypatch):
        monkeypatch.setattr(store_module, "_create_database", create_database)

    def test_is_created_with_its_folder_and_keeps_artifacts_beside_it(self, tmp_path):
        uri = uri_of(tmp_path / "new" / "runs.db")
        client = open_store(uri)
        experiment = client.get_experiment(find_experiment(client, uri, "livecell"))
        assert (tmp_path / "new" / "runs.db").is_file()
        assert experiment.artifact_location == (tmp_path / "new" / ARTIFACTS).as_uri()

    @pytest.mark.parametrize("name", ["""it's "a" day""", "day :3 x", "%20 %3F :a", "a\\nb ~ #1", "day 3?", "?", "a?b=c&d"])
    def test_works_in_a_folder_of_any_name(self, tmp_path, monkeypatch, name):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = open_store(choose_uri())
        place = (tmp_path / name / ARTIFACTS).as_uri()
        assert [each.artifact_location for each in client.search_experiments()] == [f"{place}/0"]
        assert find_experiment(client, choose_uri(), "cells") == "1"
        assert os.listdir(tmp_path) == [name]

    def test_an_experiment_is_created_once(self, store):
        client = open_store(store)
        first = find_experiment(client, store, "livecell")
        assert find_experiment(open_store(store), store, "livecell") == first
        assert find_experiment(client, store, "other") != first

    def test_a_deleted_experiment_is_rejected_with_the_remedy(self, store):
        client = open_store(store)
        number = find_experiment(client, store, "livecell")
        client.delete_experiment(number)
        with pytest.raises(SettingError, match=rf"not deleted, got 'livecell'; .*restore --experiment-id {number}$"):
            find_experiment(client, store, "livecell")
        client.restore_experiment(number)
        assert find_experiment(client, store, "livecell") == number

    def test_an_experiment_that_another_process_has_just_created_is_used(self, store, monkeypatch):
        client = open_store(store)
        number = find_experiment(client, store, "livecell")
        look = client.get_experiment_by_name
        answers = iter([None])  # what this process saw before the other one was done
        monkeypatch.setattr(client, "get_experiment_by_name", lambda name: next(answers, look(name)))
        assert find_experiment(client, store, "livecell") == number

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "moment", ["alembic.runtime.migration.HeadMaintainer.update_to_step", "livecell_monai.experiments.store.os.replace"]
    )
    def test_a_killed_process_leaves_no_damaged_database(self, tmp_path, moment):
        """MLflow rejects tables without a recorded version for good."""
        uri = uri_of(tmp_path / "mlflow.db")
        code = (
            "import os, signal\n"
            "from unittest import mock\n"
            "from livecell_monai.experiments.store import open_store\n"
            f"with mock.patch({moment!r}, lambda *_: os.kill(os.getpid(), signal.SIGKILL)):\n"
            f"    open_store({uri!r})\n"
        )
        assert run_python("-c", code).returncode == -signal.SIGKILL
        client = open_store(uri)
        assert find_experiment(client, uri, "livecell")
        assert sorted(path.name for path in tmp_path.iterdir()) == [".mlflow.db.lock", "mlflow.db"]

    @pytest.mark.slow
    def test_an_empty_file_becomes_a_database(self, tmp_path):
        (tmp_path / "mlflow.db").touch()
        uri = uri_of(tmp_path / "mlflow.db")
        assert find_experiment(open_store(uri), uri, "livecell")

    @pytest.mark.slow
    def test_two_processes_create_it_and_log_their_runs_at_once(self, tmp_path):
        prepare_forks()
        answers = FORKS.Queue()
        uri = uri_of(tmp_path / "mlflow.db")
        barrier = FORKS.Barrier(2)
        folders = [tmp_path / name for name in ("first", "second")]
        both = [FORKS.Process(target=create_store_and_log, args=(uri, folder, barrier, answers)) for folder in folders]
        for process in both:
            process.start()
        for process in both:
            process.join(60)
        assert [process.exitcode for process in both] == [0, 0]
        assert not any((folder / ".tracking").exists() for folder in folders)
        client = open_store(uri)
        (experiment,) = client.search_experiments(filter_string="name = 'livecell'")
        runs = client.search_runs([experiment.experiment_id])
        assert {run.info.run_id for run in runs} == {answers.get(timeout=5), answers.get(timeout=5)}
        for run in runs:
            assert run.info.status == "FINISHED"
            for metric in ("val_iou", "val_loss"):
                steps = [one.step for one in client.get_metric_history(run.info.run_id, metric)]
                assert sorted(steps) == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize(
    ("uri", "line"),
    [
        ("http://host:8080", "http://host:8080/#/experiments/1/runs/abc?workflowType=machine_learning"),
        ("https://me:secret@host/sub/?a=b", "https://host/sub/#/experiments/1/runs/abc?workflowType=machine_learning"),
        (
            "sqlite:///{here}/mlflow.db",
            "mlflow ui, then http://127.0.0.1:5000/#/experiments/1/runs/abc?workflowType=machine_learning",
        ),
        ("sqlite:////else/x.db", "mlflow ui --backend-store-uri sqlite:////else/x.db, then http://127.0.0.1:5000/#/exp"),
        ("postgresql://me:secret@host/x", "mlflow ui --backend-store-uri postgresql://***@host/x, then http://"),
    ],
)
def test_where_a_browser_shows_a_run(uri, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = show_run(uri.format(here=tmp_path), "1", "abc")
    assert shown.startswith(line)
    assert "secret" not in shown


def test_a_new_experiment_is_one_of_model_training(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = open_store(uri)
    tags = client.get_experiment(find_experiment(client, uri, "new")).tags
    assert (
        tags.items()
        >= {"mlflow.experimentKind": "custom_model_development", "mlflow.experiment.primaryMetric.name": "iou"}.items()
    )
