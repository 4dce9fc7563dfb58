"""What the values of a label mean: ids, one value, classes, a soft mask, or nothing."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from livecell_monai.data.label_values import check_label_values, interpret_fractions, interpret_label
from livecell_monai.errors import DataError
from tests.support.worlds import some_cells

SHAPE = (200, 220)  # (Y, X) pixels
CELLS = some_cells(SHAPE)  # five cells with ids
MASK = CELLS > 0
WHITE = (MASK * 255).astype(np.uint8)


def jpeg_of(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def discs(count, radius, seed=0, gap=1):
    """Ids (Y, X) of discs, in a grid that leaves this gap between them."""
    label, side = np.zeros(SHAPE, np.uint16), 2 * radius + 1 + gap
    disc = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius + 0.3
    places = [(y, x) for y in range(1, SHAPE[0] - side, side) for x in range(1, SHAPE[1] - side, side)]
    chosen = np.random.default_rng(seed).choice(len(places), count, replace=False)
    for cell, place in enumerate(chosen, start=1):
        y, x = places[place]
        label[y : y + 2 * radius + 1, x : x + 2 * radius + 1][disc] = cell
    return label


def cut(label, cell):
    """The label with a gap of 3 px through the middle of a cell."""
    rows = np.flatnonzero((label == cell).any(1))
    middle = int(rows.mean())
    changed = label.copy()
    changed[middle - 1 : middle + 2][changed[middle - 1 : middle + 2] == cell] = 0
    return changed


#: labels that mean what they say
KEPT = {
    "ids": CELLS,
    "ids by 40": CELLS * 40,
    "one value": WHITE,
    "0 and 1": MASK.astype(np.uint8),
    "nothing": np.zeros(SHAPE, np.uint8),
    "foreground only": np.full(SHAPE, 255, np.uint8),
    "one cell cut in two": cut(CELLS, 5),
    "every cell cut in two": cut(cut(cut(cut(cut(CELLS, 1), 2), 3), 4), 5),
    "an id used twice": np.where(CELLS == 4, 1, CELLS),
    "two cells": np.where(CELLS > 2, 0, CELLS),
    "low ids and the highest": np.array([0, 1, 2, 3, 254, 255], np.uint8)[CELLS],
    "many ids": discs(200, 5),
    "touching ids": discs(200, 5, gap=0),
    "small dense ids": discs(250, 1, gap=0),
    "specks": discs(200, 0, gap=2),
    "high ids": discs(100, 4).astype(np.uint32) + np.uint32(10**9) * (discs(100, 4) > 0),
    "two frames of a touching pair": np.kron([[0, 1, 2, 0]], np.ones((60, 50), np.uint8)),
    "confluent ids": np.kron(np.arange(1, 31).reshape(5, 6), np.ones((40, 40), int)),
}
SOFT = {
    **{f"JPEG {quality}": (jpeg_of(WHITE, quality), "a.jpg") for quality in (30, 50, 75, 90, 95)},
    # some have a background of 1, or flat parts of 1 and 254
    **{f"a copy of a JPEG {quality}": (jpeg_of(WHITE, quality), "a.png") for quality in (20, 40, 45, 70, 75, 90, 95, 100)},
    "blurred": (ndimage.gaussian_filter(WHITE.astype(float), 0.8).round().astype(np.uint8), "a.tif"),
    "16 bit": (ndimage.gaussian_filter(MASK * 65535.0, 0.8).round().astype(np.uint16), "a.tif"),
    "a few levels": ((MASK.astype(int) * 255 + (ndimage.uniform_filter(MASK * 255.0, 3))).astype(int) // 2, "a.png"),
}


@pytest.mark.parametrize("label", KEPT.values(), ids=KEPT)
def test_ids_and_binary_labels_are_kept(label):
    found, note = interpret_label(label, Path("a.tif"))
    assert found is label
    assert note is None
    check_label_values(label, Path("a.tif"))


@pytest.mark.parametrize(("label", "name"), SOFT.values(), ids=SOFT)
def test_a_soft_mask_is_cut_at_half_of_its_maximum(label, name):
    assert len(np.unique(label)) > 2
    found, note = interpret_label(label, Path(name))
    assert np.count_nonzero((found > 0) != MASK) <= 10  # of 3,000; blurring moves a few
    np.testing.assert_array_equal(found, label > label.max() / 2)
    assert note.startswith(f"{name}: a soft mask with grey values up to {label.max()}; values above {label.max() / 2:g} are")


@pytest.mark.parametrize("method", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("size", [(110, 100), (171, 155), (440, 400)])
def test_a_resized_mask_is_soft(method, size):
    label = np.asarray(Image.fromarray(WHITE).resize(size, method))
    found, note = interpret_label(label, Path("a.tif"))
    assert "a soft mask" in note
    np.testing.assert_array_equal(found, label > 127)


class TestClasses:
    def test_each_connected_part_is_a_cell(self):
        label = np.where(CELLS == 5, 2, MASK).astype(np.uint8)  # live 1, dead 2
        found, note = interpret_label(label, Path("a.tif"))
        assert note == "a.tif: the values 1, 2 are classes, not ids; each of their 5 connected parts is a cell"
        assert sorted(np.unique(found)) == [0, 1, 2, 3, 4, 5]
        for cell in range(1, 6):
            assert len(np.unique(found[cell == CELLS])) == 1
        np.testing.assert_array_equal(found > 0, MASK)

    @pytest.mark.parametrize("values", [(1, 2), (128, 255), (1, 2, 3), (50, 100, 150, 200)])
    def test_few_values_for_many_cells(self, values):
        ids = discs(60, 5, gap=2)
        label = np.array([0, *np.resize(values, 60)])[ids]
        found, note = interpret_label(label, Path("a.tif"))
        assert "each of their 60 connected parts" in note
        assert found.max() == 60
        np.testing.assert_array_equal(found > 0, ids > 0)

    @pytest.mark.parametrize("width", [2, 6])
    def test_rim_and_interior_are_one_cell(self, width):
        label = MASK.astype(np.uint8) + ndimage.binary_erosion(MASK, iterations=width)
        found, _ = interpret_label(label, Path("a.tif"))
        assert found.max() == 5
        np.testing.assert_array_equal(found > 0, MASK)

    def test_two_classes_that_touch_are_two_cells(self):
        label = np.zeros((60, 200), np.uint8)
        label[20:30, 10:20] = label[20:30, 150:160] = 1
        label[20:30, 20:30] = label[20:30, 180:190] = 2
        assert interpret_label(label, Path("a.tif"))[0].max() == 4


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("highest", [1.0, 255.0])
def test_a_soft_mask_of_fractions_is_cut_at_half(sigma, highest):
    label = (ndimage.gaussian_filter(MASK.astype(float), sigma) * highest).astype(np.float32)
    found, note = interpret_fractions(label, Path("a.tif"))
    np.testing.assert_array_equal(found, label > label.max() / 2)
    half = float(label.max()) / 2
    assert note == f"a.tif: a soft mask with grey values up to {2 * half:g}; values above {half:g} are cells"


def test_fractions_that_are_no_soft_mask():
    assert interpret_fractions(CELLS * np.float32(0.3), Path("a.tif")) is None
    assert interpret_fractions(np.random.default_rng(0).random(SHAPE), Path("a.tif")) is None
    assert interpret_fractions(np.zeros(SHAPE), Path("a.tif")) is None


@pytest.mark.parametrize("highest", [45, 144, 250])
def test_an_image_is_no_label(highest):
    grey = np.random.default_rng(0).integers(20, highest + 1, SHAPE)
    grey[0, 0] = 0
    assert interpret_label(grey, Path("a.tif"))[1] is None
    with pytest.raises(
        DataError, match=r"a\.tif: a label must hold one value per cell .* differ from pixel to pixel; save a"
    ):
        check_label_values(grey, Path("a.tif"))


@pytest.mark.parametrize("value", [1, 3, 50])
def test_a_jpeg_of_low_values_is_rejected(value):
    label = jpeg_of(MASK * np.uint8(value), 75)
    with pytest.raises(
        DataError, match=r"a\.jpg: a label must hold .* got grey values up to \d+ that JPEG blurs; save a mask"
    ):
        check_label_values(label, Path("a.jpg"))
    assert interpret_label(label, Path("a.jpg"))[1] is None


def test_no_cells_in_a_jpeg():
    check_label_values(jpeg_of(MASK * np.uint8(0), 75), Path("a.jpg"))


def test_ids_of_a_png_that_is_named_as_a_jpeg(tmp_path):
    Image.fromarray(CELLS.astype(np.uint8)).save(tmp_path / "a.jpg", "PNG")
    check_label_values(CELLS, tmp_path / "a.jpg")
    assert interpret_label(CELLS, tmp_path / "a.jpg")[0] is CELLS


def test_ids_in_a_jpeg_are_rejected():
    label = jpeg_of((discs(25, 8) * 10).astype(np.uint8), 75)
    with pytest.raises(DataError, match=r"a\.jpg: a label must hold one value per cell"):
        check_label_values(label, Path("a.jpg"))


def test_interpolated_ids_are_rejected():
    label = np.asarray(Image.fromarray((CELLS * 40).astype(np.uint8)).resize((330, 300), Image.Resampling.BILINEAR))
    with pytest.raises(
        DataError, match="only in rims of others, as if it was resized or blurred; save ids again, or resize"
    ):
        check_label_values(label, Path("a.tif"))


def test_two_classes_in_a_jpeg_are_rejected():
    label = jpeg_of(np.where(CELLS == 5, 127, WHITE).astype(np.uint8), 75)
    with pytest.raises(DataError, match="that JPEG blurs; save a mask of 0 and 255, or ids, as TIFF or PNG"):
        check_label_values(label, Path("a.jpg"))


NO_BACKGROUND = {
    "a mask from 1": (MASK + 1, "the values 1, 2 and no 0; if 1 is the background, set it to 0"),
    "three classes": (np.where(CELLS == 5, 2, MASK) + 1, "the values 1, 2, 3 and no 0; if 1 is"),
    "ids from 1": (CELLS + 1, "the values 1, 2, 3, 4, 5, ... and no 0; if 1 is"),
    "many ids from 1": (discs(60, 4) + 1, "and no 0; if 1 is the background"),
    "the last class is the background": (np.where(MASK, 1, 2), "the values 1, 2 and no 0; if 2 is the background"),
}


@pytest.mark.parametrize(("label", "message"), NO_BACKGROUND.values(), ids=NO_BACKGROUND)
def test_a_label_without_background_is_rejected(label, message):
    with pytest.raises(DataError, match=message):
        check_label_values(label.astype(np.uint8), Path("a.tif"))
