"""The graph gives the maps of the bundle, whatever the settings, grey values and sizes."""

import numpy as np
import pytest
import torch

from livecell_monai.packaging.exporting import REFERENCE
from livecell_monai.packaging.graph import Finish, Graph, Prepare
from livecell_monai.prediction.segmenter import open_segmenter
from livecell_monai.settings import list_settings
from livecell_monai.transforms import NormaliseContrast
from tests.support.tiny_bundles import write_tiny_bundle
from tests.support.worlds import picture_of, some_cells


def draw(shape=(96, 112), dtype=np.uint16):
    return picture_of(some_cells(shape), dtype=dtype)


def spots(shape=(300, 260)):
    """So few pixels differ that both percentiles are those of the background; more pixels than are measured."""
    image = np.full(shape, 500, np.uint16)
    image[100:104, 50:53] = 4000
    image[200, 201:203] = 100
    return image


def maps_of_graph(segmenter, image, scale=1.0, percentiles=(0.1, 99.9)):
    graph = Graph(
        Prepare(percentiles, scale, segmenter.network.multiple), segmenter.network, Finish(segmenter.head, scale)
    ).eval()
    with torch.no_grad():
        return graph(torch.from_numpy(image.astype(np.float32))[None, None])[0].numpy()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scale": 0.6},
        {"scale": 1.7, "maps": ["foreground"]},
        {"percentiles": [2.0, 90.0], "stem_stride": 1},
        {"normalise": False},
        {"ensemble_size": 2, "norm": "instance"},
    ],
    ids=str,
)
def test_the_maps_of_the_bundle(tmp_path, settings):
    folder = write_tiny_bundle(tmp_path / "bundle", **settings)
    segmenter = open_segmenter(folder, REFERENCE)
    values = {**list_settings(["inference"]), **settings}
    percentiles = values["percentiles"] if values["normalise"] else None
    for image in (draw(), draw((67, 91), np.uint8)):
        expected = np.stack(list(segmenter.maps(image).values()))
        assert 0.05 < (expected[0] >= 0.5).mean() < 0.95
        found = maps_of_graph(segmenter, image, values["scale"], percentiles)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=5e-3 if "scale" in settings else 1e-5)


def normalise(image):
    return Prepare((0.1, 99.9), 1.0, 1)(torch.from_numpy(image.astype(np.float32))[None, None])[0]


@pytest.mark.parametrize(
    "image", [draw(), draw((500, 320)), spots(), draw() * 0 + 7.0], ids=["cells", "large", "spots", "one"]
)
def test_grey_values_are_normalised_as_by_the_bundle(image):
    expected = NormaliseContrast()(torch.from_numpy(image.astype(np.float32))[None])
    torch.testing.assert_close(normalise(image), expected, atol=1e-4, rtol=1e-4)


def test_each_image_of_a_batch_is_normalised_by_itself():
    pair = torch.from_numpy(np.stack([draw().astype(np.float32), 7 + 0.01 * draw().astype(np.float32)]))[:, None]
    first, second = Prepare((0.1, 99.9), 1.0, 1)(pair)
    torch.testing.assert_close(first, second, atol=1e-3, rtol=1e-3)
    assert first.std() > 0.3


def test_the_border_is_repeated_up_to_a_multiple():
    padded = Prepare(None, 1.0, 16)(torch.arange(35.0).reshape(1, 1, 5, 7))
    assert padded.shape == (1, 1, 16, 16)
    torch.testing.assert_close(padded[0, 0, 4:, 6:], torch.ones(12, 10))
    torch.testing.assert_close(padded[0, 0, 0, 6:], torch.full((10,), 6 / 34))
