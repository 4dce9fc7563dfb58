"""The shipped start as a bundle."""

import json

import pytest
import torch

from livecell_monai.bundle.contents import read_bundle_settings
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.start import find_assumed_diameter, read_expected_diameter, read_shipped_start, write_start_bundle
from livecell_monai.bundle.weights import read_weights
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import BundleError
from tests.support.starts import MAPS, make_start, shipped


def test_is_a_complete_bundle_with_the_weights_of_the_start(tmp_path):
    start = make_start()
    with shipped(tmp_path / "shipped.safetensors", start) as path:
        folder = write_start_bundle(tmp_path / "bundle")
        training = json.loads((folder / "configs" / "metadata.json").read_text())["training"]
        assert training["start_sha256"] == hash_file(path)
    assert training["facts"] == {"seen": "random numbers"}
    settings = read_bundle_settings(folder)
    assert (settings["filters"], settings["maps"], settings["stem_stride"]) == ([4, 8], MAPS, 2)
    assert settings["tta_views"] == 4
    assert (settings["scale"], settings["cell_diameter"], settings["seed_depth"]) == (1.0, 40.0, 2.0)
    opened = open_bundle(folder, ["inference"])
    assert opened.network(torch.zeros(1, 1, 16, 16)).shape == (1, 5, 16, 16)
    weights = read_weights(folder / "models" / "model.safetensors")
    assert all(torch.equal(tensor, start.weights[name].half().to(tensor)) for name, tensor in weights.items())
    assert "# The start" in (folder / "docs" / "README.md").read_text()


def test_only_a_start_expects_cells_of_a_size(tmp_path, trained):
    with shipped(tmp_path / "shipped.safetensors", make_start()):
        folder = write_start_bundle(tmp_path / "bundle")
    assert read_expected_diameter(folder) == 40.0
    assert read_expected_diameter(trained[1]) is None
    checkpoint = "models/model.safetensors"
    assert find_assumed_diameter(trained[1] / checkpoint, 30.0) is None
    assert find_assumed_diameter(tmp_path / "elsewhere" / checkpoint, 30.0) is None
    assert find_assumed_diameter(folder / checkpoint, 30.5) == 30.5


def test_an_installation_without_a_start(tmp_path):
    with shipped(tmp_path / "shipped.safetensors"), pytest.raises(BundleError, match=r"^start: this installation ships no"):
        read_shipped_start()
