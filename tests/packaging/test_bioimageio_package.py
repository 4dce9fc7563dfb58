"""Packages for bioimage.io: valid by bioimageio.spec, with the weights and tensors that they describe."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from livecell_monai.errors import BundleError, SettingError
from livecell_monai.packaging.bioimageio_package import PAPER, check_names, closing_files, describe, write_package
from livecell_monai.packaging.exporting import REFERENCE
from livecell_monai.packaging.onnx_file import open_onnx
from livecell_monai.packaging.torchscript_file import open_torchscript
from livecell_monai.prediction.segmenter import open_segmenter
from livecell_monai.settings import list_settings
from tests.support.worlds import picture_of, some_cells


@pytest.fixture(scope="module")
def package(model, facts, tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "model.zip"
    write_package(model, facts, path)
    return path


def test_is_valid_and_complete(package):
    assert [one.name for one in package.parent.iterdir()] == ["model.zip"]
    with closing_files():
        check_description(package)


def check_description(package):
    import bioimageio.spec as spec

    found = spec.load_model_description(package, format_version="discover")
    assert found.validation_summary.status in ("passed", "valid-format")
    assert found.format_version == "0.5.14"
    assert (found.name, str(found.license), str(found.version)) == ("livecell U-Net tiny", "Apache-2.0", "0.2.0")
    assert [one.name for one in found.authors] == ["A. Author"]
    assert {"unet", "cells", "instance-segmentation"} <= set(found.tags)
    assert found.config.livecell["parity"] == {"iou": 0.9996, "largest_difference": 2e-06}
    assert found.config.livecell["cells"]["cell_diameter"] == 20.0
    assert (found.weights.onnx.opset_version, str(found.weights.torchscript.pytorch_version)[:2]) == (18, "2.")
    assert [axis.id for axis in found.outputs[0].axes] == ["batch", "channel", "y", "x"]


def test_its_weights_give_its_test_output(package, model, segmenter, tmp_path):
    with zipfile.ZipFile(package) as content:
        content.extractall(tmp_path)
    image, maps = (np.load(tmp_path / f"test_{name}.npy") for name in ("input", "output"))
    np.testing.assert_array_equal(image[0, 0], model.example.image)
    np.testing.assert_array_equal(maps[0, 0], segmenter.maps(model.example.image)["foreground"])
    for run in (open_onnx(tmp_path / "model.onnx"), open_torchscript(tmp_path / "model.pt")):
        np.testing.assert_allclose(run(image[0, 0]), maps[0], atol=1e-4)
    assert Image.open(io.BytesIO((tmp_path / "cover.png").read_bytes())).size == (2 * 112, 96)
    assert "IoU 0.9996" in (tmp_path / "README.md").read_text()
    assert (tmp_path / "model_card.md").read_text().startswith("# Model card")


def test_predicted_with_here_it_gives_the_cells_of_the_bundle(model, facts, tiny, tmp_path):
    """It states how its maps become cells; the settings are not those that a model of another tool gets."""
    chosen = {"threshold": 0.45, "seed_depth": 1.0, "min_cell_area": 3}
    package, image = tmp_path / "model.zip", picture_of(some_cells((96, 128)))  # one window
    cells = {name: chosen.get(name, value) for name, value in facts.cells.items()}
    write_package(model, replace(facts, threshold=chosen["threshold"], cells=cells), package)
    labels = {}
    for name, bundle, given in (
        ("bundle", tiny, REFERENCE | chosen),
        ("package", package, {}),
        ("defaults", package, {name: list_settings(["inference"])[name] for name in (*cells, "threshold")}),
    ):
        labels[name] = open_segmenter(bundle, {**given, "window": [96, 128]})(image).cells
    assert labels["bundle"].max() > 3
    np.testing.assert_array_equal(labels["package"], labels["bundle"])
    assert (labels["defaults"] != labels["bundle"]).any()


def test_names_that_bioimage_io_does_not_take(facts):
    described = describe(replace(facts, name="cells/ä" * 20, version="next"))
    assert described["name"] == ("cells__" * 20)[:64]
    assert "version" not in described
    check_names(facts)
    with pytest.raises(SettingError, match=r"--license must be an identifier of spdx\.org/licenses, .* got 'mine'"):
        check_names(replace(facts, licence="mine"))
    with pytest.raises(SettingError, match="--author must be a name without slashes, got 'a/b'"):
        check_names(replace(facts, authors=("a/b",)))


def test_an_invalid_package_is_not_written(model, facts, tmp_path, monkeypatch):
    monkeypatch.setitem(PAPER, "doi", "none")
    with pytest.raises(BundleError, match=r"^the package must be valid by bioimageio\.spec, got: .*doi"):
        write_package(model, facts, tmp_path / "model.zip")
    assert not list(tmp_path.iterdir())
