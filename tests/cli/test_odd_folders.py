"""Every command works in a folder whose name has the characters of config syntax, and shows no secret of a store."""

import os
import shutil
import string
from pathlib import Path

import pytest

from tests.support.commands import livecell, refused, small
from tests.support.worlds import write_folder

#: every printable character of ASCII that is no letter or digit, but for the slash
NAME = f"day 3 {''.join(char for char in string.punctuation if char != '/')}"
STUDY = small(checkpoint_selection="last")  # a study does not choose by what it is scored on


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """The working folder, of an odd name, with data."""
    write_folder(tmp_path / NAME / "data")
    monkeypatch.chdir(tmp_path / NAME)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / NAME


def call(*arguments):
    done = livecell(*arguments)
    lines = [line for line in done.err.splitlines() if " trainings of " not in line]  # what a study costs
    assert (done.code, lines) == (0, [])
    return done.out


@pytest.mark.slow
def test_train_predict_evaluate_report(odd, without_figures):
    call("train", "data", "-o", "out #1", *small(track=True, experiment="@e", run_name="$r #1"))
    call("predict", "out #1", odd / "data/test/images", "-o", "%masks #1", "--set", "show_progress=false")
    assert sorted(path.name for path in (odd / "%masks #1").glob("*.tif")) == ["test_00.tif", "test_01.tif"]
    call("evaluate", "out #1", "data", "-o", "@scores", "--set", "show_progress=false")
    assert (odd / "@scores" / "scores.csv").is_file()
    call("report", "out #1", "--data", "data", "-o", "#.html")
    assert "$r #1" in call("compare", "--experiment", "@e")
    found = {"data", "out #1", "%masks #1", "@scores", "#.html", "mlflow.db", "mlartifacts", ".mlflow.db.lock"}
    assert set(os.listdir(odd)) == found
    assert os.listdir(odd.parent) == [NAME]


@pytest.mark.slow
def test_crossval_and_sweep(odd, without_figures):
    call("crossval", "data", "-o", "#cv", "--folds", "2", *STUDY)
    call("sweep", "data", "-o", "#sweep", "--trials", "1", *STUDY)
    assert {"crossval.json"} <= set(os.listdir(odd / "#cv"))
    assert set(os.listdir(odd)) == {"data", "#cv", "#sweep"}
    assert os.listdir(odd.parent) == [NAME]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["day 3?", "my%20data", """it's "a" :b"""])
def test_the_store_is_written_in_a_folder_whose_name_means_something_in_a_uri(odd, tmp_path, monkeypatch, name):
    shutil.move(odd, tmp_path / name)
    monkeypatch.chdir(tmp_path / name)
    call("train", "data", "-o", "model", *small(track=True, run_name="one"))
    assert set(os.listdir()) == {"data", "model", "mlflow.db", "mlartifacts", ".mlflow.db.lock"}
    assert "one" in call("compare")
    call("register", "model", "--name", "cells")
    call("predict", "models:/cells/1", "data/test/images", "-o", "masks", "--set", "show_progress=false")
    assert len(list(Path("masks").glob("*.tif"))) == 2
    assert os.listdir(tmp_path) == [name]


def test_no_secret_of_the_tracking_uri_is_shown_or_kept(odd, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    uri = "http://alice:sesame@127.0.0.1:9"
    done = livecell("train", "data", "-o", "model", *small(track=True, tracking_uri=uri))
    assert done.code == 0
    sent = livecell("sync", "model")
    refused(sent, "http://***@127.0.0.1:9; set MLFLOW_TRACKING_URI")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    sent_again = livecell("sync", "model")
    refused(sent_again, "must be a store that answers, got 'http://***@127.0.0.1:9'")
    shown = [each.out + each.err for each in (done, sent, sent_again)]
    kept = [path.read_bytes() for path in odd.rglob("*") if path.is_file()]
    assert (odd / "model" / ".tracking" / "entries.jsonl").is_file()
    for word in ("sesame", "alice"):
        assert not any(word in text for text in shown)
        assert not any(word.encode() in content for content in kept)
