"""One pass over an image: range, sample and picture; what cannot be segmented is refused there."""

import numpy as np
import pytest

from livecell_monai.data.large.source import LargeImageSource
from livecell_monai.data.large.survey import count_other_values, survey_source
from livecell_monai.errors import DataError
from tests.support.array_stack import ArrayStack

PLANE = np.random.default_rng(0).integers(500, 60000, (1100, 777), np.uint16)


@pytest.mark.parametrize("step", [1, 3, 512, 2000])
def test_range_sample_and_picture(step):
    found = survey_source(LargeImageSource(ArrayStack(PLANE, (100, 64))), step, 4)
    assert (found.low, found.high) == (PLANE.min(), PLANE.max())
    np.testing.assert_array_equal(found.sample, PLANE[::step, ::step])
    np.testing.assert_array_equal(found.thumbnail, PLANE[::4, ::4])


def test_every_block_is_read_once():
    source = LargeImageSource(ArrayStack(PLANE, (100, 64)))
    survey_source(source, 7, 8)
    assert len(source.stack.regions) == len(set(source.stack.regions)) == source.decoded


def altered(value, dtype=np.float32, at=(1000, 700)):
    plane = PLANE.astype(dtype)
    plane[at] = value
    return plane


@pytest.mark.parametrize(
    ("plane", "words"),
    [
        (altered(np.nan), "finite in every pixel, got NaN or infinite at row 1000, column 700"),
        (altered(np.inf), "row 1000, column 700"),
        (altered(1e300, np.float64), "values that float32 holds"),
        (np.full((900, 600), 7, np.uint8), "not be constant, got 7"),
        (np.zeros((900, 600), np.complex64), "must be one of uint8, uint16"),
        (np.array([[2**24, 2**24 + 1]], np.uint32), "not be constant"),  # which as float32 are one number
    ],
    ids=["nan", "infinite", "large", "constant", "complex", "float32"],
)
def test_what_is_no_image_is_refused(plane, words):
    with pytest.raises(DataError, match=words):
        survey_source(LargeImageSource(ArrayStack(plane)), 5, 4)


def test_a_torn_tile_anywhere_is_found():
    with pytest.raises(DataError, match=r"array\.tif: a tile must be whole"):
        survey_source(LargeImageSource(ArrayStack(PLANE, (64, 64), broken=(650, 300))), 50, 8)


def test_the_few_that_differ_are_counted():
    plane = np.full((900, 700), 10, np.uint16)
    plane[3, 4:9], plane[800, 600] = 40, 20
    values, counts = count_other_values(
        LargeImageSource(ArrayStack(plane)), lambda block: block.astype(np.float32) / 10, 1.0
    )
    assert values.tolist() == [2.0, 4.0]
    assert counts.tolist() == [1, 5]
