"""Heights of the pixels of a mask, alone and in windows."""

import numpy as np
import pytest

from livecell_monai.cells.height import DEPTH_STEP, LEVELS, MOST, WHOLE, Window, average, measure_height, quantise
from tests.support.cell_worlds import noise


def test_a_map_is_rounded_to_255_steps():
    assert quantise(np.array([[0.0, 0.5, 1.0]], np.float32)).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_the_mean_is_that_of_a_square_and_repeats_the_border(reach):
    values = np.random.default_rng(0).integers(0, 256, (9, 11)).astype(np.uint8)
    padded = np.pad(values, reach, mode="edge").astype(float)
    square = padded[2 : 3 + 2 * reach, 4 : 5 + 2 * reach]
    assert average(values, reach)[2, 4] == pytest.approx(square.mean())


def test_the_height_is_a_mean_of_the_depth_and_of_what_the_map_tells():
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    alone = measure_height(mask, None, 20.0, WHOLE, 0)
    assert alone[4, 4] * DEPTH_STEP == 3
    raised = measure_height(mask, np.full(mask.shape, 0.9 * LEVELS), 20.0, WHOLE, 0)
    assert raised[4, 4] * DEPTH_STEP == (3 + 2 * 0.9 * 20) / 3
    assert not raised[~mask].any()


@pytest.mark.parametrize("with_map", [True, False])
def test_a_window_gives_the_heights_of_the_whole_or_none(with_map):
    mask, reach = noise((90, 100), 1, 4) > 0.4, 2 * with_map
    distance = quantise(noise(mask.shape, 2, 3).astype(np.float32))
    box = slice(20, 70), slice(0, 60)
    window = Window(20, 0, (True, True, False, True))
    whole = measure_height(mask, average(distance, reach) if with_map else None, 30.0, WHOLE, reach)[box]
    part = measure_height(mask[box], average(distance[box], reach) if with_map else None, 30.0, window, reach)
    is_known = part < MOST
    assert (part[is_known] == whole[is_known]).all()
    assert 0.5 < is_known.mean() < 1
    if with_map:
        assert not (is_known & mask[box])[:2].any()
