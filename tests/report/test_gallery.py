import numpy as np
import pytest
from PIL import Image

from livecell_monai.outputs.figures import COMPARED, INVENTED, MISSED, PREDICTED
from livecell_monai.report.gallery import (
    BACKGROUND,
    MAX_ROWS,
    SIDE_PX,
    draw_gallery,
    draw_legend,
    shrink,
    shrink_labels,
    write_gallery,
)


def panel(side=60, truth=True, title="cells: IoU 0.812"):
    rows, columns = np.mgrid[:side, :side]
    mask = (rows - side // 2) ** 2 + (columns - side // 2) ** 2 < (side // 3) ** 2
    image = np.random.default_rng(side).normal(500, 15, (side, side)) + 200 * mask
    shifted = np.roll(mask, side // 10, axis=1)
    return title, image.astype(np.uint16), mask, shifted if truth else None, None


def holds(picture, colour):
    return bool((picture == colour).all(axis=2).any())


def test_file_of_three_large_rows_is_small(tmp_path):
    write_gallery(tmp_path / "gallery.png", [panel(1024)] * 3)
    with Image.open(tmp_path / "gallery.png") as png:
        assert png.format == "PNG"
        assert 2 * SIDE_PX <= png.width <= 2 * SIDE_PX + 100
        assert 3 * SIDE_PX <= png.height <= 3 * SIDE_PX + 200
    assert (tmp_path / "gallery.png").stat().st_size < 900_000


def test_file_keeps_the_colours_of_the_picture(tmp_path):
    write_gallery(tmp_path / "gallery.png", [panel()])
    with Image.open(tmp_path / "gallery.png") as png:
        written = np.asarray(png.convert("RGB")).astype(int)
    assert np.abs(written - draw_gallery([panel()])).max() <= 8
    assert holds(written, MISSED)


def test_long_side_is_shrunk_whatever_the_shape():
    image = np.random.default_rng(0).random((300, 1200))
    picture = draw_gallery([("wide", image, image > 2, None, None)])
    assert 2 * SIDE_PX <= picture.shape[1] <= 2 * SIDE_PX + 100
    assert picture.shape[0] < SIDE_PX


def test_colours_depend_on_a_truth():
    compared, alone = draw_gallery([panel()]), draw_gallery([panel(truth=False)])
    assert holds(compared, MISSED)
    assert holds(compared, INVENTED)
    assert holds(alone, PREDICTED)
    assert not holds(alone, MISSED)


def test_legend_explains_the_truth_if_only_one_row_has_one():
    mixed, compared = draw_gallery([panel(truth=False), panel()]), draw_gallery([panel(), panel()])
    assert np.array_equal(mixed[-30:], compared[-30:])


def test_rows_after_the_sixth_are_left_out():
    assert draw_gallery([panel()] * 5).shape[0] < draw_gallery([panel()] * MAX_ROWS).shape[0]
    assert draw_gallery([panel()] * 9).shape == draw_gallery([panel()] * MAX_ROWS).shape


@pytest.mark.parametrize("title", ["", "x" * 500, "two\nlines", "$a_b$ µm é 細胞"])
def test_a_title_never_moves_the_picture(title):
    plain, other = draw_gallery([panel(title="cells")]), draw_gallery([panel(title=title)])
    assert other.shape == plain.shape
    assert np.array_equal(other[40:], plain[40:])


def test_title_is_drawn():
    assert not np.array_equal(draw_gallery([panel(title="a")]), draw_gallery([panel(title="b")]))


@pytest.mark.parametrize("width", [1, 200, 1024])
def test_strip_shows_every_colour_over_the_full_width(width):
    strip = draw_legend(width, COMPARED)
    assert strip.dtype == np.uint8
    assert strip.shape[1] >= width
    assert all(holds(strip, colour) for _, colour in COMPARED)


def test_entries_wrap_into_lines():
    wide, narrow = draw_legend(900, COMPARED), draw_legend(60, COMPARED)
    assert narrow.shape[0] == 3 * wide.shape[0]


@pytest.mark.parametrize("width", [1, 200, 400, 1024])
def test_no_text_is_cut_off(width):
    assert (draw_legend(width, COMPARED)[:, -2:] == BACKGROUND).all()


@pytest.mark.parametrize("shape", [(100, 60), (61, 997), (8, 5)])
def test_ids_are_shrunk_to_the_shape_of_the_picture_and_not_mixed(shape):
    labels = np.arange(shape[0] * shape[1]).reshape(shape) * 1000
    small = shrink_labels(labels, 20)
    assert small.shape == shrink(labels.astype(np.float32), 20).shape
    assert np.isin(small, labels).all()
    assert (np.diff(small) > 0).all()


def test_the_pixel_in_the_middle_stays():
    labels = np.kron(np.arange(16).reshape(4, 4), np.ones((9, 9), int))
    assert (shrink_labels(labels, 4) == np.arange(16).reshape(4, 4)).all()
