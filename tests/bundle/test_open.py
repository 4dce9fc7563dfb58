"""Opens bundles with overlays and settings, and rejects invalid ones."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import BundleError, SettingError
from livecell_monai.settings import SETTINGS, list_settings

TRAINING = ["inference", "train"]
PRINTABLE = st.characters(exclude_categories=("C",), exclude_characters="/") | st.sampled_from("#$@%:{}[]?'\" ")
SOURCES = sorted((Path(__file__).parents[2] / "livecell_monai").rglob("*.py"))


def open_training(*overlays, **settings):
    return open_bundle(find_template(), TRAINING, settings, overlays=overlays, workflow_type="train")


class TestTheTemplate:
    def test_has_the_defaults(self):
        assert open_training().settings == list_settings(TRAINING)

    def test_settings_override_the_configs(self):
        opened = open_training(lr=0.5, filters=[4, 8], epochs=3)
        parser = opened.workflow.parser
        for found in (opened.settings, parser):
            assert (found["lr"], found["filters"], found["epochs"]) == (0.5, [4, 8], 3)
            assert found["batch_size"] == SETTINGS["batch_size"].default

    def test_settings_override_overlays(self):
        assert open_training("smoke").settings["epochs"] == 2
        assert open_training("smoke", epochs=5).settings["epochs"] == 5

    def test_later_overlays_override_earlier_ones(self, tmp_path):
        for name, rate in (("a", 0.25), ("b", 0.5)):
            (tmp_path / f"{name}.yaml").write_text(f"lr: {rate}\n")
        assert open_training(str(tmp_path / "a"), str(tmp_path / "b")).settings["lr"] == 0.5

    def test_root_is_absolute_and_paths_are_inserted(self, tmp_path):
        paths = {"dataset_dir": str(tmp_path), "output_dir": "out"}
        opened = open_bundle(find_template(), ["inference"], paths=paths)
        assert opened.root == Path(opened.workflow.parser["bundle_root"]) == find_template()
        assert opened.output_dir == Path("out")

    @pytest.mark.parametrize("name", ["bundle_root", "network_def", "dataset_dir", "val_interval", "initialize", "epoch"])
    def test_rejects_names_that_are_not_settings(self, name):
        with pytest.raises(SettingError, match=f"setting {name} does not exist, did you mean"):
            open_training(**{name: "x"})

    def test_rejects_settings_of_a_config_that_is_not_opened(self):
        with pytest.raises(SettingError, match=r"setting lr must be left out here, it belongs to train.yaml"):
            open_bundle(find_template(), ["inference"], {"lr": 0.1})

    def test_rejects_settings_that_contradict_each_other(self):
        with pytest.raises(SettingError, match=r"setting window must be \[Y, X\] in pixels, multiples of 32"):
            open_training(window=[64, 60])


class TestTextsOfTheUser:
    """No text of the user is parsed as config syntax, wherever it stands."""

    @pytest.mark.parametrize("value", ["$1/0", "@lr", "%x.yaml::y", "GFP #2", "@", "$", "%", "#", "a::b", "_target_"])
    def test_settings(self, value):
        opened = open_training(experiment=value, channel=value, run_name=value, outputs=["mask", value])
        for name, right in (("experiment", value), ("channel", value), ("outputs", ["mask", value])):
            assert opened.settings[name] == opened.build(name) == right
        assert opened.build("settings")["channel"] == opened.build("session#tracker#experiment") == value

    @given(st.text(PRINTABLE, min_size=1), st.lists(st.text(PRINTABLE), min_size=1, max_size=3))
    def test_settings_and_paths(self, value, images):
        paths = {"dataset_dir": images, "output_dir": value, "unlabelled": images}
        opened = open_bundle(find_template(), TRAINING, {"channel": value}, paths, workflow_type="train")
        assert [opened.build(name) for name in ("dataset_dir", "output_dir", "unlabelled")] == [images, value, images]
        assert opened.build("channel") == opened.build("items#channel") == opened.build("checkpoints#output_dir") == value

    @given(st.text(PRINTABLE, min_size=1))
    def test_folder_of_the_bundle(self, name):
        opened = open_bundle(find_template(), ["inference"], None, {"bundle_root": f"/day/{name}"})
        assert opened.checkpoint == Path(f"/day/{name}/models/model.safetensors")
        assert opened.build("output_dir") == f"/day/{name}/predictions"


class TestATrainedBundle:
    @pytest.fixture
    def bundle(self, trained, tmp_path):
        shutil.copytree(trained[1], tmp_path / "bundle")
        return tmp_path / "bundle"

    def test_its_settings_override_the_defaults(self, bundle):
        opened = open_bundle(bundle, TRAINING)
        assert opened.settings["filters"] == [4, 8]
        assert opened.settings["epochs"] == 4
        assert opened.settings["track"] is True  # of the template: nothing that is of one run is taken over

    def test_given_settings_override_those_of_the_bundle(self, bundle):
        assert open_bundle(bundle, ["inference"], {"threshold": 0.25}).settings["threshold"] == 0.25

    def test_its_yaml_is_not_read(self, bundle):
        for path in (bundle / "configs").glob("*.yaml"):
            if path.name != "settings.yaml":
                path.unlink()
        opened = open_bundle(bundle, ["inference"])
        assert opened.multiple == 4
        assert opened.checkpoint == bundle / "models" / "model.safetensors"

    def test_its_folder_is_not_on_the_search_path_of_python(self, bundle, monkeypatch, trained):
        monkeypatch.setattr(sys, "path", list(sys.path))
        paths = {"dataset_dir": str(trained[0] / "test" / "images"), "output_dir": str(bundle.parent / "out")}
        opened = open_bundle(bundle, ["inference"], {"show_progress": False}, paths, run_id="inferring")
        opened.initialize()
        opened.run()
        assert not any(Path(entry).is_relative_to(bundle) for entry in sys.path)

    def test_parts_are_what_the_configs_build(self, bundle):
        opened = open_bundle(bundle, ["inference"])
        parser = opened.workflow.parser
        for name in ("segmenter", "network_def", "writer"):
            assert getattr(opened, name) is parser.get_parsed_content(name)
        assert opened.network is parser.get_parsed_content("inference_network")

    def test_user_errors_are_raised_as_they_are(self, bundle):
        (bundle / "models" / "model.safetensors").unlink()
        with pytest.raises(BundleError, match=r"model.safetensors: a bundle must have weights, found none"):
            _ = open_bundle(bundle, ["inference"]).network

    def test_a_folder_that_is_no_bundle(self, tmp_path):
        with pytest.raises(BundleError, match=r"a bundle must have a folder configs/, found none; name the folder"):
            open_bundle(tmp_path, ["inference"])


def test_no_other_package_looks_up_parts_by_name():
    found = re.compile(r"get_parsed_content|\.parser\b|\bparser\[")
    users = {path.parent.name for path in SOURCES if found.search(path.read_text(encoding="utf-8"))}
    assert users == {"bundle"}
