"""Cross-validation: each image is scored once by a network that was not trained on it; an interrupted one resumes."""

import csv
import json
import signal
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from livecell_monai.data.dataset.folds import AUTO_FOLDS, FoldOptions
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments import crossval, parts
from livecell_monai.experiments.crossval import choose_epochs, cross_validate
from livecell_monai.experiments.parts import StudyRequest
from livecell_monai.experiments.store import open_store
from livecell_monai.metrics import list_metrics, read_scores, summarise_scores
from livecell_monai.plan.recipe import SHORT_MINUTES
from livecell_monai.tasks import predict
from tests.support.fresh import start_python
from tests.support.small_training import CELL_MAPS, QUIET, SMALL
from tests.support.worlds import one_cell, write_folder, write_sample

pytestmark = pytest.mark.usefixtures("without_figures")

TINY = {name: value for name, value in SMALL.items() if name != "checkpoint_selection"} | {
    "epochs": 1,
    "samples_per_epoch": 4,
}
NAMES_OF = ["train_00", "train_01", "train_02"]


def read_rows(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished cross-validation of three images with its store; read only."""
    root = tmp_path_factory.mktemp("crossval")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    settings = {**TINY, "track": True, "tracking_uri": uri}
    result = cross_validate(StudyRequest(write_folder(root / "data"), settings=settings), root / "folds")
    return root, uri, result


class TestResult:
    def test_each_image_is_scored_once_by_its_own_fold(self, done):
        root, _, result = done
        assert [(row["fold"], row["image"]) for row in result.rows] == [
            (f"fold_{i}", name) for i, name in enumerate(NAMES_OF, start=1)
        ]
        assert [dict(row) for row in read_rows(root / "folds" / "scores.csv")] == result.rows

    def test_no_fold_is_scored_on_its_training_images(self, done):
        root, _, _ = done
        for index, name in enumerate(NAMES_OF, start=1):
            lists = json.loads((root / "folds" / f"fold_{index}.json").read_text())
            assert [name in entry["image"] for entry in lists["test"]] == [True]
            assert not any(name in entry["image"] for entry in lists["training"])
            facts = json.loads((root / "folds" / f"fold_{index}" / "configs" / "metadata.json").read_text())["training"]
            assert facts["split"] == "given"
            assert facts["kept_epoch"] == facts["epochs_run"] == 1

    def test_the_summary_of_the_scores(self, done):
        root, _, result = done
        scores = [read_scores(row) for row in result.rows]
        assert {name: result.summary[name] for name in summarise_scores(scores)} == summarise_scores(scores)
        assert (result.summary["images"], result.summary["cells"], result.summary["folds"]) == (3, 15, 3)
        lowest = min(result.rows, key=lambda row: float(row["iou"]))["image"]
        assert result.summary["worst_image"] == lowest
        assert json.loads((root / "folds" / "crossval.json").read_text())["summary"] == result.summary

    def test_each_fold_has_a_nested_run(self, done):
        _, uri, result = done
        client = open_store(uri)
        runs = client.search_runs([client.get_experiment_by_name("livecell").experiment_id])
        (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
        nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert len(nested) == 3 == len(runs) - 1
        assert all(run.info.status == "FINISHED" for run in runs)
        means = {f"crossval_{name}": result.summary[name]["mean"] for name in (metric.name for metric in list_metrics())}
        pooled = {
            f"crossval_{name}": result.summary[name]
            for name in ("pooled_iou", "pooled_ap50", "pooled_pq", "pooled_count_error")
        }
        assert parent.data.metrics == pytest.approx({"iou": means["crossval_iou"], **means, **pooled})
        assert {run.info.run_name for run in nested} == {"fold_1", "fold_2", "fold_3"}
        assert {entry.path for entry in client.list_artifacts(parent.info.run_id)} == {"crossval.json", "scores.csv"}


SCRIPT = """
import json, sys
from livecell_monai.experiments.crossval import cross_validate
from livecell_monai.experiments.parts import StudyRequest
from livecell_monai.report import page
page.write_figures = lambda *args, **facts: None  # as without_figures
cross_validate(StudyRequest(sys.argv[1], settings=json.loads(sys.argv[3])), sys.argv[2])
"""


class TestResume:
    @pytest.mark.slow
    def test_a_finished_fold_is_not_trained_again(self, folder, tmp_path, monkeypatch):
        trained, real = [], parts.train

        def stopping(data, *args, **kwargs):
            trained.append(data.stem)
            if len(trained) == 2:
                raise KeyboardInterrupt
            return real(data, *args, **kwargs)

        monkeypatch.setattr(parts, "train", stopping)
        with pytest.raises(KeyboardInterrupt):
            cross_validate(StudyRequest(folder, settings=TINY), tmp_path / "out")
        assert (tmp_path / "out" / "fold_1").is_dir()
        assert not (tmp_path / "out" / "scores.csv").exists()
        (tmp_path / "out" / "fold_2.partial").mkdir()  # as a kill would leave it
        (tmp_path / "out" / "fold_2.partial" / "half").write_text("")
        result = cross_validate(StudyRequest(folder, settings=TINY), tmp_path / "out")
        assert trained == ["fold_1", "fold_2", "fold_2", "fold_3"]
        assert len(result.rows) == 3
        assert not list((tmp_path / "out").glob("*.partial"))
        trained.clear()
        assert cross_validate(StudyRequest(folder, settings=TINY), tmp_path / "out").summary == result.summary
        assert trained == []

    @pytest.mark.slow  # an interrupted one resumes above
    def test_a_killed_one_resumes_and_trains_nothing_twice(self, folder, tmp_path, store):
        """SIGKILL once the first fold is done: the same call then ends in the same parent run."""
        settings = {**TINY, "track": True, "tracking_uri": store}
        out = tmp_path / "out"
        process = start_python("-c", SCRIPT, folder, out, json.dumps(settings))
        until = time.monotonic() + 120
        while not (out / "fold_2.partial").is_dir() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send(signal.SIGKILL)
        process.wait()
        assert (out / "fold_1").is_dir()
        assert not (out / "scores.csv").exists()
        before = (out / "fold_1" / "models" / "model.safetensors").stat().st_mtime_ns
        cross_validate(StudyRequest(folder, settings=settings), out)
        assert (out / "fold_1" / "models" / "model.safetensors").stat().st_mtime_ns == before
        client = open_store(store)
        runs = client.search_runs([client.get_experiment_by_name("livecell").experiment_id])
        (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
        assert parent.info.status == "FINISHED"
        ended = Counter((run.info.run_name, run.info.status) for run in runs if run is not parent)
        assert {key: ended[key] for key in ended if key[1] == "FINISHED"} == {
            (f"fold_{i}", "FINISHED"): 1 for i in (1, 2, 3)
        }
        assert set(ended) - {(f"fold_{i}", "FINISHED") for i in (1, 2, 3)} <= {("fold_2", "KILLED")}

    @pytest.mark.parametrize(
        ("change", "folds", "word"),
        [
            ({"settings": {**TINY, "lr": 0.1}}, AUTO_FOLDS, "settings"),
            ({}, FoldOptions(2), "folds"),
            ({"recipe": "original"}, AUTO_FOLDS, "recipe"),
        ],
    )
    def test_another_study_in_the_same_folder_is_rejected(self, folder, tmp_path, change, folds, word, monkeypatch):
        monkeypatch.setattr(parts, "train", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            cross_validate(StudyRequest(folder, settings=TINY), tmp_path / "out")
        request = StudyRequest(folder, **{"settings": TINY, **change})
        with pytest.raises(SettingError, match=f"a cross-validation must resume with the same {word}"):
            cross_validate(request, tmp_path / "out", folds)

    @pytest.mark.parametrize("text", ["", "[]", '{"summary": 1}'])
    def test_an_invalid_record_is_rejected(self, folder, tmp_path, text):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "crossval.json").write_text(text)
        with pytest.raises(DataError, match="the record of a cross-validation cannot be read"):
            cross_validate(StudyRequest(folder, settings=TINY), tmp_path / "out")

    def test_a_folder_with_other_files_is_rejected_and_unchanged(self, folder, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("mine")
        with pytest.raises(DataError, match="the output folder must be empty or new"):
            cross_validate(StudyRequest(folder, settings=TINY), tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A cross-validation of three epochs that leaves an ensemble and a refit."""
    root = tmp_path_factory.mktemp("bundles")
    data = write_folder(root / "data")
    settings = {**TINY, "maps": CELL_MAPS, "epochs": 3, "track": True, "tracking_uri": f"sqlite:///{root / 'mlflow.db'}"}
    told = []

    def describe(kind, data, summary):
        told.append((kind, data, summary["images"]))
        return f"about the {kind}\n"

    result = cross_validate(
        StudyRequest(data, settings=settings), root / "out", describe=describe, bundles=("ensemble", "refit")
    )
    assert told == [("ensemble", "data", 3), ("refit", "data", 3)]
    return root, data, result


class TestBundles:
    def test_the_ensemble_is_the_mean_of_the_folds(self, both):
        root, data, result = both
        images = [data / "test" / "images"]
        asked = {**QUIET, "outputs": ["mask", "probability"]}
        bundles = {name: root / "out" / name for name in ("fold_1", "fold_2", "fold_3", "ensemble")}
        for name, bundle in bundles.items():
            predict(bundle, images, root / "masks" / name, asked)
        for channel in ("probability", CELL_MAPS[1]):
            maps = {name: tifffile.imread(root / "masks" / name / f"test_00_{channel}.tif") for name in bundles}
            folds = [maps[f"fold_{i}"] for i in (1, 2, 3)]
            assert np.abs(folds[0] - folds[1]).max() > 3e-4
            np.testing.assert_allclose(maps["ensemble"], np.mean(folds, axis=0), atol=1e-4)
        assert (root / "masks" / "ensemble" / "test_00_cells.tif").is_file()
        assert result.bundles == {kind: root / "out" / kind for kind in ("ensemble", "refit")}

    def test_the_ensemble_is_a_bundle_with_its_origin(self, both):
        root, _, result = both
        bundle = root / "out" / "ensemble"
        facts = json.loads((bundle / "configs" / "metadata.json").read_text())["training"]
        assert facts["crossval"] == result.summary
        assert facts["ensemble_size"] == 3
        assert facts["weights_sha256"] == hash_file(bundle / "models" / "model.safetensors")
        assert (bundle / "docs" / "README.md").read_text() == "about the ensemble\n"
        assert "ensemble_size: 3" in (bundle / "configs" / "settings.yaml").read_text()
        assert [part.name for part in (root / "out").glob("*.partial")] == []

    def test_the_refit_trains_on_all_images_for_the_best_number_of_epochs(self, both):
        root, _, result = both
        histories = [
            [float(row["val_iou"]) for row in read_rows(root / "out" / f"fold_{i}" / "docs" / "history.csv")]
            for i in (1, 2, 3)
        ]
        expected = int(np.argmax(np.mean(histories, axis=0))) + 1
        facts = json.loads((root / "out" / "refit" / "configs" / "metadata.json").read_text())["training"]
        assert facts["epochs_run"] == facts["kept_epoch"] == expected
        assert facts["refit_epochs"] == [expected, 3]
        assert (facts["split"], facts["leaks"]) == ("none", True)
        assert facts["crossval"] == result.summary
        assert len(facts["files_sha256"]) == 6
        card = (root / "out" / "refit" / "docs" / "README.md").read_text()
        assert card.endswith("about the refit\n")
        assert "WARNING" in card

    def test_neither_is_trained_again(self, both, monkeypatch):
        root, data, result = both
        settings = {**TINY, "maps": CELL_MAPS, "epochs": 3, "track": False}
        for module, name in ((parts, "train"), (crossval, "train_part"), (crossval, "join_bundles")):
            monkeypatch.setattr(module, name, lambda *args, **kwargs: pytest.fail("made again"))
        again = cross_validate(StudyRequest(data, settings=settings), root / "out", bundles=("ensemble", "refit"))
        assert again == result

    @pytest.mark.slow
    def test_a_bundle_may_be_requested_later(self, folder, tmp_path):
        cross_validate(StudyRequest(folder, settings=TINY), tmp_path / "out")
        result = cross_validate(StudyRequest(folder, settings=TINY), tmp_path / "out", bundles=("refit",))
        assert (result.bundles["refit"] / "models" / "model.safetensors").is_file()


def test_a_shared_plan_needs_no_strip(tmp_path):
    """One cell in the middle of each image: no strip at the rim has a cell to be validated on."""
    for number in range(3):
        write_sample(tmp_path / "data", f"train_{number}", one_cell((128, 128)), seed=number)
    request = StudyRequest(tmp_path / "data", (), {"track": False, "minutes": 0.5})
    shared = crossval._share_plan(request, tmp_path)
    assert "scale:" in (tmp_path / crossval.SHARED).read_text()
    assert shared.overlays == [str(tmp_path / crossval.SHARED)]


def test_a_shorter_refit_keeps_the_plan_of_the_folds(tmp_path):
    for number in range(3):
        write_sample(tmp_path / "data", f"train_{number}", one_cell((128, 128)), seed=number)
    given = {"track": False, "minutes": SHORT_MINUTES, "start": "none"}
    request = StudyRequest(tmp_path / "data", (), given)
    scale = request.resolve(split="none")["scale"]
    shorter = {**given, "split": "none", "epochs": 3, "minutes": 0.75 * SHORT_MINUTES}
    assert replace(request, settings=shorter).resolve()["scale"] == scale / 2
    refit = crossval._keep_plan(request, shorter, tmp_path / crossval.REFIT)
    resolved = refit.resolve()
    assert (resolved["scale"], resolved["epochs"], resolved["minutes"]) == (scale, 3, 0.75 * SHORT_MINUTES)

    longer = {**given, "split": "none", "minutes": 10.0}
    assert crossval._keep_plan(replace(request, settings={**given, "minutes": 20.0}), longer, tmp_path / "no").overlays == ()


@pytest.mark.parametrize(
    ("histories", "epochs"),
    [
        ([[0.1, 0.5, 0.4]], 2),
        ([[0.1, 0.5, 0.4], [0.1, 0.2, 0.9]], 3),
        ([[0.3, 0.3]], 1),
        ([[0.1, 0.2, 0.9], [0.2, 0.1]], 1),  # of the epochs that all have
    ],
)
def test_epochs_with_the_best_mean(histories, epochs):
    assert choose_epochs(histories) == epochs


@pytest.mark.parametrize(("name", "value"), [("checkpoint_selection", "best"), ("split", "region"), ("patience", 3)])
def test_settings_that_choose_on_the_scored_images_are_rejected(folder, tmp_path, name, value):
    with pytest.raises(
        SettingError, match=f"setting {name} must be left as it is in a study by held-out images, got {value!r}"
    ):
        cross_validate(StudyRequest(folder, settings={**TINY, name: value}), tmp_path / "out")
    assert not (tmp_path / "out").exists()
