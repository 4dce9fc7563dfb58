"""Outlines that cross themselves: found, and filled as shapely repairs them."""

import numpy as np
import shapely

from livecell_monai.exchange.crossing import count_crossing
from livecell_monai.exchange.filling import fill_polygons
from tests.support.annotated import square

BOW = np.array([(0, 0), (8, 8), (8, 0), (0, 8)], float)
TWICE = np.array([(0, 0), (8, 0), (8, 8), (2, 8), (2, 2), (6, 2), (6, 6), (0, 6)], float)  # turns twice round a part


def test_objects_are_counted_once():
    assert count_crossing([], []) == 0
    assert count_crossing([0, 1], [(square(0, 0, 3),), (square(1, 1, 3), square(2, 2, 1))]) == 0
    assert count_crossing([0, 1, 1], [(square(0, 0, 3),), (BOW,), (BOW,)]) == 1


def test_filling_gives_what_shapely_repairs():
    for ring in (BOW, TWICE):
        repaired = shapely.make_valid(shapely.Polygon(ring))
        rows, columns = np.indices((9, 9))
        inside = shapely.contains_xy(repaired, columns + 0.5, rows + 0.25)  # beside the diagonals
        filled = np.zeros(81, bool)
        shifted = ring + np.array([0, 0.25])
        filled[fill_polygons([(shifted,)], [0], (9, 9)).expand()] = True
        np.testing.assert_array_equal(filled.reshape(9, 9), inside)
        assert 0 < inside.sum() < 64
