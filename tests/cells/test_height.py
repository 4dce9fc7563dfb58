"""Heights of the pixels of a mask, alone and in windows."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from livecell_monai.cells.height import (
    BLOCK,
    DEPTH_STEP,
    LEVELS,
    MOST,
    REACH,
    WHOLE,
    Window,
    average,
    measure_depth,
    measure_height,
    quantise,
)
from tests.support.cell_worlds import noise


def test_a_map_is_rounded_to_255_steps():
    assert quantise(np.array([[0.0, 0.5, 1.0]], np.float32)).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("reach", [0, 1, 3, 9])
def test_the_mean_is_that_of_a_square_and_repeats_the_border(reach):
    values = np.random.default_rng(0).integers(0, 256, (9, 11)).astype(np.uint8)
    padded = np.pad(values, reach, mode="edge").astype(float)
    square = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    means = average(values, reach, np.arange(values.size)).reshape(values.shape)
    assert square.sum(axis=(2, 3)).max() < 2**16 or reach > 7
    np.testing.assert_allclose(means, square.mean(axis=(2, 3)), rtol=1e-6)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.6])
def test_the_depth_is_that_of_the_whole_mask_however_it_is_cut(share):
    mask = noise((80, 90), 3, 2.0) < share
    expected = ndimage.distance_transform_edt(mask)[mask]
    np.testing.assert_allclose(measure_depth(mask, np.flatnonzero(mask)), expected, rtol=1e-6)
    assert 0.05 < mask.mean() < 0.95


@pytest.mark.parametrize("edge", [2 * REACH - 3, 2 * REACH - 1, 2 * REACH + 1, 2 * REACH + 40])
def test_the_depth_of_a_mask_of_many_blocks(edge):
    """Up to the reach of the search and beyond; a mask that leaves the image is not bounded there."""
    mask = np.zeros((edge + BLOCK, edge + 20), bool)
    mask[5 : 5 + edge, 3 : 3 + edge] = True
    mask[BLOCK + 90 :, :40] = True
    depth = measure_depth(mask, np.flatnonzero(mask))
    np.testing.assert_allclose(depth, ndimage.distance_transform_edt(mask)[mask], rtol=1e-6)
    assert depth.max() == (edge + 1) // 2


def test_the_depth_in_a_very_long_image():
    mask = np.ones((2, 50_000), bool)
    mask[:, 0] = False
    np.testing.assert_allclose(measure_depth(mask, np.flatnonzero(mask)), np.tile(np.arange(1.0, 50_000), 2), rtol=1e-6)


def test_the_height_is_a_mean_of_the_depth_and_of_what_the_map_tells():
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    alone = measure_height(mask, np.flatnonzero(mask), None, 20.0, WHOLE, 0)
    assert alone[12] * DEPTH_STEP == 3
    raised = measure_height(mask, np.flatnonzero(mask), np.full(25, 0.9 * LEVELS, np.float32), 20.0, WHOLE, 0)
    assert raised[12] * DEPTH_STEP == (3 + 2 * 0.9 * 20) / 3


@pytest.mark.parametrize("cut", list(itertools.product((False, True), repeat=4))[1:])
@pytest.mark.parametrize(("reach", "shape"), [(0, (40, 50)), (3, (40, 50)), (30, (40, 50)), (5, (3, 60)), (2, (60, 2))])
def test_a_height_is_unknown_exactly_where_the_depth_reaches_a_cut(cut, reach, shape):
    mask = noise(shape, 4, 3) > 0.4
    place = np.flatnonzero(mask)
    level = measure_height(mask, place, None, 20.0, Window(9, 9, cut), reach)
    rows, columns = np.divmod(place, shape[1])
    px = np.stack([rows + 1, shape[0] - rows, columns + 1, shape[1] - columns])[list(cut)].min(axis=0)
    np.testing.assert_array_equal(level == MOST, (measure_depth(mask, place) > px) | (px <= max(reach, 1)))


@pytest.mark.parametrize("with_map", [True, False])
def test_a_window_gives_the_heights_of_the_whole_or_none(with_map):
    mask, reach = noise((90, 100), 1, 4) > 0.4, 2 * with_map
    distance = quantise(noise(mask.shape, 2, 3).astype(np.float32))
    box = slice(20, 70), slice(0, 60)
    window = Window(20, 0, (True, True, False, True))
    whole, part = (np.zeros(each.shape, np.int32) for each in (mask, mask[box]))
    for level, inside, there, around in ((whole, mask, distance, WHOLE), (part, mask[box], distance[box], window)):
        told = average(there, reach, np.flatnonzero(inside)) if with_map else None
        level[inside] = measure_height(inside, np.flatnonzero(inside), told, 30.0, around, reach)
    is_known = part < MOST
    assert (part[is_known] == whole[box][is_known]).all()
    assert 0.5 < is_known.mean() < 1
    assert not (is_known & mask[box])[: max(1, reach)].any()
