"""What a comparison reads of the folders that the commands leave."""

import json
import shutil

import pytest

from livecell_monai.errors import DataError
from livecell_monai.experiments import crossval
from livecell_monai.experiments.compared_folder import RECORD, read_folder
from tests.support.logged_runs import some_scores, write_scores

IMAGES = some_scores(0.5, 0.7)


def test_an_evaluation(tmp_path):
    write_scores(tmp_path / "scores.csv", IMAGES)
    run = read_folder(tmp_path)
    assert (run.name, run.images, run.scored_on, run.data) == (str(tmp_path), IMAGES, "evaluation", "")
    assert (run.id, run.status, run.settings, run.leaks) == ("", "", {}, False)


class TestCrossValidation:
    def test_says_what_it_was_asked(self, tmp_path):
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
    def test_a_record_that_is_none_is_refused(self, tmp_path, text):
        write_scores(tmp_path / "scores.csv", IMAGES)
        (tmp_path / "crossval.json").write_text(text)
        with pytest.raises(DataError, match=r"crossval\.json: must be JSON with the entry started_with"):
            read_folder(tmp_path)

    def test_a_record_that_tells_less_is_shown_with_less(self, tmp_path):
        write_scores(tmp_path / "scores.csv", IMAGES)
        (tmp_path / "crossval.json").write_text('{"started_with": {"folds": 3, "settings": null}}')
        run = read_folder(tmp_path)
        assert (run.images, run.data, run.scored_on) == (IMAGES, "", "cross-validation")

    def test_its_record_has_the_name_that_is_looked_for(self):
        assert crossval.RECORD == RECORD


class TestBundle:
    @pytest.fixture
    def bundle(self, trained, tmp_path):
        """The trained bundle without its weights, to be changed."""
        shutil.copytree(trained[1], tmp_path / "model", ignore=shutil.ignore_patterns("models", "scores.csv"))
        return tmp_path / "model"

    def test_what_it_says_of_its_training(self, bundle):
        run = read_folder(bundle)
        training = json.loads((bundle / "configs" / "metadata.json").read_text())["training"]
        assert (run.kept, run.data, run.seconds) == (training["validation"], training["data_sha256"], training["seconds"])
        assert (run.scored_on, run.images) == ("region, 0.15 of each image", None)
        assert {"lr": "0.02", "filters": "[4, 8]", "split_used": "region"}.items() <= run.settings.items()
        assert {"dataset_dir", "output_dir", "partition"}.isdisjoint(run.settings)
        assert run.best["iou"] >= max(run.last["iou"], run.kept["iou"]) > 0
        assert run.best["loss"] <= run.last["loss"]

    def test_its_scores_by_image(self, bundle):
        write_scores(bundle / "docs" / "scores.csv", IMAGES)
        assert read_folder(bundle).images == IMAGES

    @pytest.mark.parametrize("validation", [None, [], {"iou": None, "loss": float("nan")}, {"iou": "high"}], ids=str)
    def test_one_whose_scores_are_none_is_read_without_them(self, bundle, validation):
        path = bundle / "configs" / "metadata.json"
        metadata = json.loads(path.read_text())
        metadata["training"]["validation"] = validation
        path.write_text(json.dumps(metadata))
        assert read_folder(bundle).kept == {}

    def test_one_without_a_history(self, bundle):
        (bundle / "docs" / "history.csv").unlink()
        run = read_folder(bundle)
        assert (run.last, run.best) == ({}, {})
        assert run.score("iou") == run.kept["iou"]

    @pytest.mark.parametrize(
        ("name", "text", "words"),
        [
            ("configs/metadata.json", "{", "must be JSON with the entry training"),
            ("configs/metadata.json", "{}", "must be JSON with the entry training"),
            ("configs/settings.yaml", "a: [", "must be"),
            ("configs/settings.yaml", "- a", "must be"),
            ("docs/history.csv", "epoch,val_iou\n1,high", "must be the table of a training's epochs"),
            ("docs/history.csv", "epoch\n1", "must be the table of a training's epochs"),
        ],
    )
    def test_one_that_is_torn_is_refused_on_one_line(self, bundle, name, text, words):
        (bundle / name).unlink()
        if text is not None:
            (bundle / name).write_text(text)
        with pytest.raises(DataError, match=words) as caught:
            read_folder(bundle)
        assert str(caught.value).startswith(f"{bundle / name}: ")
        assert "\n" not in str(caught.value)


def test_a_folder_with_neither_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"must hold scores\.csv or be a trained bundle, it is neither"):
        read_folder(tmp_path)
