"""The sides of a comparison: MLflow runs, and the folders that the commands write."""

import json
import math
import os
import shutil

import pytest

from livecell_monai.errors import DataError, LiveCellError
from livecell_monai.experiments import crossval
from livecell_monai.experiments.compared_run import (
    RECORD,
    ComparedRun,
    find_image_scores,
    read_folder,
    read_history,
    read_image_scores,
    read_run,
)
from livecell_monai.experiments.store import find_experiment, open_store
from livecell_monai.metrics import Scores, tabulate_scores
from livecell_monai.runs.atomic import write_table
from tests.support.logged_runs import DATA, log_run, some_scores, write_scores

KEPT = {"iou": 0.7, "accuracy": 0.9, "loss": 0.3}
IMAGES = some_scores(0.5, 0.7)
EPOCHS = ({"iou": 0.6, "loss": 0.2}, {"iou": 0.8, "loss": math.nan}, {"iou": 0.7, "loss": 0.3})


@pytest.fixture
def client(store):
    return open_store(store)


@pytest.fixture
def experiment(client, store):
    return find_experiment(client, store, "livecell")


class TestReadRun:
    def test_a_training(self, client, experiment):
        settings = {"split_used": "region", "validation_fraction": 0.15, "lr": 0.01}
        run_id = log_run(client, experiment, "one", kept=KEPT, epochs=EPOCHS, **settings)
        run = read_run(client.get_run(run_id))
        assert (run.name, run.id, run.status, run.data) == ("one", run_id, "FINISHED", DATA)
        assert (run.kept, run.last) == (KEPT, {"iou": 0.7, "loss": 0.3})
        assert (run.crossval, run.images, run.kind) == ({}, None, "training")
        assert (run.split, run.leaks, run.nested, run.parent) == ("region", False, 0, "")
        assert run.settings["lr"] == "0.01"
        assert run.seconds >= 0

    def test_a_cross_validation_and_its_fold(self, client, experiment):
        parent = log_run(client, experiment, "all", kept={"iou": 0.6, "dice": 0.7}, number_of_folds=3)
        fold = log_run(client, experiment, "fold", kept=KEPT, parent=parent, split_used="given")
        run = read_run(client.get_run(parent))
        assert (run.kind, run.kept) == ("cross-validation", {})
        assert (run.crossval, run.split, run.score("dice")) == ({"iou": 0.6, "dice": 0.7}, "cross-validation", 0.7)
        assert read_run(client.get_run(fold)).parent == parent

    def test_a_running_one_without_metrics(self, client, experiment):
        run = read_run(client.get_run(log_run(client, experiment, "now", "RUNNING")))
        assert (run.status, run.seconds, run.split, run.score("iou")) == ("RUNNING", None, "", None)

    def test_a_diverged_loss_is_left_out(self, client, experiment):
        run_id = log_run(client, experiment, "gone", kept={"iou": 0.1, "loss": math.nan})
        assert read_run(client.get_run(run_id)).kept == {"iou": 0.1}


class TestScore:
    def test_scores_by_image_override_logged_scores(self):
        run = ComparedRun(
            "a", kept={"iou": 0.9, "loss": 0.2}, last={"iou": 0.1, "accuracy": 0.5}, images=some_scores(0.4, 0.6)
        )
        assert run.score("iou") == pytest.approx(0.5)
        assert run.score_images("iou") == {"a": 0.4, "b": 0.6}
        assert (run.score("loss"), run.score_images("loss")) == (0.2, {})

    def test_kept_overrides_last(self):
        run = ComparedRun("a", kept={"iou": 0.9}, last={"iou": 0.1, "accuracy": 0.5})
        assert (run.score("iou"), run.score("accuracy"), run.score("dice")) == (0.9, 0.5, None)

    def test_a_metric_that_one_image_lacks_is_left_out(self):
        run = ComparedRun("a", images=some_scores(0.4, 0.6))
        assert (run.score("surface_dice"), run.score_images("surface_dice")) == (None, {})


@pytest.mark.parametrize(
    ("split", "settings", "words"),
    [
        ("region", {"validation_fraction": "0.15", "seed": "3"}, "region, 0.15 of each image"),
        ("images", {"validation_fraction": "0.15", "seed": "3"}, "images, 0.15 of them by seed 3"),
        ("region", {}, "region"),
        ("given", {"validation_fraction": "0.15"}, "given"),
        ("", {}, ""),
    ],
)
def test_scored_on(split, settings, words):
    assert ComparedRun("a", split=split, settings=settings).scored_on == words


@pytest.mark.parametrize(("split", "leaks"), [("original", True), ("none", True), ("region", False), ("", False)])
def test_a_split_that_leaks(split, leaks):
    assert ComparedRun("a", split=split).leaks is leaks


