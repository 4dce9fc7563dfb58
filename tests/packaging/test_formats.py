"""Formats by name, and what they need."""

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.packaging import formats
from livecell_monai.packaging.formats import FORMATS, find_format


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_every_format_is_found_and_can_be_checked(form, tmp_path):
    assert find_format(form.name, tmp_path / f"model{form.endings[0]}") is form
    assert (form.open is None) == bool(form.parts)
    assert all(FORMATS[part].open is not None for part in form.parts)


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("tflite", "model.tflite", r"--format must be one of onnx, torchscript, bioimageio, openvino, got 'tflite'"),
        ("onnx", "model.zip", r"model\.zip: the file of --format onnx must end with \.onnx"),
        ("torchscript", "model", r"must end with \.pt or \.ts"),
    ],
)
def test_what_does_not_fit(tmp_path, name, file, words):
    with pytest.raises(SettingError, match=words):
        find_format(name, tmp_path / file)


def test_a_missing_library_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name.startswith("onnx") else object())
    with pytest.raises(SettingError, match=r"needs onnx, onnxruntime, which .* pip install 'livecell-monai\[export\]'"):
        find_format("bioimageio", tmp_path / "a.zip")
    find_format("torchscript", tmp_path / "a.pt")

    def fail(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(formats, "find_spec", fail)
    with pytest.raises(SettingError, match=r"needs openvino, which .* pip install 'livecell-monai\[openvino\]'"):
        find_format("openvino", tmp_path / "a.xml")
