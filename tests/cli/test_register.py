"""`livecell register`, and the registered model in place of a bundle folder."""

import os
import shutil
import time

import pytest
import tifffile

from livecell_monai.experiments.store import find_experiment, open_store
from tests.support.commands import livecell, refused
from tests.support.fresh import run_python
from tests.support.small_training import train_small

QUIET = ("--set", "show_progress=false")


@pytest.fixture(scope="module")
def world(trained, tmp_path_factory):
    """A working folder with a tracked training, its bundle in `model`, registered once by its run's name."""
    root = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        train_small(trained[0], root / "model", track=True, run_name="first", epochs=1)
        said = livecell("register", "first", "--name", "cells")
    return root, said


@pytest.fixture(autouse=True)
def inside(world, monkeypatch):
    monkeypatch.chdir(world[0])
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_registers_a_run_and_prints_the_next_commands(world):
    said = world[1]
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "models:/cells/1, of run first"
    assert "livecell predict models:/cells/1 IMAGES" in lines[1]
    assert "mlflow models serve -m models:/cells/1" in lines[2]


def test_predict_takes_folder_run_and_model_alike(trained, tmp_path):
    images = trained[0] / "test" / "images"
    masks = []
    for number, bundle in enumerate(("model", "first", "models:/cells/1")):
        outcome = livecell("predict", bundle, images, "-o", tmp_path / str(number), *QUIET)
        assert (outcome.code, outcome.err) == (0, "")
        masks.append((tmp_path / str(number) / "test_00.tif").read_bytes())
    assert masks[0] == masks[1] == masks[2]
    assert tifffile.imread(tmp_path / "2" / "test_00.tif").shape == tifffile.imread(images / "test_00.tif").shape


def test_evaluate_takes_a_model(trained, tmp_path):
    outcome = livecell("evaluate", "models:/cells/1", trained[0], "-o", tmp_path / "scores", *QUIET)
    assert (outcome.code, outcome.err) == (0, "")
    assert (tmp_path / "scores" / "scores.csv").is_file()


def test_registers_a_folder_without_a_store(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = livecell("register", world[0] / "model", "--name", "cells")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[0] == "models:/cells/1"
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["mlartifacts", "mlflow.db"]


class TestRefusals:
    def test_no_such_run(self):
        refused(livecell("register", "nobody", "--name", "cells"), "run nobody", "there is none")

    def test_a_run_that_is_still_running(self, world):
        uri = f"sqlite:///{world[0] / 'mlflow.db'}"
        client = open_store(uri)
        run = client.create_run(find_experiment(client, uri, "livecell"), run_name="busy").info.run_id
        for name in ("busy", run):
            refused(livecell("register", name, "--name", "cells"), "must have finished, it is RUNNING")
        client.set_terminated(run, "KILLED")

    def test_no_such_folder(self):
        refused(livecell("register", "no/model", "--name", "cells"), "no/model: must be a bundle folder, there is none")
        refused(livecell("predict", "no/model", "model", "-o", "masks"), "no/model: must be a bundle folder, there is none")

    def test_no_name(self):
        outcome = livecell("register", "model")
        assert outcome.code == 2
        assert "--name" in outcome.err

    @pytest.mark.slow
    @pytest.mark.parametrize("command", ["register", "predict"])
    def test_a_missing_server_is_reported_in_seconds(self, world, command, tmp_path):
        words = {"register": ["first", "--name", "cells"], "predict": ["models:/cells/1", "images", "-o", "masks"]}[command]
        code = "import sys; from livecell_monai import cli; sys.argv[0] = 'livecell'; cli.main()"
        before, started = sorted(world[0].iterdir()), time.monotonic()
        told = {**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
        done = run_python("-c", code, command, *words, cwd=world[0], environment=told)
        assert time.monotonic() - started < 60
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert "setting tracking_uri must be a store that answers, got 'http://127.0.0.1:9'" in line
        assert sorted(world[0].iterdir()) == before

    def test_a_registered_model_that_is_not_there(self):
        outcome = livecell("predict", "models:/cells/7", "model", "-o", "masks")
        refused(outcome, "models:/cells/7: must be a model of the registry")

    def test_an_existing_output_is_kept(self, world, trained, tmp_path):
        shutil.copytree(trained[0] / "test" / "images", tmp_path / "masks")
        outcome = livecell("predict", "models:/cells/1", trained[0] / "test" / "images", "-o", tmp_path / "masks", *QUIET)
        refused(outcome, "already exists")
