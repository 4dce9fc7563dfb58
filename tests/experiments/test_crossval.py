"""Cross-validation: every image scored once by a network that has not seen it, and gone on where it was stopped."""

import csv
import json

import pytest
from small_training import SMALL

from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments import crossval
from livecell_monai.experiments.crossval import cross_validate
from livecell_monai.experiments.store import open_store
from livecell_monai.metrics.scores import NAMES, Scores, summarise_scores

TINY = {name: value for name, value in SMALL.items() if name != "keep"} | {"epochs": 1, "samples_per_epoch": 4}
NAMES_OF = ["train_01", "train_02", "train_03"]


def read_rows(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished cross-validation of three images with its store, made once and only to be read."""
    from worlds import write_folder

    root = tmp_path_factory.mktemp("crossval")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    result = cross_validate(
        write_folder(root / "data"), root / "folds", settings={**TINY, "track": True, "tracking_uri": uri}
    )
    return root, uri, result


class TestResult:
    def test_each_image_is_scored_once_by_its_own_fold(self, done):
        root, _, result = done
        assert [(row["fold"], row["image"]) for row in result.rows] == [
            (f"fold_{i}", name) for i, name in enumerate(NAMES_OF, start=1)
        ]
        assert [dict(row) for row in read_rows(root / "folds" / "scores.csv")] == result.rows

    def test_no_fold_was_trained_on_what_it_is_scored_on(self, done):
        root, _, _ = done
        for index, name in enumerate(NAMES_OF, start=1):
            lists = json.loads((root / "folds" / f"fold_{index}.json").read_text())
            assert [name in entry["image"] for entry in lists["test"]] == [True]
            assert not any(name in entry["image"] for entry in lists["training"])
            facts = json.loads((root / "folds" / f"fold_{index}" / "configs" / "metadata.json").read_text())["training"]
            assert facts["split"] == "given"
            assert facts["kept_epoch"] == facts["epochs_run"] == 1

    def test_the_summary_is_that_of_the_scores_and_says_what_it_rests_on(self, done):
        root, _, result = done
        scores = [Scores(*(int(row[name]) for name in ("tp", "fp", "fn", "tn"))) for row in result.rows]
        assert {name: result.summary[name] for name in summarise_scores(scores)} == summarise_scores(scores)
        assert (result.summary["images"], result.summary["cells"], result.summary["folds"]) == (3, 15, 3)
        lowest = min(result.rows, key=lambda row: float(row["iou"]))["image"]
        assert result.summary["worst_image"] == lowest
        assert json.loads((root / "folds" / "crossval.json").read_text())["summary"] == result.summary

    def test_a_run_for_each_fold_lies_under_one(self, done):
        _, uri, result = done
        client = open_store(uri)
        runs = client.search_runs([client.get_experiment_by_name("livecell").experiment_id])
        (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
        nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert len(nested) == 3 == len(runs) - 1
        assert all(run.info.status == "FINISHED" for run in runs)
        expected = {f"crossval_{name}": pytest.approx(result.summary[name]["mean"]) for name in NAMES}
        assert parent.data.metrics == expected
        assert {entry.path for entry in client.list_artifacts(parent.info.run_id)} == {"crossval.json", "scores.csv"}


class TestGoingOn:
    def test_a_fold_that_is_there_is_not_trained_again(self, folder, tmp_path, monkeypatch):
        trained, real = [], crossval.train

        def stopping(data, *args, **kwargs):
            trained.append(data.stem)
            if len(trained) == 2:
                raise KeyboardInterrupt
            return real(data, *args, **kwargs)

        monkeypatch.setattr(crossval, "train", stopping)
        with pytest.raises(KeyboardInterrupt):
            cross_validate(folder, tmp_path / "out", settings=TINY)
        assert (tmp_path / "out" / "fold_1").is_dir()
        assert not (tmp_path / "out" / "scores.csv").exists()
        (tmp_path / "out" / "fold_2.partial").mkdir()  # as a kill would leave it
        (tmp_path / "out" / "fold_2.partial" / "half").write_text("")
        result = cross_validate(folder, tmp_path / "out", settings=TINY)
        assert trained == ["fold_1", "fold_2", "fold_2", "fold_3"]
        assert len(result.rows) == 3
        assert not list((tmp_path / "out").glob("*.partial"))
        trained.clear()
        assert cross_validate(folder, tmp_path / "out", settings=TINY).summary == result.summary
        assert trained == []

    @pytest.mark.parametrize(
        ("change", "word"),
        [({"settings": {**TINY, "lr": 0.1}}, "settings"), ({"folds": 2}, "folds"), ({"recipe": "original"}, "recipe")],
    )
    def test_another_one_in_the_same_folder_is_refused(self, folder, tmp_path, change, word, monkeypatch):
        monkeypatch.setattr(crossval, "train", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            cross_validate(folder, tmp_path / "out", settings=TINY)
        with pytest.raises(DataError, match=f"goes on only as it began, .*{word}.* differ"):
            cross_validate(folder, tmp_path / "out", **{"settings": TINY, **change})

    @pytest.mark.parametrize("text", ["", "[]", '{"summary": 1}'])
    def test_a_record_that_is_none_is_refused(self, folder, tmp_path, text):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "crossval.json").write_text(text)
        with pytest.raises(DataError, match="must be the record of a cross-validation, it is not"):
            cross_validate(folder, tmp_path / "out", settings=TINY)

    def test_a_folder_with_something_else_in_it_is_refused_and_left(self, folder, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("mine")
        with pytest.raises(DataError, match="the output folder must be empty or new"):
            cross_validate(folder, tmp_path / "out", settings=TINY)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("name", "value"), [("keep", "best"), ("split", "region"), ("patience", 3)])
def test_nothing_may_be_chosen_by_what_is_scored(folder, tmp_path, name, value):
    with pytest.raises(SettingError, match=f"setting {name} must be left as it is in a cross-validation, got {value!r}"):
        cross_validate(folder, tmp_path / "out", settings={**TINY, name: value})
    assert not (tmp_path / "out").exists()
