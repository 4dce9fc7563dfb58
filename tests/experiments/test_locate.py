"""A bundle is found by its folder, run or registered model."""

import shutil
import zipfile
from pathlib import Path

import pytest

from livecell_monai.bundle.start import read_expected_diameter
from livecell_monai.errors import SettingError
from livecell_monai.experiments.locate import locate_bundle, located
from livecell_monai.experiments.registry import register
from livecell_monai.experiments.store import find_experiment, open_store
from tests.support.starts import make_start, shipped


@pytest.fixture(scope="module")
def filled(trained, empty_store, tmp_path_factory):
    """A store with a run of a bundle, two of one name, one without a bundle, and the bundle as version 1 of `cells`."""
    path = tmp_path_factory.mktemp("filled") / "mlflow.db"
    shutil.copyfile(empty_store, path)
    uri = f"sqlite:///{path}"
    client = open_store(uri)
    place = find_experiment(client, uri, "livecell")
    for name in ("it's a run", "twin", "twin", "bare"):
        run = client.create_run(place, run_name=name).info.run_id
        if name != "bare":
            client.log_artifacts(run, str(trained[1]), "bundle")
        client.set_terminated(run, "FINISHED")
    register("it's a run", "cells", uri)
    client.set_registered_model_alias("cells", "best", "1")
    client.create_registered_model("foreign")
    (path.parent / "other").mkdir()
    client.create_model_version("foreign", (path.parent / "other").as_uri())
    return uri


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_folder_needs_no_store(trained, tmp_path):
    assert locate_bundle(trained[1], tmp_path, "http://127.0.0.1:9") == trained[1]


@pytest.mark.parametrize("name", ["it's a run", "models:/cells/1", "models:/cells@best"])
def test_a_bundle_in_mlflow_is_downloaded(filled, trained, tmp_path, name, capfd):
    (into := tmp_path / "into").mkdir()
    found = locate_bundle(name, into, filled)
    assert found.is_relative_to(into)
    for part in ("models/model.pt", "configs/inference.yaml", "configs/metadata.json"):
        assert (found / part).read_bytes() == (trained[1] / part).read_bytes()
    assert capfd.readouterr().err == ""


def test_the_id_of_a_run(filled, tmp_path):
    client = open_store(filled)
    run = client.search_runs([find_experiment(client, filled, "livecell")], "attributes.run_name = 'twin'")[0].info.run_id
    assert (locate_bundle(run, tmp_path, filled) / "models" / "model.pt").is_file()


def test_the_environment_names_the_store(filled, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", filled)
    with located("models:/cells/1") as folder:
        assert (folder / "models" / "model.pt").is_file()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("twin", "the name must be that of one run, there are several; give its id"),
        ("bare", "must have a bundle among its artifacts, found none"),
        ("nobody", "must be a folder, or the id or name of a run, there is none"),
        ("""both ' and \"""", "there is none"),
        ("no/folder", "must be a bundle folder, there is none"),
        ("models:/cells/2", "must be a model of the registry, it is not: "),
        ("models:/cells@worst", "must be a model of the registry, it is not: "),
        ("models:/nobody/1", "must be a model of the registry, it is not: "),
        ("models:/foreign/1", "it has no data/bundle; name another"),
        ("models:/cells", "must be models:/NAME/VERSION or models:/NAME@ALIAS"),
        ("models:/cells/", "must be models:/NAME/VERSION or models:/NAME@ALIAS"),
        ("models:/cells/1/x", "must be models:/NAME/VERSION or models:/NAME@ALIAS"),
        ("models:/cells/one", "must be models:/NAME/VERSION or models:/NAME@ALIAS"),
        ("models:/@best", "must be models:/NAME/VERSION or models:/NAME@ALIAS"),
    ],
)
def test_a_missing_bundle_is_rejected_on_one_line(filled, tmp_path, name, words):
    with pytest.raises(SettingError) as refusal:
        locate_bundle(name, tmp_path, filled)
    assert name in str(refusal.value)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_name_without_a_store(tmp_path):
    with pytest.raises(SettingError, match=r"^modell: is no folder here, and no run can be looked up: .*mlflow.db"):
        locate_bundle("modell", tmp_path)
    assert list(Path.cwd().iterdir()) == []


def test_a_missing_server(tmp_path):
    for name in ("nobody", "models:/cells/1"):
        with pytest.raises(SettingError, match=r"must be a store that answers, got 'http://127.0.0.1:9'"):
            locate_bundle(name, tmp_path, "http://127.0.0.1:9")


def test_the_shipped_start_is_written_as_a_bundle(tmp_path, monkeypatch):
    with shipped(tmp_path / "shipped.safetensors", make_start()):
        with located("start") as folder:
            assert read_expected_diameter(folder) == 40.0
        assert not folder.exists()
        (tmp_path / "cwd" / "start").mkdir()
        with located("start") as folder:
            assert folder == Path("start")


def test_a_zip_that_is_cut_off(tmp_path):
    whole, cut = tmp_path / "whole.zip", tmp_path / "cut.ZIP"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("rdf.yaml", "type: model\n")
    assert locate_bundle(whole, tmp_path) == whole
    cut.write_bytes(whole.read_bytes()[:-30])
    with pytest.raises(SettingError, match=r"this one is damaged or cut off \(\d+ bytes\); download or copy it again"):
        locate_bundle(cut, tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.zip", "this is a file; unpack it by python -m zipfile -e "),
        ("model.pt", "this is a file; name the folder that training left"),
    ],
)
def test_a_file_is_no_bundle(tmp_path, name, words):
    if name.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("configs/metadata.json", "{}")
    else:
        (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(SettingError, match=words):
        locate_bundle(tmp_path / name, tmp_path)
