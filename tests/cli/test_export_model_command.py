"""`livecell export-model` on the command line, and `export_model` in Python."""

import onnx
import pytest

import livecell_monai
from tests.packaging.conftest import picture, tiny  # noqa: F401
from tests.support.commands import livecell, refused


def test_a_model_of_a_bundle(tiny, picture, tmp_path):  # noqa: F811
    path = tmp_path / "model.onnx"
    given = ("export-model", tiny, "--output", path, "--image", picture, "--author", "A. Author", "--license", "MIT")
    outcome = livecell(*given)
    assert outcome.code == 0, outcome
    assert outcome.out.startswith(f"{path}: its masks agree with those of the bundle at IoU 1.0000; its maps differ by ")
    texts = {one.key: one.value for one in onnx.load(path).metadata_props}
    assert (texts["name"], texts["author"], texts["license"]) == ("livecell U-Net bundle", "A. Author", "MIT")
    refused(livecell(*given), "already exists; choose another name or add --overwrite")
    found = livecell_monai.export_model(tiny, "torchscript", tmp_path / "model.pt", image=picture)
    assert found["iou"] > 0.999


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("bundle", "--format", "tflite", "--output", "a.onnx"), "--format must be one of onnx, torchscript"),
        (("bundle", "--output", "a.zip"), "must end with .onnx"),
        (("bundle", "--output", "nowhere/a.onnx"), "in an existing folder"),
        (("empty", "--output", "a.onnx"), "a bundle must have a folder configs/"),
        (("bundle", "--output", "a.onnx", "--diameter", "30"), "--diameter must be left out"),
        (("bundle", "--output", "a.onnx", "--set", "tta_views=8"), "tta_views must be 1"),
        (("bundle", "--output", "a.onnx", "--image", "none.tif"), "none.tif"),
    ],
)
def test_bad_input_is_one_line(tiny, tmp_path, monkeypatch, given, words):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bundle").symlink_to(tiny)
    refused(livecell("export-model", *given), words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "empty"]
