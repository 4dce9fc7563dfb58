"""A bundle is exported as a whole or not at all, and only if its masks stay the same."""

import json

import numpy as np
import pytest
import tifffile
import torch

from livecell_monai.errors import BundleError, DataError, SettingError
from livecell_monai.packaging import exporting
from livecell_monai.packaging.exporting import ExportOptions, export_bundle
from livecell_monai.packaging.onnx_file import open_onnx
from livecell_monai.packaging.parity import Parity
from livecell_monai.packaging.torchscript_file import FACTS
from livecell_monai.prediction.segmenter import open_segmenter
from tests.support.starts import make_start, shipped
from tests.support.tiny_bundles import write_tiny_bundle


def names_of(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_figure_is_measured_and_written(tiny, picture, tmp_path):
    parity = export_bundle(tiny, "torchscript", tmp_path / "model.pt", ExportOptions("mine", image=picture))
    assert parity.iou > 0.999
    files = {FACTS: ""}
    torch.jit.load(tmp_path / "model.pt", _extra_files=files)
    facts = json.loads(files[FACTS])
    assert json.loads(facts["parity"]) == parity.facts()
    assert facts["name"] == "livecell U-Net mine"
    assert names_of(tmp_path) == ["model.pt"]


def test_settings_and_scale_are_part_of_the_model(tmp_path, picture):
    settings = {"scale": 0.5, "threshold": 0.6}
    bundle = write_tiny_bundle(tmp_path / "bundle", scale=0.5)
    export_bundle(bundle, "onnx", tmp_path / "model.onnx", ExportOptions(image=picture, settings={"threshold": 0.6}))
    image = tifffile.imread(picture)
    segmenter = open_segmenter(bundle, {**settings, "accelerator": "cpu-fp32"})  # the arithmetic of the exported model
    found = open_onnx(tmp_path / "model.onnx")(image)[0] >= 0.6
    assert np.mean(found == segmenter(image)) > 0.999


def test_masks_that_differ_leave_nothing_behind(tiny, picture, tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_text("before")
    monkeypatch.setattr(exporting, "measure_parity", lambda *given: Parity(0.9989, 0.3))
    options = ExportOptions("mine", image=picture, overwrite=True)
    with pytest.raises(BundleError, match=r"^mine, --format onnx: .* got 0\.9989 .*; nothing was written"):
        export_bundle(tiny, "onnx", tmp_path / "model.onnx", options)
    assert names_of(tmp_path) == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "before"


def test_an_existing_file_is_replaced_on_demand_only(tiny, picture, tmp_path):
    (tmp_path / "model.bin").write_text("before")
    with pytest.raises(SettingError, match=r"model\.bin: already exists; choose another name or add --overwrite"):
        export_bundle(tiny, "openvino", tmp_path / "model.xml", ExportOptions(image=picture))
    assert names_of(tmp_path) == ["model.bin"]
    export_bundle(tiny, "openvino", tmp_path / "model.xml", ExportOptions(image=picture, overwrite=True))
    assert names_of(tmp_path) == ["model.bin", "model.xml"]
    assert (tmp_path / "model.bin").stat().st_size > 1000


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"backend": "int8"}, SettingError, "backend=int8 must be left out with --format onnx, .* choose --format openvino"),
        ({"backend": "quick"}, SettingError, "backend"),
        ({"scale": [64, 64]}, SettingError, "scale must be a factor"),
    ],
)
def test_settings_that_cannot_be_exported(tiny, tmp_path, settings, error, words):
    with pytest.raises(error, match=words):
        export_bundle(tiny, "onnx", tmp_path / "model.onnx", ExportOptions(settings=settings))
    assert not names_of(tmp_path)


def test_what_is_no_bundle_and_no_image(tiny, tmp_path):
    with pytest.raises(BundleError, match="a bundle must have a folder configs/"):
        export_bundle(tmp_path, "onnx", tmp_path / "model.onnx")
    with pytest.raises(DataError, match=r"none\.tif"):
        export_bundle(tiny, "onnx", tmp_path / "model.onnx", ExportOptions(image=tmp_path / "none.tif"))
    with pytest.raises(SettingError, match="--license must be"):
        export_bundle(tiny, "bioimageio", tmp_path / "model.zip", ExportOptions(licence="mine"))
    assert not names_of(tmp_path)


def test_integers_take_their_ranges_from_the_training_or_for_a_start_from_the_image(tiny, picture, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(exporting, "trace_model", lambda *given: taken.append(given[3]) or 1 / 0)
    options = ExportOptions(image=picture, settings={"backend": "int8"})
    with pytest.raises(ZeroDivisionError):
        export_bundle(tiny, "openvino", tmp_path / "model.xml", options)
    from livecell_monai.bundle.start import write_start_bundle

    with shipped(tmp_path / "start.safetensors", make_start(filters=[4, 24])):
        start = write_start_bundle(tmp_path / "start")
    given = {"backend": "int8", "cell_diameter": 40.0, "tta_views": 1}
    with pytest.raises(ZeroDivisionError):
        export_bundle(start, "openvino", tmp_path / "model.xml", ExportOptions(image=picture, settings=given))
    assert all(taken)
    assert taken[0].keys() == taken[1].keys()
    assert taken[0] != taken[1]
