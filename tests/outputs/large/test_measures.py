"""Foreground and components by chunks equal those of the whole mask."""

import numpy as np
import pytest
from scipy import ndimage

from livecell_monai.outputs.large import measures
from livecell_monai.outputs.large.measures import measure_mask


def whole(mask):
    return mask.mean(), ndimage.label(mask, structure=np.ones((3, 3)))[1]


@pytest.mark.parametrize(("seed", "shape"), list(enumerate([(83, 70), (65, 49), (49, 83), (17, 17)])))
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.3, 0.4, 0.7, 1.0])
def test_equal_those_of_the_whole_mask(monkeypatch, seed, shape, share):
    monkeypatch.setattr(measures, "CHUNK", 16)
    mask = np.random.default_rng(seed).random(shape) < share
    if share == 0.3:  # cells larger than a chunk
        mask = ndimage.gaussian_filter(mask.astype(float), 4) > 0.3
    share_found, components = measure_mask(mask.astype(np.uint8) * 255)
    assert share_found == pytest.approx(whole(mask)[0], abs=1e-12)
    assert components == whole(mask)[1]


@pytest.mark.parametrize("pixels", [[(15, 15), (16, 16)], [(16, 15), (15, 16)], [(15, 20), (16, 21)], [(20, 15), (21, 16)]])
def test_diagonal_neighbours_across_a_border_are_connected(monkeypatch, pixels):
    monkeypatch.setattr(measures, "CHUNK", 16)
    mask = np.zeros((40, 40), np.uint8)
    for pixel in pixels:
        mask[pixel] = 1
    assert measure_mask(mask)[1] == 1


def test_component_through_every_chunk_counts_once(monkeypatch):
    monkeypatch.setattr(measures, "CHUNK", 8)
    mask = np.zeros((64, 64), np.uint8)
    mask[::4] = 255
    for index, row in enumerate(range(0, 60, 4)):
        mask[row : row + 5, -1 if index % 2 else 0] = 255
    assert measure_mask(mask)[1] == whole(mask)[1] == 1
