import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from livecell_monai.data.readers import close_last
from livecell_monai.outputs import overlay as module
from livecell_monai.outputs.figures import AGREED, INVENTED, MISSED, PREDICTED, UNANNOTATED
from livecell_monai.outputs.overlay import Overlay, draw_overlay, hatch, write_overlay
from tests.support.predicted import MASKS, PICTURES, frames, write, write_movie
from tests.support.predicted import image as predicted

DTYPES = [bool, np.uint8, np.uint16, np.int32, np.int64, np.float16, np.float32, np.float64]


def square(top, left, side=12, shape=(40, 50)):
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(8000, 60000, (40, 50)).astype(np.uint16)


def nearest_colour(pixel):
    """The colour whose direction from grey is closest to that of a tinted pixel."""
    hues = {"agreed": AGREED, "missed": MISSED, "invented": INVENTED}
    tint = np.array(pixel, float) - np.mean(pixel)
    scores = {}
    for name, colour in hues.items():
        chroma = np.array(colour, float) - np.mean(colour)
        scores[name] = float(tint @ chroma / np.linalg.norm(tint) / np.linalg.norm(chroma))
    return max(scores, key=lambda name: scores[name])


def test_three_kinds_of_pixel_have_different_hues(image):
    found = square(4, 4) | square(20, 4)
    truth = square(4, 4) | square(20, 30)
    picture = draw_overlay(image, found, truth)
    assert picture.shape == (40, 50, 3)
    assert picture.dtype == np.uint8
    assert nearest_colour(picture[10, 10]) == "agreed"
    assert nearest_colour(picture[26, 10]) == "invented"
    assert nearest_colour(picture[26, 36]) == "missed"


def test_single_missed_pixel_is_visible(image):
    truth = square(4, 4)
    found = truth.copy()
    found[10, 10] = False
    assert tuple(draw_overlay(image, found, truth)[10, 10]) == MISSED


def test_background_stays_grey(image):
    picture = draw_overlay(image, square(4, 4), square(6, 6))
    outside = picture[~(square(4, 4) | square(6, 6))]
    assert (outside == outside[:, :1]).all()


@pytest.mark.parametrize("width", [1, 2])
def test_outline_is_inside_the_mask_and_has_the_given_width(image, width):
    mask = square(10, 10)
    full = (draw_overlay(image, mask, outline_px=width) == PREDICTED).all(axis=2)
    assert full[16, 10 : 10 + width].all()
    assert not full[16, 10 + width]
    assert not full[~mask].any()


def test_no_outline_along_the_edge_of_the_image(image):
    full = (draw_overlay(image, square(0, 10)) == PREDICTED).all(axis=2)
    assert not full[0, 16]
    assert full[11, 16]


def test_image_is_visible_inside_a_mask(image):
    inside = draw_overlay(image, square(10, 10))[12:20, 12:20]
    assert len(np.unique(inside[..., 0])) > 10


@pytest.mark.parametrize("dtype", DTYPES)
def test_grey_values_span_the_range_for_any_dtype(dtype):
    ramp = np.linspace(0, 1 if dtype is bool else 100, 2000).reshape(40, 50).astype(dtype)
    picture = draw_overlay(ramp, np.zeros((40, 50), bool))
    assert picture.min() == 0
    assert picture.max() == 255


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_constant_image_is_mid_grey(value):
    picture = draw_overlay(np.full((40, 50), value, np.uint16), np.zeros((40, 50), bool))
    assert (picture == 128).all()


def test_bright_spot_on_a_constant_background_is_visible():
    image = np.zeros((40, 50), np.uint16)
    image[5, 5] = 9
    picture = draw_overlay(image, np.zeros((40, 50), bool))
    assert picture[5, 5, 0] == 255
    assert picture[6, 6, 0] == 0


def test_nan_and_infinite_pixels_are_black(image):
    holed = image.astype(np.float32)
    holed[0, 0], holed[0, 1] = np.nan, np.inf
    picture = draw_overlay(holed, np.zeros((40, 50), bool))
    assert not picture[0, :2].any()
    assert not draw_overlay(np.full((4, 4), np.nan), np.zeros((4, 4), bool)).any()


def test_instance_ids_count_as_foreground(image):
    labels = square(4, 4).astype(np.uint16) * 300
    assert np.array_equal(draw_overlay(image, labels), draw_overlay(image, square(4, 4)))


def test_arguments_are_not_modified(image):
    mask, truth, before = square(4, 4), square(6, 6), image.copy()
    draw_overlay(image, mask, truth)
    assert np.array_equal(image, before)
    assert np.array_equal(mask, square(4, 4))
    assert np.array_equal(truth, square(6, 6))


def test_file_is_the_overlay(tmp_path, image):
    write_overlay(tmp_path / "a.png", image, square(4, 4))
    with Image.open(tmp_path / "a.png") as png:
        assert png.format == "PNG"
        assert np.array_equal(np.asarray(png), draw_overlay(image, square(4, 4)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [(1, {"last": 0}), (2, {"first": 0, "last": 1}), (3, {"first": 0, "middle": 1, "last": 2}), (5, {"middle": 2})],
)
def test_three_frames_of_a_movie_are_drawn(tmp_path, monkeypatch, count, shown):
    drawn = {}
    monkeypatch.setattr(module, "write_overlay", lambda path, *planes: drawn.setdefault(path.name, planes))
    write(Overlay(), frames(write_movie(tmp_path / "in"), range(count)), tmp_path / "out")
    close_last()
    assert len(drawn) == min(count, 3)
    for place, index in shown.items():
        image, mask, _ = drawn[f"cells_overlay_{place}.png"]
        np.testing.assert_array_equal(image, PICTURES[index])
        np.testing.assert_array_equal(mask, MASKS[index])


def test_image_is_read_from_its_file(tmp_path, image):
    Image.fromarray(image).save(tmp_path / "b.tif")
    write(Overlay(), [predicted(tmp_path / "b.tif", square(4, 4), "b")], tmp_path / "out")
    with Image.open(tmp_path / "out" / "b_overlay.png") as png:
        assert np.array_equal(np.asarray(png), draw_overlay(image, square(4, 4)))


def test_import_loads_no_heavy_library():
    heavy = "{'torch', 'monai', 'ignite', 'matplotlib', 'mlflow'}"
    parts = ("outputs.registry", "report.gallery", "report.curves", "report.templates")
    modules = ", ".join(f"livecell_monai.{part}" for part in parts)
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_not_annotated_is_hatched_and_has_no_colour(image):
    labelled = np.ones(image.shape, bool)
    labelled[:, 25:] = False
    mask = square(5, 15, 20)
    drawn, whole = draw_overlay(image, mask, labelled=labelled), draw_overlay(image, mask)
    plain = draw_overlay(image, np.zeros_like(mask))
    lines = hatch(~labelled)
    assert 0.2 < lines[:, 25:].mean() < 0.3
    assert (drawn[lines] == UNANNOTATED).all()
    assert (drawn[~labelled & ~lines] == plain[~labelled & ~lines]).all()
    assert (drawn[labelled][:, 2] != plain[labelled][:, 2]).any()
    assert (drawn[:, :23] == whole[:, :23]).all()