def test_scores_of_cells_of_some_epochs(client, experiment, tmp_path):
    epochs = [{"iou": 0.5, "ap50": 0.3, "count_error": 0.4}, {"iou": 0.6}, {"iou": 0.55, "ap50": 0.2, "count_error": 0.1}]
    run = read_run(client.get_run(log_run(client, experiment, "cells", kept={"iou": 0.55, "ap50": 0.2}, epochs=epochs)))
    assert (run.kept["ap50"], run.last["ap50"], run.score("ap50")) == (0.2, 0.2, 0.2)
    table = [{f"val_{name}": row.get(name, "") for name in ("iou", "accuracy", "loss", "ap50")} for row in epochs]
    write_table(tmp_path / "history.csv", table)
    assert read_history(tmp_path / "history.csv")["ap50"] == pytest.approx([0.3, float("nan"), 0.2], nan_ok=True)


class TestFindImageScores:
    @pytest.mark.parametrize("folder", ["", "bundle/docs/"])
    def test_both_folders(self, client, experiment, folder, capfd, monkeypatch):
        monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "true")
        images = some_scores(0.5, 0.7)
        run = read_run(client.get_run(log_run(client, experiment, "one", images=images, folder=folder)))
        assert find_image_scores(client, run) == images
        assert "Downloading" not in capfd.readouterr().err
        assert os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] == "true"

    def test_an_old_run_has_none(self, client, experiment):
        run_id = log_run(client, experiment, "old")
        client.log_text(run_id, "epoch", "bundle/docs/history.csv")
        assert find_image_scores(client, read_run(client.get_run(run_id))) is None

    def test_an_invalid_table_is_rejected_with_the_name_of_the_run(self, client, experiment):
        run_id = log_run(client, experiment, "torn")
        client.log_text(run_id, "image,iou\na,0.5\n", "bundle/docs/scores.csv")
        with pytest.raises(DataError, match=r"^run torn, bundle/docs/scores\.csv: a table of scores must have"):
            find_image_scores(client, read_run(client.get_run(run_id)))


def test_an_evaluation(tmp_path):
    write_scores(tmp_path / "scores.csv", IMAGES)
    run = read_folder(tmp_path)
    assert (run.name, run.images, run.scored_on, run.data) == (str(tmp_path), IMAGES, "evaluation", "")
    assert (run.id, run.status, run.settings, run.leaks) == ("", "", {}, False)


class TestCrossValidation:
    def test_its_settings(self, tmp_path):
        write_scores(tmp_path / "scores.csv", IMAGES)
        folds = {"fold_1": ["a"], "fold_2": ["b"]}
        started_with = {
            "data_sha256": "ab" * 32,
            "folds": folds,
            "recipe": "planned",
            "settings": {"lr": 0.1, "filters": [4, 8]},
        }
        (tmp_path / "crossval.json").write_text(json.dumps({"started_with": started_with}))
        run = read_folder(tmp_path)
        assert (run.images, run.scored_on, run.data) == (IMAGES, "cross-validation", "ab" * 32)
        assert run.settings == {"recipe": "planned", "number_of_folds": "2", "lr": "0.1", "filters": "[4, 8]"}

    @pytest.mark.parametrize("text", ["", "[]", '{"summary": 1}', '{"started_with": 1}'])
    def test_an_invalid_record_is_rejected(self, tmp_path, text):
        write_scores(tmp_path / "scores.csv", IMAGES)
        (tmp_path / "crossval.json").write_text(text)
        words = r"crossval\.json: the record of a cross-validation cannot be read; run it again in another folder"
        with pytest.raises(DataError, match=words):
            read_folder(tmp_path)

    def test_an_incomplete_record_is_read(self, tmp_path):
        write_scores(tmp_path / "scores.csv", IMAGES)
        (tmp_path / "crossval.json").write_text('{"started_with": {"folds": 3, "settings": null}}')
        run = read_folder(tmp_path)
        assert (run.images, run.data, run.scored_on) == (IMAGES, "", "cross-validation")

    def test_the_name_of_its_record(self):
        assert crossval.RECORD == RECORD


