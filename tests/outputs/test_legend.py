from itertools import combinations

import numpy as np
import pytest

from livecell_monai.outputs.legend import AGREED, BACKGROUND, COMPARED, INVENTED, MISSED, draw_legend, stack


def lightness(colour):
    """CIE L* of an sRGB colour, 0 to 100."""
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16


def holds(picture, colour):
    return bool((picture == colour).all(axis=2).any())


@pytest.mark.parametrize(("one", "other"), list(combinations((AGREED, MISSED, INVENTED), 2)))
def test_colours_differ_in_lightness(one, other):
    assert abs(lightness(one) - lightness(other)) > 15


@pytest.mark.parametrize("width", [1, 200, 1024])
def test_strip_shows_every_colour_over_the_full_width(width):
    strip = draw_legend(width, COMPARED)
    assert strip.dtype == np.uint8
    assert strip.shape[1] >= width
    assert all(holds(strip, colour) for _, colour in COMPARED)


def test_entries_wrap_into_lines():
    wide, narrow = draw_legend(900, COMPARED, size=14), draw_legend(60, COMPARED, size=14)
    assert narrow.shape[0] == 3 * wide.shape[0]


@pytest.mark.parametrize("width", [1, 200, 400, 1024])
def test_no_text_is_cut_off(width):
    assert (draw_legend(width, COMPARED)[:, -2:] == BACKGROUND).all()


def test_stack_pads_to_the_widest():
    rows = [np.zeros((2, 3, 3), np.uint8), np.zeros((1, 5, 3), np.uint8)]
    canvas = stack(rows)
    assert canvas.shape == (3, 5, 3)
    assert (canvas[:2, 3:] == BACKGROUND).all()
    assert not canvas[2].any()
