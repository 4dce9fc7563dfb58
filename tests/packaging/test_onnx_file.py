"""ONNX files: one file of opset 18 with the facts, for images of any size."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from livecell_monai.errors import BundleError
from livecell_monai.packaging.model import trace
from livecell_monai.packaging.onnx_file import open_onnx, write_onnx
from livecell_monai.packaging.parity import measure_parity


@pytest.fixture(scope="module")
def path(model, facts, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    write_onnx(model, facts, path)
    return path


def test_is_one_file_that_says_what_it_is(path, facts):
    assert [one.name for one in path.parent.iterdir()] == ["model.onnx"]
    written = onnx.load(path)
    assert [(one.domain, one.version) for one in written.opset_import] == [("", 18)]
    texts = {one.key: one.value for one in written.metadata_props}
    assert texts == facts.texts()
    assert json.loads(texts["parity"])["iou"] == 0.9996
    (given,), (made,) = written.graph.input, written.graph.output
    axes = [[one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim] for value in (given, made)]
    assert (given.name, made.name) == ("image", "maps")
    assert axes[0] == ["batch", 1, "y", "x"]
    assert (axes[1][0], *axes[1][2:]) == ("batch", "y", "x")


def test_gives_the_masks_of_the_bundle(path, segmenter):
    image = np.random.default_rng(0).normal(size=(203, 311)).astype(np.float32)
    parity = measure_parity(open_onnx(path), segmenter, image)
    assert parity.iou > 0.999
    assert parity.largest_difference < 1e-4


def test_an_operation_that_onnx_lacks(model, facts, tmp_path):
    class Odd(torch.nn.Module):
        def forward(self, image):
            return torch.linalg.svdvals(image)

    odd = replace(model, traced=trace(Odd(), model.example_batch))
    with pytest.raises(BundleError, match=r"must have operations of ONNX only, got: .*; export it as torchscript"):
        write_onnx(odd, facts, tmp_path / "odd.onnx")
