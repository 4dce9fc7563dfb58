"""Grey planes that are stored as colours."""

import numpy as np
import pytest

from livecell_monai.data.checks.colour import look_up, merge_samples
from livecell_monai.errors import DataError
from tests.support.plane_files import GREY

COLOURED = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 7)], -1).astype(np.uint8)
RAMP_PALETTE = np.stack([255 - np.arange(256)] * 3, -1).astype(np.uint8)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_equal_samples_are_grey(samples):
    pixels = np.stack([GREY] * samples)
    if samples in (2, 4):
        pixels[-1] = 255
    np.testing.assert_array_equal(merge_samples("a", pixels, 255), GREY)


def test_the_first_coloured_pixel_of_a_part_is_placed_in_the_image():
    pixels = np.stack([GREY] * 3)
    pixels[:, 3, 7] = 1, 1, 2
    with pytest.raises(DataError, match=r"a: .*this is RGB with red 1, green 1, blue 2 at row 103, column 27; convert it"):
        merge_samples("a", pixels, 255, (100, 20))


def test_a_grey_palette_gives_its_values():
    for is_label in (False, True):
        np.testing.assert_array_equal(look_up("a", GREY, RAMP_PALETTE, is_label), 255 - GREY)


def test_only_colours_that_are_used_count():
    palette = np.where(np.arange(256)[:, None] < 9, RAMP_PALETTE, COLOURED)
    np.testing.assert_array_equal(look_up("a", GREY % 9, palette), 255 - GREY % 9)


def test_a_coloured_palette_is_of_ids():
    np.testing.assert_array_equal(look_up("a", GREY, COLOURED, is_label=True), GREY)
    with pytest.raises(DataError, match="red 0, green 255, blue 7 at row 0, column 0"):
        look_up("a", GREY, COLOURED)


def test_ids_of_one_grey_stay_apart():
    palette = np.minimum(RAMP_PALETTE, 9)
    np.testing.assert_array_equal(look_up("a", GREY, palette, is_label=True), GREY)


def test_an_index_beyond_the_palette_is_damage():
    with pytest.raises(ValueError, match="its palette has 9 colours, a pixel has the index 255"):
        look_up("a", GREY, COLOURED[:9])
