"""`livecell compare`: tables, files and errors."""

import csv
import shutil
import socket

import pytest

from livecell_monai.experiments.store import find_experiment, open_store
from tests.support.commands import livecell, refused
from tests.support.logged_runs import log_run, some_scores, write_scores

FIRST, OTHER = some_scores(0.5, 0.6, 0.7, 0.8), some_scores(0.55, 0.6, 0.6, 0.9)
REGION = {"split_used": "region", "validation_fraction": 0.15}


@pytest.fixture(scope="module")
def noted(empty_store, tmp_path_factory):
    """A folder with a store of runs and the scores of two evaluations, only to be read."""
    root = tmp_path_factory.mktemp("noted")
    shutil.copyfile(empty_store, root / "mlflow.db")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    client = open_store(uri)
    number = find_experiment(client, uri, "livecell")
    docs = "bundle/docs/"
    log_run(client, number, "first", kept={"iou": 0.65}, images=FIRST, folder=docs, lr=0.1, **REGION)
    log_run(client, number, "other", kept={"iou": 0.66}, images=OTHER, folder=docs, lr=0.2, data="f" * 64, **REGION)
    parent = log_run(client, number, "folds", kept={"iou": 0.5}, images=some_scores(0.4, 0.5), number_of_folds=2)
    log_run(client, number, "fold-1", kept={"iou": 0.4}, parent=parent)
    log_run(client, number, "running", "RUNNING")
    write_scores(root / "scores_a" / "scores.csv", FIRST)
    write_scores(root / "scores_b" / "scores.csv", OTHER)
    return root


@pytest.fixture
def here(noted, monkeypatch):
    """The folder as the working folder."""
    monkeypatch.chdir(noted)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return noted


def rows_of(text):
    """First cell and the others of each line of a table, by columns that lie two spaces apart."""
    return {
        line.split("  ")[0]: [cell.strip() for cell in line.split("  ")[1:] if cell.strip()] for line in text.splitlines()
    }


class TestList:
    def test_trainings_only_by_default(self, here):
        outcome = livecell("compare")
        assert (outcome.code, outcome.err) == (0, "")
        rows = rows_of(outcome.out)
        assert {"first", "other", "running"} <= set(rows)
        assert {"folds", "fold-1"}.isdisjoint(rows)
        assert rows["first"][:2] == ["training", "FINISHED"]
        assert "2 studies, folds, parts and trials are not listed: add --all" in outcome.out.splitlines()

    def test_all_runs_with_their_kind_and_the_number_of_what_lies_under_them(self, here):
        outcome = livecell("compare", "--all")
        assert (outcome.code, outcome.err) == (0, "")
        rows = rows_of(outcome.out)
        assert rows["running"] == ["training", "RUNNING", "01234567"]
        assert (rows["folds"][0], rows["fold-1"][0]) == ("cross-validation", "fold")
        assert "not listed" not in outcome.out
        header = outcome.out.splitlines()[0].split()
        assert header[:9] == ["run", "kind", "status", "IoU", "accuracy", "loss", "seconds", "data", "nested"]
        assert rows["folds"][2] == "0.500"

    def test_other_data_give_a_warning(self, here):
        line = next(line for line in livecell("compare").out.splitlines() if "trained on different data" in line)
        assert line.startswith("WARNING: ")
        assert "other (ffffffff)" in line

    def test_as_a_file(self, here, tmp_path):
        outcome = livecell("compare", "--all", "--csv", tmp_path / "runs.csv", "--html", tmp_path / "runs.html")
        assert outcome.out.splitlines()[-2:] == [f"written: {tmp_path / 'runs.csv'}", f"written: {tmp_path / 'runs.html'}"]
        with open(tmp_path / "runs.csv", encoding="utf-8", newline="") as stream:
            rows = {row["run"]: row for row in csv.DictReader(stream)}
        assert rows["folds"]["nested_runs"] == "1"
        assert "<td>RUNNING</td>" in (tmp_path / "runs.html").read_text(encoding="utf-8")


