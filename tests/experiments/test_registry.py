"""Bundles are registered completely or not at all."""

import io
import shutil
from base64 import b64decode
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from PIL import Image

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import BundleError, SettingError
from livecell_monai.experiments.registry import _example, register
from livecell_monai.experiments.store import find_experiment, open_store
from livecell_monai.experiments.tracking import RunTracker
from livecell_monai.prediction.segmenter import open_segmenter


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working folder, to detect an unexpected store."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def contents(uri):
    """Registered models with their versions, and logged models, of a store."""
    client = open_store(uri)
    places = [entry.experiment_id for entry in client.search_experiments()]
    names = {
        model.name: len(client.search_model_versions(f"name = '{model.name}'"))
        for model in client.search_registered_models()
    }
    return names, len(client.search_logged_models(places))


def add_run(uri, status, bundle=None, name="cells-1"):
    """A run with this status, and optionally a bundle."""
    client = open_store(uri)
    run = client.create_run(find_experiment(client, uri, "livecell"), run_name=name).info.run_id
    if bundle is not None:
        client.log_artifacts(run, str(bundle), "bundle")
    if status != "RUNNING":
        client.set_terminated(run, status)
    return run


class TestFolder:
    @pytest.fixture
    def model(self, separating, store, tmp_path):
        """The folder of a model that was registered from a folder with other files."""
        (bundle := tmp_path / "model").mkdir()
        shutil.copytree(separating[1], bundle, dirs_exist_ok=True)
        (bundle / "predictions").mkdir()
        made = register(bundle, "cells", store)
        assert (made.name, made.version, made.run) == ("cells", 1, None)
        version = open_store(store).get_model_version("cells", "1")
        assert version.tags == {"weights_sha256": hash_file(bundle / "models" / "model.safetensors")}
        assert not version.run_id
        assert list(Path.cwd().iterdir()) == []
        return Path(mlflow.artifacts.download_artifacts(version.source, dst_path=str(tmp_path / "fetched")))

    def test_the_model_has_the_bundle_and_the_code_that_serves_it(self, model, separating):
        kept = model / "data" / "bundle"
        assert sorted(path.name for path in kept.iterdir()) == ["LICENSE", "configs", "docs", "models"]
        assert sorted(path.name for path in (kept / "models").iterdir()) == ["model.pt", "model.safetensors"]
        assert hash_file(kept / "models" / "model.safetensors") == hash_file(separating[1] / "models" / "model.safetensors")
        assert (model / "code" / "livecell_monai" / "experiments" / "serving.py").is_file()
        wanted = dict(line.split("==") for line in (model / "requirements.txt").read_text().splitlines())
        assert {"monai", "torch", "mlflow", "tifffile", "imagecodecs"} <= set(wanted)
        assert not any("+" in version for version in wanted.values())

    def test_signature_example_and_config(self, model):
        facts = mlflow.models.Model.load(str(model))
        assert facts.signature.inputs.input_names() == ["image"]
        assert facts.signature.outputs.input_names() == ["mask", "probability", "cells"]
        assert [(given.name, given.default) for given in facts.signature.params.params] == [("output", "mask")]
        assert yaml.safe_load((model / "MLmodel").read_text())["flavors"]["python_function"]["config"] == {
            "most_pixels": 2**26,
        }
        (row,) = facts.load_input_example(str(model))
        with Image.open(io.BytesIO(b64decode(row["image"]))) as picture:
            assert (picture.height, picture.width, picture.mode) == (96, 128, "L")

    def test_the_example_can_be_predicted_as_a_pyfunc(self, model, separating):
        loaded = mlflow.pyfunc.load_model(str(model))
        rows = loaded.predict(loaded.input_example)
        with Image.open(io.BytesIO(b64decode(rows[0]["mask"]))) as mask:
            assert (mask.height, mask.width) == (96, 128)
            assert set(np.unique(mask)) <= {0, 255}
        rows = loaded.predict(loaded.input_example, {"output": "cells"})
        with Image.open(io.BytesIO(_example())) as picture, Image.open(io.BytesIO(b64decode(rows[0]["cells"]))) as cells:
            np.testing.assert_array_equal(cells, open_segmenter(separating[1])(np.asarray(picture)).cells)


class TestRun:
    def test_each_version_is_linked_to_its_run(self, trained, store):
        run = add_run(store, "FINISHED", trained[1])
        made = [register("cells-1", "cells", store), register(run, "cells", store)]
        assert [(each.version, each.run) for each in made] == [(1, "cells-1"), (2, "cells-1")]
        version = open_store(store).get_model_version("cells", "2")
        assert version.run_id == run
        models = open_store(store).search_logged_models([find_experiment(open_store(store), store, "livecell")])
        assert [(model.source_run_id, model.status.value) for model in models] == [(run, "READY")] * 2

    @pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED"])
    def test_an_unfinished_run_is_rejected(self, trained, store, status):
        add_run(store, status, trained[1])
        with pytest.raises(SettingError, match=f"^run cells-1: must have finished, it is {status}; wait for it"):
            register("cells-1", "cells", store)
        assert contents(store) == ({}, 0)

    def test_a_run_without_a_bundle_is_rejected(self, store, tmp_path):
        with RunTracker(store, folder=tmp_path / "training").start({}, {}, "cells") as run:
            pass
        with pytest.raises(SettingError, match="must have a bundle among its artifacts, found none"):
            register(run.run_id, "cells", store)
        assert contents(store) == ({}, 0)

    def test_a_missing_run_is_rejected(self, store):
        with pytest.raises(SettingError, match="run cells-9: must be a folder, or the id or name of a run, there is none"):
            register("cells-9", "cells", store)


class TestRejected:
    @pytest.mark.parametrize("name", ["", "  ", "a/b", "a:b", "a@b"])
    def test_a_name_that_a_uri_cannot_contain(self, trained, store, name):
        with pytest.raises(SettingError, match=r"--name must be a name without / : and @, got"):
            register(trained[1], name, store)
        assert contents(store) == ({}, 0)

    def test_a_folder_that_is_no_bundle(self, store, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(BundleError, match="must have a folder configs/"):
            register(tmp_path / "empty", "cells", store)
        assert contents(store) == ({}, 0)

    def test_damaged_weights(self, trained, store, tmp_path):
        shutil.copytree(trained[1], tmp_path / "model")
        (tmp_path / "model" / "models" / "model.safetensors").write_bytes(b"torn")
        with pytest.raises(
            BundleError, match=r"model.safetensors: the weights must have the SHA-256 .* copy the whole bundle again"
        ):
            register(tmp_path / "model", "cells", store)
        assert contents(store) == ({}, 0)

    @pytest.mark.parametrize("step", ["log_model_artifacts", "finalize_logged_model", "create_model_version"])
    def test_a_store_that_fails_is_left_unchanged(self, trained, store, monkeypatch, step):
        def fail(*arguments, **named):
            raise mlflow.MlflowException("no space\nleft")

        with monkeypatch.context() as patch:
            patch.setattr(mlflow.MlflowClient, step, fail)
            with pytest.raises(
                SettingError, match=r"^model cells: the store must accept it, it does not: no space left; correct"
            ):
                register(trained[1], "cells", store)
        assert contents(store) == ({}, 0)
        register(trained[1], "cells", store)
        assert contents(store) == ({"cells": 1}, 1)
