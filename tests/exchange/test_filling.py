"""Filling polygons: by the centres of pixels, cut off at the border."""

import numpy as np
from skimage.measure import points_in_poly

from livecell_monai.exchange.filling import Spans, fill_polygons, join_spans, paint
from tests.support.annotated import square


def fill(polygons, shape, objects=None):
    spans = fill_polygons(polygons, range(len(polygons)) if objects is None else objects, shape)
    return paint(spans, np.arange(1, len(polygons) + 1), shape, np.uint8)


def test_a_square_covers_the_pixels_whose_centres_it_holds():
    expected = np.zeros((4, 5), int)
    expected[1:3, 1:3] = 1
    for left, top in ((1, 1), (0.6, 1.4), (1.5, 1.5)):  # a centre on the left or top side is inside
        np.testing.assert_array_equal(fill([(square(left, top, 2),)], (4, 5)), expected)


def test_any_polygon_has_the_pixels_of_its_centres():
    rng = np.random.default_rng(3)
    rows, columns = np.indices((30, 40))
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)
    for _ in range(30):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
        ring = np.stack([20 + np.cos(angle) * rng.uniform(3, 25, 9), 15 + np.sin(angle) * rng.uniform(3, 18, 9)], axis=1)
        np.testing.assert_array_equal(fill([(ring,)], (30, 40)) > 0, points_in_poly(centres, ring).reshape(30, 40))


def test_a_hole_stays_empty():
    filled = fill([(square(0, 0, 5), square(1, 1, 2))], (5, 5))
    assert filled.sum() == 21
    assert not filled[1:3, 1:3].any()


def test_what_lies_outside_is_cut_off():
    assert fill([(square(-3, -3, 5),)], (4, 4)).sum() == 4
    assert fill([(square(-9, 0, 5),), (square(0, 99, 5),)], (4, 4)).sum() == 0
    assert fill([(square(3, 2, 9),)], (4, 4)).tolist() == [[0, 0, 0, 0]] * 2 + [[0, 0, 0, 1]] * 2


def test_a_line_has_no_pixels():
    assert fill([(np.array([(0, 0), (4, 4), (0, 0)], float),)], (5, 5)).sum() == 0
    assert len(fill_polygons([], [], (5, 5)).objects) == 0


def test_spans_of_an_object():
    spans = fill_polygons([(square(0, 0, 2),), (square(2, 2, 2),)], [7, 7], (4, 4))
    assert spans.expand().tolist() == [0, 1, 4, 5, 10, 11, 14, 15]
    assert spans.measure_areas(9).tolist() == [0] * 7 + [8, 0]
    assert join_spans([spans, spans.take(np.array([0]))]).lengths.tolist() == [2] * 5


def test_a_later_span_covers_an_earlier_one():
    spans = Spans(np.array([1, 0]), np.array([0, 2]), np.array([3, 3]))
    assert paint(spans, np.array([5, 6]), (1, 6), np.uint16).tolist() == [[6, 6, 5, 5, 5, 0]]
