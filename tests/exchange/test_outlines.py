"""Outlines along the edges of pixels: exact, simple, valid."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from livecell_monai.exchange.outlines import trace_outlines
from tests.support.annotated import HIGH, MIXED


def rings(labels):
    return {
        label: [[ring.tolist() for ring in polygon] for polygon in polygons] for label, polygons in trace_outlines(labels)
    }


def test_one_pixel():
    assert rings(np.array([[0, 0], [0, 9]])) == {9: [[[[1, 1], [2, 1], [2, 2], [1, 2]]]]}


def test_only_corners_are_kept():
    assert rings(np.full((3, 5), 1)) == {1: [[[[0, 0], [5, 0], [5, 3], [0, 3]]]]}


def test_a_hole_is_an_inner_ring_that_runs_the_other_way():
    labels = np.ones((3, 3), int)
    labels[1, 1] = 0
    ((outer, hole),) = rings(labels)[1]
    assert outer == [[0, 0], [3, 0], [3, 3], [0, 3]]
    assert sorted(hole) == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert shapely.LinearRing(outer).is_ccw != shapely.LinearRing(hole).is_ccw


@pytest.mark.parametrize("other", [1, 2])
def test_pixels_that_touch_diagonally_are_parts(other):
    found = rings(np.array([[1, 0], [0, other]]))
    parts = [part for polygons in found.values() for part in polygons]
    assert [len(part) for part in parts] == [1, 1]
    assert len(found) == other


def test_a_hole_that_touches_the_outside_diagonally_keeps_rings_simple():
    labels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])  # the hole meets the background in a corner
    ((outer, hole),) = rings(labels)[1]
    assert shapely.LinearRing(outer).is_simple
    assert shapely.Polygon(outer, [hole]).is_valid
    assert [2, 2] in outer
    assert [2, 2] in hole


def test_background_and_negative_values_have_no_outline():
    assert rings(np.array([[0, -1], [-1, 0]])) == {}
    assert rings(np.zeros((0, 0), int)) == {}


@pytest.mark.parametrize("labels", [MIXED, HIGH, np.rot90(MIXED), MIXED.astype(np.uint64) + 2**40 * (MIXED > 0)])
def test_objects_are_in_the_order_of_ids(labels):
    assert list(rings(labels)) == sorted(set(labels[labels > 0].tolist()))


@settings(max_examples=200, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)))
def test_outlines_are_valid_and_have_the_area_of_their_pixels(labels):
    for label, polygons in trace_outlines(labels):
        shapes = [shapely.Polygon(polygon[0], polygon[1:]) for polygon in polygons]
        assert all(ring.is_simple for shape in shapes for ring in (shape.exterior, *shape.interiors))
        assert shapely.MultiPolygon(shapes).is_valid
        assert sum(shape.area for shape in shapes) == (labels == label).sum()
