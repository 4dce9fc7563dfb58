"""The grey values of a label: those of a soft mask, of an image, or of interpolated ids."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from livecell_monai.data.label_greys import count_greys, count_values, is_interpolated
from tests.support.worlds import some_cells

CELLS = some_cells((200, 220))  # five cells with ids
MASK = CELLS > 0
TIFF = Path("a.tif")


@pytest.mark.parametrize("label", [CELLS, CELLS * 50, MASK * np.uint8(255), np.zeros((9, 9), np.uint8)])
def test_ids_and_masks_have_no_greys(label):
    assert count_greys(label, TIFF) is None
    assert not is_interpolated(label)


def test_a_soft_mask_has_rims_and_a_core():
    soft = ndimage.gaussian_filter(MASK * 255.0, 0.8).round().astype(np.uint8)
    greys = count_greys(soft, TIFF)
    assert greys.is_soft()
    assert greys.above_half == np.count_nonzero(soft > 127)
    assert greys.highest == np.count_nonzero(soft >= 252)


def test_noise_is_an_image():
    greys = count_greys(np.random.default_rng(0).integers(20, 200, MASK.shape), TIFF)
    assert not greys.is_soft()
    assert greys.is_image()


def test_counts_do_not_depend_on_bands():
    soft = ndimage.gaussian_filter(np.kron(MASK, np.ones((4, 1))) * 255.0, 0.8).round().astype(np.uint8)
    assert len(soft) > 512
    greys = count_greys(soft, TIFF)
    assert greys.above_half == np.count_nonzero(soft[1:-1] > 127)


class TestInterpolation:
    @pytest.mark.parametrize("method", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
    def test_resized_ids(self, method):
        label = np.asarray(Image.fromarray((CELLS * 40).astype(np.uint8)).resize((330, 300), method))
        assert len(np.unique(label)) > 30
        assert is_interpolated(label)

    def test_ids_resized_by_nearest_neighbour(self):
        label = np.asarray(Image.fromarray((CELLS * 40).astype(np.uint8)).resize((330, 300), Image.Resampling.NEAREST))
        assert not is_interpolated(label)

    @pytest.mark.parametrize("sigma", [0.5, 0.7, 1.0])
    def test_classes_with_soft_edges(self, sigma):
        classes = np.array([0, 127, 255, 127, 255, 127])[CELLS]
        assert is_interpolated(ndimage.gaussian_filter(classes.astype(float), sigma).round().astype(np.uint8))

    def test_many_touching_ids(self):
        rows, columns = np.indices((60, 60))
        assert not is_interpolated((rows // 4 * 15 + columns // 4 + 1).astype(np.uint16))

    def test_specks_beside_cells(self):
        label = CELLS.copy()
        label[2, 2:80:2] = np.arange(6, 45)
        assert not is_interpolated(label)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_values_with_their_numbers_of_pixels(dtype):
    values, counts = count_values(CELLS.astype(dtype))
    expected = np.unique(CELLS, return_counts=True)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(counts, expected[1])
