"""The largest wrong cells of several images."""

import numpy as np
import pytest

from livecell_monai.metrics.cells import match_cells
from livecell_monai.report.cell_errors import KINDS, MOST, LargestErrors
from livecell_monai.report.fates import WRONG_TINT
from livecell_monai.sample import Region, SamplePrediction
from tests.report.test_fates import PREDICTED, TRUTH
from tests.report.test_pictures import read
from tests.support.cell_worlds import boxes


def image(name, predicted, truth, region=None):
    mask = predicted > 0
    grey = np.random.default_rng(0).normal(size=mask.shape).astype(np.float32)
    return SamplePrediction(
        name, "test", grey, mask.astype(np.float32), mask, truth > 0, cells=predicted, true_cells=truth, region=region
    )


def find(*images):
    found = LargestErrors()
    for one in images:
        found.add(one, match_cells(one.cells, one.true_cells))
    return list(found)


def test_each_wrong_cell_has_kind_image_place_and_size():
    errors = find(image("a", PREDICTED, TRUTH * 3))  # ids with gaps, as people leave them
    assert [(error.kind, error.image, error.place, error.area_px) for error in errors] == [
        ("merged", "a", Region(5, 5, 15, 25), 200),
        ("split", "a", Region(20, 5, 30, 25), 200),
        ("missed", "a", Region(2, 40, 8, 50), 60),
        ("invented", "a", Region(15, 50, 18, 55), 15),
    ]


def test_the_place_in_a_part_of_an_image_is_that_in_the_image():
    (missed,) = find(image("a", TRUTH * 0, boxes((2, 40, 8, 50)), Region(100, 200, 140, 260)))
    assert missed.place == Region(102, 240, 108, 250)


def test_the_largest_of_all_images_come_first_and_no_more_than_six_of_a_kind():
    sizes = [4, 12, 7, 9, 3, 11, 5, 10]
    images = [image(f"of {size}", TRUTH * 0, boxes((5, 5, 5 + size, 15))) for size in sizes]
    errors = find(*images)
    assert [error.image for error in errors] == [f"of {size}" for size in sorted(sizes, reverse=True)[:MOST]]
    assert {error.kind for error in errors} == {"missed"}


def test_a_crowded_image_gives_its_largest_ones():
    crowd = boxes(
        *((4 * row, 6 * column, 4 * row + 3, 6 * column + 2 + (row + column) % 4) for row, column in np.ndindex(9, 9))
    )
    errors = find(image("a", crowd, crowd * 0))
    assert [error.area_px for error in errors] == [15] * MOST


def test_a_right_prediction_has_no_errors():
    assert find(image("a", TRUTH, TRUTH), image("b", TRUTH * 0, TRUTH * 0)) == []


class TestPicture:
    @pytest.mark.parametrize("corner", [(0, 0), (280, 380), (140, 200)])
    def test_shows_the_cell_and_its_surroundings_inside_the_image(self, corner):
        top, left = corner
        truth = boxes((top, left, top + 20, left + 20), shape=(300, 400))
        (error,) = find(image("a", truth * 0, truth))
        assert (error.layers.height, error.layers.width) == (64, 64)
        _, overlay = read(error.layers)
        assert (overlay[..., 3] == WRONG_TINT).sum() >= 18 * 18

    def test_only_the_wrong_cell_is_tinted(self):
        errors = {error.kind: error for error in find(image("a", PREDICTED, TRUTH))}
        tinted = {kind: (read(errors[kind].layers)[1][..., 3] == WRONG_TINT).sum() for kind in KINDS}
        assert tinted == {"merged": 8 * 8, "split": 8 * 18 - 3 * 8, "missed": 4 * 8, "invented": 3}

    def test_takes_few_bytes_even_of_a_large_cell(self):
        truth = boxes((100, 100, 900, 900), shape=(1000, 1000))
        (error,) = find(image("a", truth * 0, truth))
        assert max(error.layers.height, error.layers.width) <= 240
        assert len(error.layers.image) + len(error.layers.overlay) < 22_200
