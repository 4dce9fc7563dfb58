"""OpenVINO files, in float32 and in integers of 8 bits."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from livecell_monai.errors import BundleError
from livecell_monai.network.accelerator import read_capabilities
from livecell_monai.packaging.model import trace
from livecell_monai.packaging.openvino_file import open_openvino, write_openvino
from livecell_monai.packaging.parity import measure_parity
from livecell_monai.prediction.backends import EXACT, read_ranges

NEEDS_EXACT = pytest.mark.skipif(
    not any(read_capabilities().get(name) for name in EXACT), reason="products of 8 bits may overflow on this processor"
)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).normal(size=(203, 311)).astype(np.float32)


def test_gives_the_masks_of_the_bundle(model, facts, segmenter, image, tmp_path):
    write_openvino(model, facts, tmp_path / "model.xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.xml"]
    assert '"foreground"' in (tmp_path / "model.xml").read_text().replace("&quot;", '"')
    parity = measure_parity(open_openvino(tmp_path / "model.xml"), segmenter, image)
    assert parity.iou > 0.999
    assert parity.largest_difference < 1e-3


@NEEDS_EXACT
def test_integers_are_close(tiny, model, facts, segmenter, picture, tmp_path):
    ranges = read_ranges(tiny / "configs" / "metadata.json")
    assert ranges
    write_openvino(replace(model, ranges=ranges), facts, tmp_path / "model.xml")
    assert "FakeQuantize" in (tmp_path / "model.xml").read_text()
    parity = measure_parity(open_openvino(tmp_path / "model.xml"), segmenter, model.example.image)
    assert 0.9 < parity.iou <= 1
    assert parity.largest_difference > 1e-3


def test_without_the_range_of_a_map(model, facts, tmp_path):
    with pytest.raises(BundleError, match=r"backend=int8 needs the range of each map in .*; add --set backend=torch"):
        write_openvino(replace(model, ranges={}), facts, tmp_path / "model.xml")


def test_an_operation_that_openvino_lacks(model, facts, tmp_path):
    class Odd(torch.nn.Module):
        def forward(self, image):
            return torch.linalg.svdvals(image)

    odd = replace(model, traced=trace(Odd(), model.example_batch))
    root = logging.getLogger()
    before = root.level, root.handlers[:], root.filters[:]
    with pytest.raises(BundleError, match=r"must have operations of OpenVINO only, got: .*; export it as onnx"):
        write_openvino(odd, facts, tmp_path / "odd.xml")
    assert (root.level, root.handlers, root.filters) == before  # or later warnings would be lost
