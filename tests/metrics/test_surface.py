"""The surface Dice: outlines by hand, the tolerance, and the rule for empty masks."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import ndimage

from livecell_monai.metrics import measure_surface_dice
from tests.support.worlds import one_cell

CELL = one_cell() > 0
EMPTY = np.zeros_like(CELL)


def square(top, left, side=20, shape=(60, 70)):
    plane = np.zeros(shape, bool)
    plane[top : top + side, left : left + side] = True
    return plane


def by_distance_maps(mask, truth, tolerance):
    """The definition, by the distance of every edge pixel to the other edge."""
    edges = [plane & ~ndimage.binary_erosion(plane) for plane in (mask, truth)]
    far = [ndimage.distance_transform_edt(~edge) for edge in edges]
    right = (far[1][edges[0]] <= tolerance).sum() + (far[0][edges[1]] <= tolerance).sum()
    return right / (edges[0].sum() + edges[1].sum())


@pytest.mark.parametrize("tolerance", [0, 1, 2, 3.5])
@pytest.mark.parametrize("shift", [(0, 1), (2, 0), (3, 4)])
def test_against_the_definition(tolerance, shift):
    moved = np.roll(CELL, shift, axis=(0, 1))
    assert measure_surface_dice(moved, CELL, tolerance) == pytest.approx(by_distance_maps(moved, CELL, tolerance))


def by_pixel(mask, truth, tolerance, counts=lambda pixel: True):
    """The definition without any library: every edge pixel that counts against every other one."""
    edges = []
    for plane in (mask, truth):
        inside = {(row, column) for row in range(plane.shape[0]) for column in range(plane.shape[1]) if plane[row, column]}
        edges.append(
            [(y, x) for y, x in inside if not {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} <= inside]  # 4 neighbours
        )
    near = [
        any(math.dist(pixel, other) <= tolerance for other in others)
        for own, others in (edges, edges[::-1])
        for pixel in own
        if counts(pixel)
    ]
    if near:
        return sum(near) / len(near)
    found = [any(counts((y, x)) for y, x in np.argwhere(plane)) for plane in (mask, truth)]
    return float(found[0] == found[1])


shapes = st.tuples(st.integers(1, 14), st.integers(1, 14))
planes = shapes.flatmap(
    lambda shape: st.tuples(
        *[
            st.tuples(st.sampled_from([0.0, 0.05, 0.3, 0.7, 1.0]), st.integers(0, 2**31)).map(
                lambda drawn: np.random.default_rng(drawn[1]).random(shape) < drawn[0]
            )
        ]
        * 2
    )
)


@given(pair=planes, tolerance=st.sampled_from([0, 0.5, 1, 1.5, 2, 3.7]))
def test_against_the_slow_way(pair, tolerance):
    """Random masks, empty and full ones among them; it is the same for masks that trade places."""
    found = measure_surface_dice(*pair, tolerance)
    assert found == pytest.approx(by_pixel(*pair, tolerance))
    assert measure_surface_dice(*pair[::-1], tolerance) == pytest.approx(found)
    assert 0 <= found <= measure_surface_dice(*pair, tolerance + 1) <= 1


def test_a_shift_within_the_tolerance_is_right_and_one_beyond_is_not():
    truth, near, far = square(10, 10), square(12, 10), square(10, 14)
    assert measure_surface_dice(near, truth, 2.0) == 1.0
    assert 0.3 < measure_surface_dice(far, truth, 2.0) < 0.7  # the two sides along the shift still lie on each other
    assert measure_surface_dice(far, truth, 4.0) == 1.0


@pytest.mark.parametrize(("mask", "truth", "expected"), [(EMPTY, EMPTY, 1.0), (CELL, EMPTY, 0.0), (EMPTY, CELL, 0.0)])
def test_empty_masks(mask, truth, expected):
    assert measure_surface_dice(mask, truth) == expected


def test_a_full_mask():
    assert measure_surface_dice(~EMPTY, ~EMPTY) == 1.0


def test_foreground_is_above_zero():
    assert measure_surface_dice(255 * CELL.astype(np.uint8), CELL.astype(np.uint16) * 7) == 1.0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"must have one shape, got \(96, 112\) and \(112, 96\)"):
        measure_surface_dice(CELL, CELL.T)


@given(pair=planes, tolerance=st.sampled_from([0, 1, 2, 3.7]), seed=st.integers(0, 2**31))
def test_outlines_on_pixels_of_weight_0_do_not_count(pair, tolerance, seed):
    weight = np.random.default_rng(seed).choice([0.0, 0.5, 1.0], pair[0].shape)
    found = measure_surface_dice(*pair, tolerance, weight)
    assert found == pytest.approx(by_pixel(*pair, tolerance, lambda pixel: weight[pixel] > 0))
    everywhere = measure_surface_dice(*pair, tolerance, np.ones(pair[0].shape))
    assert everywhere == pytest.approx(measure_surface_dice(*pair, tolerance))
