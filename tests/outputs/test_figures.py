"""What all plots share: their size, their style, files that are complete or absent."""

import pytest
from PIL import Image

from livecell_monai.errors import DataError
from livecell_monai.outputs.figures import DPI, new_figure, style_axes, write_png


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
