"""`livecell sweep`: a line for each trial, a table, the best bundle; errors in one line."""

import json
import socket

import pytest

from livecell_monai.cli.studies import _describe_starts
from tests.support.commands import livecell, refused
from tests.support.small_training import SMALL

pytestmark = pytest.mark.usefixtures("without_figures")

OPTIONS = {**SMALL, "checkpoint_selection": "last", "epochs": 1, "samples_per_epoch": 4}
GIVEN = [part for name, value in OPTIONS.items() for part in ("--set", f"{name}={json.dumps(value)}")]


def test_prints_each_trial_and_the_best_at_the_end(folder, tmp_path):
    done = livecell("sweep", folder, "-o", tmp_path / "out", "--trials", 2, *GIVEN)
    assert (done.code, done.err.count("trainings of")) == (0, 1)
    lines = done.out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["trial 0", "trial 1"]
    assert "complete, validation IoU 0." in lines[0]
    assert lines[2].split() == ["trial", "state", "IoU", "seconds", "lr", "dropout", "loss", "strength"]
    assert "importance" in done.out
    assert "fixed by --set, not searched: batch_size" in lines
    assert lines[-2].startswith("best of 2: trial ")
    assert lines[-1] == f"bundle: {tmp_path / 'out' / 'best'}, table: {tmp_path / 'out' / 'sweep.csv'}"
    assert (tmp_path / "out" / "best" / "configs" / "metadata.json").is_file()


def test_trials_with_and_without_the_start_are_named():
    def of(*starts):
        rows = [{"state": "complete", "began_from": start} for start in starts]
        return _describe_starts([*rows, {"state": "pruned", "began_from": ""}])

    assert of("auto", "auto") == of("none", "none") == of() == ""
    assert of("auto", "none", "auto").startswith("note: 1 of 3 complete trials began from random weights")


class TestRefusals:
    """One line, exit code 2, nothing written."""

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--trials", "0"], ["--trials must be 1 or more, got 0"]),
            (["--space", "none.yaml"], ["none.yaml: the search space must be a YAML file"]),
            (["--storage", "nonsense"], ["--storage must be a database that answers"]),
            (["--set", "split=original"], ["setting split must be one of auto, images, region in a sweep"]),
            (["--set", "nonsense=1"], ["setting nonsense does not exist"]),
            (["--objective", "dice"], ["--objective must be one of iou, accuracy, ap50", "got 'dice'"]),
            (["--objective", "ap50"], ["--objective ap50 must be a score of a bundle that writes cells"]),
            (["--config", "sweep"], ["sweep.yaml: setting strength does not exist"]),
        ],
        ids=lambda value: value[0].strip("-") if isinstance(value, list) else None,
    )
    def test_of_options(self, folder, tmp_path, monkeypatch, options, words):
        monkeypatch.chdir(tmp_path)
        refused(livecell("sweep", folder, "-o", "out", *GIVEN, *options), *words)
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]

    def test_of_a_tracking_server_that_does_not_answer(self, folder, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        refused(livecell("sweep", folder, "-o", "out", *GIVEN, "--set", "track=true"), "must be a store that answers")
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]

    def test_of_a_space_with_nothing_left(self, folder, tmp_path):
        (tmp_path / "space.yaml").write_text("lr: {low: 0.001, high: 0.1}")
        options = ("--space", tmp_path / "space.yaml", "--set", "lr=0.01")
        refused(livecell("sweep", folder, "-o", tmp_path / "out", *GIVEN, *options), "an entry that --set does not fix")

    def test_of_data_without_labels(self, folder, tmp_path):
        for path in (folder / "train" / "labels").iterdir():
            path.unlink()
        refused(livecell("sweep", folder, "-o", tmp_path / "out", *GIVEN), "label")
        assert not (tmp_path / "out").exists()