class TestSides:
    def test_two_runs(self, here):
        outcome = livecell("compare", "first", "other")
        assert (outcome.code, outcome.err) == (0, "")
        rows = rows_of(outcome.out)
        assert rows["IoU by image, mean"] == ["0.662", "0.650"]
        assert rows["other"][:2] == ["4", "+0.013"]
        assert rows["lr"] == ["0.2", "0.1"]
        assert "WARNING: trained on different data: first (01234567); other (ffffffff)" in outcome.out.splitlines()
        assert "WARNING: other and first are paired by the names of images, though the data differ" in outcome.out

    def test_two_folders_without_any_store(self, here, tmp_path, monkeypatch):
        for name in ("scores_a", "scores_b"):
            shutil.copytree(here / name, tmp_path / name)
        monkeypatch.chdir(tmp_path)
        outcome = livecell("compare", "scores_a", "scores_b", "--metric", "dice", "--csv", "c.csv", "--html", "c.html")
        assert (outcome.code, outcome.err) == (0, "")
        assert "WARNING" not in outcome.out
        assert sorted(path.name for path in tmp_path.iterdir()) == ["c.csv", "c.html", "scores_a", "scores_b"]
        with open("c.csv", encoding="utf-8", newline="") as stream:
            best, first = csv.DictReader(stream)
        assert (best["run"], best["reference"], best["metric"]) == ("scores_b", "scores_a", "dice")
        assert float(best["difference"]) == pytest.approx(float(best["score"]) - float(first["score"]))
        assert float(best["difference_low"]) <= float(best["difference"]) <= float(best["difference_high"])
        assert "Dice minus that of scores_a" in (tmp_path / "c.html").read_text(encoding="utf-8")

    def test_files_are_overwritten_on_request_only(self, here, tmp_path):
        (tmp_path / "c.csv").write_text("mine")
        command = ("compare", "scores_a", "scores_b", "--csv", tmp_path / "c.csv")
        refused(livecell(*command), "c.csv: already exists; choose another name or add --overwrite")
        assert (tmp_path / "c.csv").read_text() == "mine"
        assert livecell(*command, "--overwrite").code == 0
        assert (tmp_path / "c.csv").read_text().startswith("run,id,")


@pytest.mark.slow  # test_comparison asks a server as well
def test_on_a_server(server, tmp_path):
    uri, _ = server
    client = open_store(uri)
    number = find_experiment(client, uri, "shown")
    for name, images in (("here", FIRST), ("there", OTHER)):
        log_run(client, number, name, kept={"iou": 0.6}, images=images, folder="bundle/docs/", **REGION)
    log_run(client, number, "under way", "RUNNING")
    outcome = livecell("compare", "here", "there", "--uri", uri, "--html", tmp_path / "c.html")
    assert (outcome.code, outcome.err) == (0, "")
    assert rows_of(outcome.out)["there"][:2] == ["4", "+0.013"]
    assert (tmp_path / "c.html").is_file()
    assert set(rows_of(livecell("compare", "--uri", uri, "--experiment", "shown").out)) == {
        "run",
        "here",
        "there",
        "under way",
    }
    refused(livecell("compare", "here", "under way", "--uri", uri), "run under way: must have ended, it is RUNNING")


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("first", "none"), "run none: must be a folder, or the id or name of a run, there is none"),
            (("first", "running"), "run running: must have ended, it is RUNNING"),
            (("first", "folds", "--metric", "loss"), "run first: must have the metric loss, it has: iou"),
            (("first", "--metric", "auc"), "--metric must be one of iou"),
            (("--metric", "dice"), "--metric must be one that a run has"),
            (("first", "first"), "each run must be named once"),
            (("first", "."), "must hold scores.csv or be a trained bundle"),
        ],
    )
    def test_on_one_line_with_nothing_written(self, here, tmp_path, arguments, words):
        outcome = livecell("compare", *arguments, "--csv", tmp_path / "c.csv", "--html", tmp_path / "c.html")
        refused(outcome, words)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("runs", [(), ("first",)])
    def test_a_server_that_does_not_answer(self, here, tmp_path, runs):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            uri = f"http://127.0.0.1:{listener.getsockname()[1]}"
        refused(livecell("compare", *runs, "--uri", uri, "--csv", tmp_path / "c.csv"), "must be a store that answers", uri)
        assert not list(tmp_path.iterdir())

    def test_a_torn_table(self, here, tmp_path):
        write_scores(tmp_path / "torn" / "scores.csv", FIRST)
        table = tmp_path / "torn" / "scores.csv"
        table.write_text(table.read_text()[:-5])
        refused(livecell("compare", "scores_a", tmp_path / "torn"), f"{table}: ", "write it again")
