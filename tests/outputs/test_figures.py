"""What all plots share: their size, their style, files that are complete or absent."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from livecell_monai.errors import DataError
from livecell_monai.outputs.figures import (
    AGREED,
    DPI,
    INVENTED,
    MISSED,
    is_our_picture,
    new_figure,
    style_axes,
    write_png,
)


def test_a_figure_has_its_size_and_a_light_frame(tmp_path):
    figure = new_figure(4, 2)
    axes = figure.add_subplot()
    assert axes.spines["top"].get_visible()
    style_axes(axes)
    assert not axes.spines["top"].get_visible()
    write_png(tmp_path / "a.png", figure)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (4 * DPI, 2 * DPI)


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        write_png(tmp_path / "missing" / "a.png", new_figure(1, 1))


def lightness(colour):
    """CIE L* of an sRGB colour, 0 to 100."""
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16


@pytest.mark.parametrize(("one", "other"), list(combinations((AGREED, MISSED, INVENTED), 2)))
def test_colours_differ_in_lightness(one, other):
    assert abs(lightness(one) - lightness(other)) > 15


@pytest.mark.parametrize("mask", ["a.tif", "a.ome.tif"])
def test_our_pictures_lie_beside_a_mask(tmp_path, mask):
    for name in ("a_overlay.png", "a_confluency.png", "b_overlay.png", "a.png", mask):
        (tmp_path / name).write_bytes(b"")
    found = {path.name for path in tmp_path.iterdir() if is_our_picture(path)}
    assert found == {"a_overlay.png", "a_confluency.png"}
