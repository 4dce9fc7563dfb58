"""The size of cells by how a network separates them: here a network is a rule that splits, merges or finds cells."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn.functional import interpolate

from livecell_monai.prediction.cell_size import EDGE, SCALES, estimate_diameter

EXPECTED = 40.0


def disks(diameter, shape=(480, 560), seed=0):
    """An image (1, Y, X) of round cells of about a diameter, 1 in cells and 0 between them."""
    rng = np.random.default_rng(seed)
    pitch = round(1.7 * diameter)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    picture = np.zeros(shape, np.float32)
    for y in range(pitch // 2, shape[0], pitch):
        for x in range(pitch // 2, shape[1], pitch):
            radius = diameter / 2 * rng.uniform(0.85, 1.15)
            dy, dx = rng.uniform(-0.1, 0.1, 2) * diameter
            picture[(rows - y - dy) ** 2 + (columns - x - dx) ** 2 <= radius**2] = 1
    return torch.from_numpy(picture)[None]


def separate(part):
    """Cells as a network finds them that has seen cells of 15 to 120 px: smaller ones merge, larger ones fall to pieces."""
    mask = part[0].numpy() > 0.5
    labels = ndimage.label(mask)[0]
    width = np.sqrt(4 / np.pi * np.median(np.bincount(labels.ravel())[1:])) if labels.any() else 0
    if width > 120:
        rows, columns = np.indices(mask.shape) // 45
        return np.where(mask, 1 + rows * 1000 + columns, 0).astype(np.int32)
    if width < 15:
        return ndimage.label(ndimage.binary_dilation(mask, iterations=6))[0].astype(np.int32)
    return labels.astype(np.int32)


@pytest.mark.parametrize("diameter", [12, 20, 40, 80, 130])
def test_finds_the_size(diameter):
    found = estimate_diameter(disks(diameter), separate, EXPECTED)
    assert found == pytest.approx(diameter, rel=0.15)


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_follows_the_magnification(zoom):
    image = disks(40)
    scaled = interpolate(image[None], scale_factor=zoom, mode="bilinear", antialias=True)[0]
    one, other = (estimate_diameter(each, separate, EXPECTED) for each in (image, scaled))
    assert other / one == pytest.approx(zoom, rel=0.12)


def test_a_single_cell_is_enough():
    picture = np.zeros((160, 200), np.float32)
    picture[60:110, 70:120] = 1
    found = estimate_diameter(torch.from_numpy(picture)[None], separate, EXPECTED)
    assert found == pytest.approx(50 * np.sqrt(4 / np.pi), rel=0.2)


@pytest.mark.parametrize("shape", [(480, 560), (16, 16), (1, 1)])
def test_without_cells_there_is_no_size(shape):
    assert estimate_diameter(torch.zeros(1, *shape), separate, EXPECTED) is None


def test_looks_at_the_middle_only():
    """The cost does not grow with the image: no scaled part has more pixels than EDGE on a side."""
    seen = []

    def look(part):
        seen.append(tuple(part.shape))
        return np.zeros(part.shape[1:], np.int32)

    assert estimate_diameter(torch.zeros(1, 3000, 700), look, EXPECTED) is None
    assert len(seen) == len(SCALES)
    assert max(edge for shape in seen for edge in shape) <= EDGE
    assert seen[SCALES.index(1.0)] == (1, EDGE, EDGE)
