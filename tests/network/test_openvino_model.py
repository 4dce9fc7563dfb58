"""Whole graphs for OpenVINO: converted, joined with a network in integers, saved with facts."""

import numpy as np
import torch
from torch import nn

from livecell_monai.network import UNet, fuse_batch_norms
from livecell_monai.network.openvino_model import convert, join_int8, open_file, save
from livecell_monai.packaging.model import trace


class Half(nn.Module):
    def forward(self, image):
        return image / 2


class Last(nn.Module):
    def forward(self, logits, image):
        return torch.sigmoid(logits) + 0 * image


def test_a_network_between_two_graphs(tmp_path):
    torch.manual_seed(0)
    network = fuse_batch_norms(UNet(filters=[4, 8]).eval())
    image = torch.randn(2, 1, 32, 48)
    before = convert(trace(Half(), image), image)
    after = convert(trace(Last(), image, image), image, image)
    save(join_int8(before, network, {}, after), tmp_path / "model.xml", {"name": "of a test"})
    assert "of a test" in (tmp_path / "model.xml").read_text()
    run = open_file(tmp_path / "model.xml")
    for given in (image, image[:1, :, :16]):
        with torch.no_grad():
            expected = torch.sigmoid(network(given / 2))
        np.testing.assert_allclose(run(given.numpy()), expected.numpy(), atol=1e-4)
