"""The test image of an exported model."""

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import DataError
from livecell_monai.packaging.example import Example, draw_example, predict_example, read_example


def test_a_drawn_one_is_always_the_same_and_has_the_size_of_the_cells():
    image = draw_example(80.0)
    assert image.shape == (512, 512)
    np.testing.assert_array_equal(draw_example(80.0), image)
    assert draw_example(50.0).shape == (384, 384)
    assert image.std() > 100


def test_the_middle_of_a_file(tmp_path, picture):
    np.testing.assert_array_equal(read_example(picture), tifffile.imread(picture))
    large = np.arange(600 * 700, dtype=np.float32).reshape(600, 700)
    tifffile.imwrite(tmp_path / "large.tif", large)
    np.testing.assert_array_equal(read_example(tmp_path / "large.tif"), large[44:556, 94:606])
    tifffile.imwrite(tmp_path / "small.tif", large[:63])
    with pytest.raises(DataError, match=r"small\.tif: a test image must have at least 64 x 64 px, got 63 x 700"):
        read_example(tmp_path / "small.tif")


def test_what_the_bundle_says_about_it(segmenter, picture):
    image = tifffile.imread(picture)
    example = predict_example(segmenter, image)
    mask = segmenter(image)
    np.testing.assert_array_equal(example.mask, mask)
    np.testing.assert_array_equal(example.cells, mask.cells)
    np.testing.assert_array_equal(example.maps[1], segmenter.maps(image)["distance"])
    assert example.image.dtype == np.float32


def test_the_picture_shows_the_image_beside_the_mask():
    image = np.zeros((20, 30), np.float32)
    image[:, 10:] = 1
    mask = np.zeros((20, 30), bool)
    mask[5:15, 5:15] = True
    drawn = Example(image, mask[None].astype(np.float32), mask, None).draw()
    assert drawn.shape == (20, 60, 3)
    left, right = drawn[:, :30], drawn[:, 30:]
    assert (left[..., 0] == left[..., 2]).all()
    np.testing.assert_array_equal((left != right).any(axis=2), mask)