class TestBundle:
    @pytest.fixture
    def bundle(self, trained, tmp_path):
        """A copy of the trained bundle without its weights."""
        shutil.copytree(trained[1], tmp_path / "model", ignore=shutil.ignore_patterns("models", "scores.csv"))
        return tmp_path / "model"

    def test_its_training(self, bundle):
        run = read_folder(bundle)
        training = json.loads((bundle / "configs" / "metadata.json").read_text())["training"]
        assert (run.kept, run.data, run.seconds) == (training["validation"], training["data_sha256"], training["seconds"])
        assert (run.scored_on, run.images) == ("region, 0.15 of each image", None)
        assert {"lr": "0.02", "filters": "[4, 8]", "split_used": "region"}.items() <= run.settings.items()
        assert {"dataset_dir", "output_dir", "partition"}.isdisjoint(run.settings)
        assert run.last["iou"] > 0

    def test_its_scores_by_image(self, bundle):
        write_scores(bundle / "docs" / "scores.csv", IMAGES)
        assert read_folder(bundle).images == IMAGES

    @pytest.mark.parametrize("validation", [None, [], {"iou": None, "loss": float("nan")}, {"iou": "high"}], ids=str)
    def test_invalid_scores_are_left_out(self, bundle, validation):
        path = bundle / "configs" / "metadata.json"
        metadata = json.loads(path.read_text())
        metadata["training"]["validation"] = validation
        path.write_text(json.dumps(metadata))
        assert read_folder(bundle).kept == {}

    def test_without_a_history(self, bundle):
        (bundle / "docs" / "history.csv").unlink()
        run = read_folder(bundle)
        assert run.last == {}
        assert run.score("iou") == run.kept["iou"]

    @pytest.mark.parametrize(
        ("name", "text", "words"),
        [
            ("configs/metadata.json", "{", "the metadata must be JSON"),
            ("configs/metadata.json", "[]", "the metadata must be a JSON object"),
            ("configs/settings.yaml", "a: [", "must be"),
            ("configs/settings.yaml", "- a", "must be"),
            ("docs/history.csv", "epoch,val_iou\n1,high", "must be the table of a training's epochs"),
            ("docs/history.csv", "epoch\n1", "must be the table of a training's epochs"),
        ],
    )
    def test_a_damaged_one_is_rejected_on_one_line(self, bundle, name, text, words):
        (bundle / name).unlink()
        if text is not None:
            (bundle / name).write_text(text)
        with pytest.raises(LiveCellError, match=words) as caught:
            read_folder(bundle)
        assert str(caught.value).startswith(f"{bundle / name}: ")
        assert "\n" not in str(caught.value)


def test_an_empty_folder_is_rejected(tmp_path):
    with pytest.raises(DataError, match=r"must hold scores\.csv or be a trained bundle, it is neither"):
        read_folder(tmp_path)


def test_a_learning_curve_is_rejected(tmp_path):
    (tmp_path / "learning_curve.json").write_text("{}")
    (tmp_path / "scores.csv").write_text(f"{HEAD}\na,1,2,3,4\na,1,2,3,4")
    with pytest.raises(
        DataError, match=r"must score each image once, this learning curve .* name one of the folders in it$"
    ):
        read_folder(tmp_path)


A, B = Scores(10, 5, 5, 80), Scores(0, 0, 0, 100, {"surface_dice": 1.0})
HEAD = "image,tp,fp,fn,tn"


def row_of(name, scores, **more):
    return {**more, **tabulate_scores(name, scores)}


def test_a_table_is_read_as_it_was_written(tmp_path):
    write_table(tmp_path / "scores.csv", [row_of("b", B), row_of("a, b", A)])
    found = read_image_scores(tmp_path / "scores.csv")
    assert found == {"b": B, "a, b": A}
    assert list(found) == ["b", "a, b"]
    assert found["a, b"].iou == 0.5


def test_a_column_of_folds_and_a_missing_metric_are_accepted(tmp_path):
    write_table(tmp_path / "scores.csv", [row_of("a", A, fold="fold_1")])
    assert read_image_scores(tmp_path / "scores.csv") == {"a": A}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "must have a row for each image, found none"),
        (HEAD, "must have a row for each image, found none"),
        (f"{HEAD}\na,1,2,3,4\na,1,2,3,4", "each image must have one row, a has two"),
        ("image,iou\na,0.5", "tp, fp, fn, tn is missing"),
        (f"{HEAD}\na,1,2,3", "tn is missing"),
        (f"{HEAD}\n,1,2,3,4", "image is missing"),
        (f"{HEAD}\na,1,2,3,four", "a must have whole numbers of pixels"),
        (f"{HEAD}\na,1.5,2,3,4", "a must have whole numbers of pixels"),
        (f"{HEAD}\na,-1,2,3,4", "a must have possible scores, got tp -1"),
        (f"{HEAD}\na,0,0,0,0", "a must have possible scores"),
        (f"{HEAD},surface_dice\na,1,2,3,4,nan", "a must have possible scores, .* surface_dice nan"),
        (f"{HEAD},surface_dice\na,1,2,3,4,1.5", "a must have possible scores"),
        (b"image,tp\n\xff\xfe,1", "must be a CSV table"),
    ],
)
def test_an_invalid_table_is_rejected_on_one_line(tmp_path, content, words):
    path = tmp_path / "scores.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=words) as caught:
        read_image_scores(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_rejected_by_the_given_name(tmp_path):
    with pytest.raises(DataError, match=r"^run x, scores\.csv: must be a CSV table, got: .*No such file"):
        read_image_scores(tmp_path / "scores.csv", "run x, scores.csv")
