"""The graph of a bundle, traced once for images of any size."""

import numpy as np
import pytest
import torch

from livecell_monai.errors import BundleError, SettingError
from livecell_monai.packaging.model import check_settings, run_torch, to_batch, trace_model


def test_a_trace_holds_no_size(model, segmenter):
    image = np.random.default_rng(0).normal(size=(300, 271)).astype(np.float32)  # larger than what is measured, and odd
    expected = np.stack(list(segmenter.maps(image).values()))
    np.testing.assert_allclose(run_torch(model.traced)(image), expected, atol=1e-4)
    pair = torch.cat([to_batch(image), 2 * to_batch(image)])
    assert model.traced(pair).shape == (2, 2, 300, 271)
    assert model.example_batch.shape == (1, 1, 96, 112)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scale": [64, 64], "tta_views": 1}, r"setting scale must be a factor to export a model, got the size \[64, 64\]"),
        ({"scale": 1.0, "tta_views": 8}, r"setting tta_views must be 1 to export a model, got 8; add --set tta_views=1"),
    ],
)
def test_settings_that_a_graph_cannot_hold(settings, words):
    with pytest.raises(SettingError, match=words):
        check_settings(settings)


def test_a_network_that_cannot_be_traced(opened, segmenter, model, monkeypatch):
    class Odd(torch.nn.Module):
        multiple = 4

        def forward(self, image):
            return {"logits": image}

    monkeypatch.setattr(segmenter, "network", Odd())
    with pytest.raises(BundleError, match="must be one that torch can trace, got"):
        trace_model(segmenter, opened.settings, model.example)
