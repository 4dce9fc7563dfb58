import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from livecell_monai.metrics import score_mask, segment_by_otsu

SHAPE = (300, 340)


@pytest.fixture
def world():
    """Image and truth: a bright and a dark disk of 44 px on a background that is brighter to the right."""
    rows, columns = np.indices(SHAPE)
    bright, dark = (np.hypot(rows - y, columns - x) <= 22 for y, x in ((80, 90), (210, 240)))
    noise = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 1)
    return 1000 + 2.0 * columns + 300 * bright - 300 * dark + 20 * noise, bright | dark


def test_finds_what_is_brighter_and_what_is_darker_on_uneven_light(world):
    image, truth = world
    assert score_mask(image > image.mean(), truth).iou < 0.3  # a plain threshold does not
    assert score_mask(segment_by_otsu(image), truth).iou > 0.6


def test_is_the_same_in_any_unit_of_grey(world):
    image, _ = world
    mask = segment_by_otsu(image)
    assert score_mask(segment_by_otsu(-3 * image + 7), mask).iou > 0.99


def test_the_filters_are_as_wide_as_the_cells_ask_for(world):
    image, truth = world
    small, real = zoom(image, 1 / 3, order=1), zoom(truth.astype(float), 1 / 3, order=1) > 0.5
    fitting = score_mask(segment_by_otsu(small, 44 / 3), real).iou
    assert fitting > 0.6
    assert fitting > score_mask(segment_by_otsu(small), real).iou
    assert (segment_by_otsu(image, 0.0) == segment_by_otsu(image)).all()


def test_a_constant_image_has_no_foreground():
    mask = segment_by_otsu(np.full((20, 30), 7, np.uint16))
    assert (mask.shape, mask.dtype, mask.any()) == ((20, 30), bool, False)
