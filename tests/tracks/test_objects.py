import numpy as np
import pytest

from livecell_monai.tracks.objects import count_shared, measure_frame, measure_objects
from tests.support.moving_cells import Drawn, draw, movie, objects


def test_objects_are_measured_whatever_their_ids() -> None:
    plane = draw({7: (10, 20), 60_000: (57, 40)})
    ids, (y, x, area, grey, border) = measure_frame(plane, plane * 2.0)
    assert list(ids) == [7, 60_000]
    assert (list(y), list(x), list(area)) == ([10, 56.5], [20, 40], [49, 42])
    assert list(grey) == [14, 120_000]
    assert list(border) == [False, True]
    wide = plane.astype(np.int64) * 2**30
    assert list(measure_frame(wide)[0]) == [7 * 2**30, 60_000 * 2**30]
    assert np.isnan(measure_frame(wide)[1][3]).all()


def test_shared_pixels_are_counted_along_the_drift() -> None:
    before, after = draw({1: (20, 20), 2: (40, 40)}), draw({1: (24, 18)})
    assert count_shared(before, after, np.array([0, 0]))[1].tolist() == [3 * 5]
    pairs, shared = count_shared(before, after, np.array([4, -2]))
    assert (pairs.tolist(), shared.tolist()) == ([[0], [0]], [49])
    assert not count_shared(before, after, np.array([100, 0]))[1].size


def test_objects_of_a_movie_are_in_one_table() -> None:
    found = objects({1: (20, 20)}, {}, {5: (22, 20), 9: (40, 60)}, {3: (22, 20)}, missing=[1])
    assert found.frame.tolist() == [0, 2, 2, 3]
    assert found.label.tolist() == [1, 5, 9, 3]
    assert found.pairs.tolist() == [[0, 1], [1, 3]]  # over the missing frame too
    assert found.shared.tolist() == [35, 49]
    assert found.given() == [0, 2, 3]


def test_a_movie_without_objects_has_an_empty_table() -> None:
    found = objects({}, {})
    assert len(found) == 0
    assert found.pairs.shape == (2, 0)
    assert found.touches_border.dtype == bool


def test_drift_is_taken_out_of_places() -> None:
    cells = {label: (12 + 9 * (label % 4), 12 + 11 * (label // 4)) for label in range(16)}
    moved = {label: (y + 5, x + 8) for label, (y, x) in cells.items()}
    found = measure_objects(movie(cells, moved))
    assert found.drift[1] == pytest.approx([5, 8], abs=0.6)
    half = len(found) // 2
    assert np.abs(found.places[:half] - found.places[half:]).max() < 0.6
    assert np.abs(found.y[half] - found.y[0]) > 4


def test_pixels_that_are_not_finite_do_not_count() -> None:
    plane = draw({7: (10, 20), 9: (40, 40)})
    image = np.where(plane == 7, 3.0, 5.0)
    image[10, 20] = np.nan
    image[plane == 9] = np.inf
    grey = measure_frame(plane, image)[1][3]
    assert grey[0] == 3.0
    assert np.isnan(grey[1])


def test_a_grey_frame_that_is_missing_is_not_measured() -> None:
    labels = movie(*[{1: (20, 20 + frame), 2: (40, 50)} for frame in range(4)])
    images = Drawn([np.full((60, 80), 7 + frame, np.uint16) for frame in range(4)], missing=[2])
    images.planes[2][:] = 0
    found = measure_objects(labels, images, channels={"green": images})
    for values in (found.intensity, found.channels["green"]):
        np.testing.assert_array_equal(values, np.repeat([7, 8, np.nan, 10], 2))
