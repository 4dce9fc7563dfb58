"""A trained bundle is complete, and says nothing about the machine."""

import json
import re
from pathlib import Path

import pytest
from monai.bundle import ConfigParser
from ruamel.yaml import YAML

from livecell_monai import __version__
from livecell_monai.bundle.export import package_versions, write_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.data.dataset.identity import digest_of, hash_file

FILES = {
    "LICENSE",
    *(
        f"configs/{name}"
        for name in (
            "settings.yaml",
            "inference.yaml",
            "train.yaml",
            "multi_gpu_train.yaml",
            "evaluate.yaml",
            "plan.yaml",
            "metadata.json",
            "logging.conf",
        )
    ),
    *(f"docs/{name}" for name in ("README.md", "report.html", "history.csv", "scores.csv", "curves.png", "validation.png")),
    *(f"models/{name}" for name in ("model.pt", "model.safetensors")),
}


@pytest.fixture(scope="module")
def bundle(trained) -> Path:
    return trained[1]


def load(path):
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def comments(path):
    return re.findall(r"(?:^|(?<=\s))# .*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def read_training(bundle):
    return json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))["training"]


class TestTrainedBundle:
    def test_files(self, bundle):
        assert {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()} == FILES

    def test_settings_are_resolved(self, bundle):
        config = load(bundle / "configs" / "train.yaml")
        assert config["epochs"] == 4
        assert config["lr"] == 0.02
        assert config["lr_step"] == 2
        assert isinstance(config["pos_weight"], float)
        assert 1 < config["pos_weight"] < 10
        assert config["patch_size"] == [64, 64]
        inference = load(bundle / "configs" / "inference.yaml")
        assert (inference["filters"], inference["window"]) == ([4, 8], [64, 64])
        # what tells of this one run or of its surroundings is not taken over
        assert config["track"] is True
        assert inference["show_progress"] is True

    @pytest.mark.parametrize("name", ["inference", "train", "evaluate"])
    def test_everything_but_settings_is_that_of_the_template(self, bundle, name):
        before, after = load(find_template() / "configs" / f"{name}.yaml"), load(bundle / "configs" / f"{name}.yaml")
        assert list(before) == list(after)
        changed = {key for key in before if before[key] != after[key]}
        assert all(not isinstance(before[key], dict) for key in changed)
        assert (
            changed
            == {
                "inference": {"accelerator", "filters", "window", "seed_depth", "cell_diameter", "min_cell_area"},
                "train": {
                    *(
                        "epochs",
                        "samples_per_epoch",
                        "batch_size",
                        "patch_size",
                        "lr",
                        "lr_gamma",
                        "lr_schedule",
                        "checkpoint_selection",
                        "zoom",
                        "obstacles",
                        "pos_weight",
                        "lr_step",
                        "start",
                    ),
                },
                "evaluate": set(),
            }[name]
        )

    @pytest.mark.parametrize("name", ["inference", "train", "evaluate"])
    def test_comments_stay(self, bundle, name):
        before, after = (comments(root / "configs" / f"{name}.yaml") for root in (find_template(), bundle))
        assert len(before) > 2
        assert after == before

    def test_no_absolute_path(self, trained):
        data, bundle = trained
        for path in [*(bundle / "configs").iterdir(), bundle / "docs" / "README.md", bundle / "docs" / "history.csv"]:
            text = path.read_text(encoding="utf-8")
            for place in (data.parent, find_template(), Path.home()):
                assert str(place) not in text, path

    def test_metadata_describe_the_run(self, trained):
        data, bundle = trained
        training = read_training(bundle)
        assert training["weights_sha256"] == hash_file(bundle / "models" / "model.safetensors")
        assert training["data"] == "data"
        assert training["data_sha256"] == digest_of(training["files_sha256"])
        assert training["files_sha256"]["image/train_00.tif"] == hash_file(data / "train" / "images" / "train_00.tif")
        assert len(training["files_sha256"]) == 9
        assert (training["split"], training["leaks"], training["seed"]) == ("region", False, 0)
        assert training["epochs_run"] == 4
        rows = (bundle / "docs" / "history.csv").read_text().splitlines()
        best = dict(zip(rows[0].split(","), map(float, rows[training["kept_epoch"]].split(",")), strict=True))
        assert training["validation"] == {name: best[f"val_{name}"] for name in ("iou", "accuracy", "loss")}
        assert best["val_iou"] == max(float(row.split(",")[rows[0].split(",").index("val_iou")]) for row in rows[1:])

    def test_metadata_keep_those_of_the_template_and_add_installed_versions(self, bundle):
        before = json.loads((find_template() / "configs" / "metadata.json").read_text())
        after = json.loads((bundle / "configs" / "metadata.json").read_text())
        versions = package_versions()
        assert after["required_packages_version"] == versions
        assert (after["monai_version"], after["pytorch_version"]) == (versions["monai"], versions["torch"])
        assert after["numpy_version"] == versions["numpy"]
        assert {key: after[key] for key in ("name", "task", "version")} == {
            k: before[k] for k in ("name", "task", "version")
        }

    def test_metadata_have_the_multiple_of_the_trained_network(self, bundle):
        shapes = json.loads((bundle / "configs" / "metadata.json").read_text())["network_data_format"]
        # two levels at half the resolution
        assert shapes["inputs"]["image"]["spatial_shape"] == shapes["outputs"]["pred"]["spatial_shape"] == ["4*n", "4*n"]

    def test_card_has_the_score(self, bundle):
        card = (bundle / "docs" / "README.md").read_text(encoding="utf-8")
        training = read_training(bundle)
        assert f"{training['validation']['iou']:.4f}" in card
        assert training["weights_sha256"] in card
        assert "WARNING" not in card


class TestWriteBundle:
    def test_lists_stay_on_one_line_and_texts_stay_texts(self, tmp_path):
        write_bundle(tmp_path, {"filters": [2, 4, 6], "loss": "focal", "lr": 0.5}, {}, "# card\n", 4)
        lines = (tmp_path / "configs" / "inference.yaml").read_text().splitlines()
        assert any(line.startswith("filters: [2, 4, 6] ") and "# channels of each level" in line for line in lines)
        assert load(tmp_path / "configs" / "train.yaml")["loss"] == "focal"
        assert (tmp_path / "docs" / "README.md").read_text() == "# card\n"

    @pytest.mark.parametrize("value", [1e-5, 1.5e-7, 1e22, 0.25, 3.0, 123456.0])
    def test_monai_reads_numbers_as_numbers(self, tmp_path, value):
        write_bundle(tmp_path, {"weight_decay": value, "zoom": [value, 1.0]}, {}, "", 4)
        read = ConfigParser.load_config_file(tmp_path / "configs" / "train.yaml")
        assert (read["weight_decay"], read["zoom"]) == (value, [value, 1.0])

    def test_metadata_have_no_expressions(self, tmp_path):
        facts = {"data": "$x", "worst": ["%y"], "files_sha256": {"$z": "a$"}, "seed": 3}
        write_bundle(tmp_path, {}, facts, "", 4)
        assert read_training(tmp_path) == {"data": " $x", "worst": [" %y"], "files_sha256": {" $z": "a$"}, "seed": 3}

    def test_unknown_settings_are_not_written(self, tmp_path):
        write_bundle(tmp_path, {"made_up": 3}, {}, "", 4)
        assert "made_up" not in "".join(path.read_text() for path in (tmp_path / "configs").iterdir())


def test_versions_are_those_installed():
    import torch

    versions = package_versions()
    assert versions["torch"] == torch.__version__
    assert versions["livecell-monai"] == __version__
    assert versions["monai"].startswith("1.6")
