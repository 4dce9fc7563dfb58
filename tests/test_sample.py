"""Rectangles of an image."""

import numpy as np

from livecell_monai.sample import Region

PLANE = np.arange(20 * 30).reshape(20, 30)


def test_an_overlap_is_the_same_pixels_in_both_regions():
    one, other = Region(2, 3, 12, 20), Region(5, 10, 18, 25)
    shared = one.overlap(other)
    assert shared == other.overlap(one) == Region(5, 10, 12, 20)
    expected = shared.crop(PLANE)
    np.testing.assert_array_equal(shared.relative_to(one).crop(one.crop(PLANE)), expected)
    np.testing.assert_array_equal(shared.relative_to(other).crop(other.crop(PLANE)), expected)


def test_tiles_cover_a_region():
    region = Region(2, 3, 12, 20)
    assert list(region.tiles(6, 10)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(Region(6, 10, 12, 20).tiles(6, 10)) == [(1, 1)]
