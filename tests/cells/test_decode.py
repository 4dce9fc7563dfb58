"""From maps to label images."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from livecell_monai.cells.decode import Decoding, decode, find_holes
from livecell_monai.cells.distance import normalise_distance
from livecell_monai.cells.height import DEPTH_STEP, WHOLE, Window, quantise
from tests.support.cell_worlds import TOUCHING, discs, noise

SPLIT = Decoding(seed_depth=1.5, cell_diameter=20.0, map_threshold=0.5, min_area=5)

MANY = Decoding(seed_depth=0.8, cell_diameter=20.0, map_threshold=0.5, min_area=5)


def same_cells(first, second):
    pairs = np.unique(np.stack([first.ravel(), second.ravel()]), axis=1)
    return pairs.shape[1] == len(np.unique(first)) == len(np.unique(second))


@pytest.mark.parametrize("with_map", [True, False])
def test_touching_cells_are_separated(with_map):
    distance = quantise(normalise_distance(TOUCHING)) if with_map else None
    cells = decode(TOUCHING > 0, distance, SPLIT)
    assert cells.max() == 4
    assert (cells > 0).tolist() == (TOUCHING > 0).tolist()
    for number in range(1, 5):
        true = number == TOUCHING
        found = cells == np.bincount(cells[true]).argmax()
        assert (true & found).sum() / (true | found).sum() > (0.95 if with_map else 0.85)


def test_ids_are_in_the_order_of_first_pixels():
    cells = decode(TOUCHING > 0, None, SPLIT)
    _, first = np.unique(cells, return_index=True)
    assert (np.diff(first[1:]) > 0).all()


@pytest.mark.parametrize("distance", [None, np.full((60, 90), 200, np.uint8)])
def test_a_region_without_a_seed_is_a_cell(distance):
    mask = discs((60, 90), (20, 20, 5), (20, 60, 5)) > 0
    assert decode(mask, distance, Decoding(seed_depth=50.0)).max() == 2


def test_small_cells_are_dropped_and_holes_filled():
    mask = discs((40, 80), (20, 20, 12), (20, 60, 2)) > 0
    mask[20, 20] = False
    cells = decode(mask, None, Decoding(seed_depth=30.0, min_area=20))
    assert cells[20, 20] == cells.max() == 1
    assert cells[20, 60] == 0


def test_a_cell_at_the_border_of_the_image_has_a_size_of_its_own_and_no_threshold():
    mask = discs((60, 60), (30, 30, 9), (30, 0, 9), (0, 10, 4)) > 0
    low = np.full(mask.shape, 80, np.uint8)
    low[20:40, 20:40] = 200
    counts = {least: decode(mask, low, replace(SPLIT, min_border_area=least)).max() for least in (0, 1, 100, 1000)}
    assert counts == {0: 1, 1: 3, 100: 2, 1000: 1}
    high = np.full(mask.shape, 200, np.uint8)
    assert decode(mask, high, SPLIT).max() == 3
    assert decode(mask, high, replace(SPLIT, min_border_area=1000)).max() == 1
    assert decode(mask, low, replace(SPLIT, min_area=100, min_border_area=1)).max() == 2  # small ones stay small


@pytest.mark.parametrize(("side", "cut"), [("inside", (False, False, True, False)), ("border", (True, True, False, True))])
def test_the_side_of_a_window_inside_of_the_image_is_no_border(side, cut):
    mask = discs((40, 40), (20, 0, 9)) > 0
    found = decode(mask, np.full(mask.shape, 80, np.uint8), replace(SPLIT, min_border_area=1), Window(0, 0, cut))
    assert np.unique(found[mask]).tolist() == ([1] if side == "border" else [-1])


def test_background_between_two_cells_is_no_hole():
    label = np.array([[1, 1, 1, 2, 2], [1, 0, 0, 0, 2], [1, 1, 1, 2, 2], [0, 0, 0, 0, 0]], np.int32)
    assert not len(find_holes(label)[0])
    label[label == 2] = 3
    label[label == 1] = 3
    places, around = find_holes(label)
    assert (places.tolist(), around.tolist()) == ([6, 7, 8], [3, 3, 3])


def test_holes_are_those_of_a_labelled_background():
    label = decode(noise((150, 170), 5, 2) > 0.45, None, MANY)
    label[np.random.default_rng(0).random(label.shape) < 0.1] = 0
    background, count = ndimage.label(label == 0, np.ones((3, 3)))
    expected = {}
    for number in range(1, count + 1):
        rim = ndimage.binary_dilation(background == number) & (background != number)
        ids, rows, columns = np.unique(label[rim]), *np.nonzero(background == number)
        at_border = min(rows) == 0 or min(columns) == 0 or max(rows) == 149 or max(columns) == 169
        if len(ids) == 1 and not at_border:
            expected |= dict.fromkeys((rows * 170 + columns).tolist(), int(ids[0]))
    places, around = find_holes(label)
    assert len(expected) > 100
    assert count > len(set(expected.values())) + 10
    assert dict(zip(places.tolist(), around.tolist(), strict=True)) == expected


def test_a_hole_counts_for_the_area():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[2:7, 2:7] = False
    assert (decode(mask, None, Decoding(seed_depth=9.0, min_area=49))[1:8, 1:8] == 1).all()
    assert not decode(mask, None, Decoding(seed_depth=9.0, min_area=50)).any()


@pytest.mark.parametrize("distance", [None, np.full((4, 5), 200, np.uint8)])
def test_an_empty_and_a_full_mask(distance):
    assert decode(np.zeros((4, 5), bool), distance, SPLIT).tolist() == np.zeros((4, 5)).tolist()
    assert decode(np.ones((4, 5), bool), distance, SPLIT).tolist() == np.ones((4, 5)).tolist()


def decode_plainly(mask, depth):
    """The rule pixel by pixel: ways upwards, then passes from the highest one on."""
    height = np.pad(np.clip(np.rint(ndimage.distance_transform_edt(mask) / DEPTH_STEP), 1, None) * mask, 1).astype(int)
    target = {}
    for y, x in zip(*np.nonzero(height), strict=True):
        around = [(y, x), (y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x)]
        target[y, x] = max(around, key=lambda place: height[place])
    is_top = np.zeros(height.shape, bool)
    for place, end in target.items():
        is_top[place] = end == place
    tops, region = ndimage.label(is_top)[0], np.zeros(height.shape, int)
    for place in target:
        end = place
        while target[end] != end:
            end = target[end]
        region[place] = tops[end]
    passes = {}
    for y, x in target:
        for place in ((y, x + 1), (y + 1, x)):
            pair = tuple(sorted((region[y, x], region[place])))
            if 0 < pair[0] < pair[1]:
                passes[pair] = max(passes.get(pair, 0), min(height[y, x], height[place]))
    peak = {int(number): height[region == number].max() for number in range(1, region.max() + 1)}
    for (first, second), level in sorted(passes.items(), key=lambda it: (-it[1], it[0])):
        one, other = (min(np.unique(region[tops == number])) for number in (first, second))
        low, high = sorted((one, other), key=lambda number: (peak[number], -number))
        if low != high and peak[low] - level < depth / DEPTH_STEP:
            region[region == low] = high
    return region[1:-1, 1:-1]


@pytest.mark.parametrize("depth", [0.0, 0.5, 1.5])
def test_the_cells_are_those_of_the_plain_rule(depth):
    mask = noise((70, 80), 4, 2.5) > 0.45
    expected = decode_plainly(mask, depth)
    cells = decode(mask, None, Decoding(seed_depth=depth, min_area=0))
    assert len(np.unique(expected)) >= 15
    assert same_cells(cells[mask], expected[mask])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("with_map", [True, False])
def test_a_window_gives_the_cells_of_the_whole_image(seed, with_map):
    """Irregular shapes, that touch by the dozen: what a window does not mark as unknown has exactly the right pixels."""
    mask = noise((220, 240), seed, 2 + seed % 3) > 0.5
    distance = quantise(noise((220, 240), seed + 100, 2.5 + seed % 3).astype(np.float32)) if with_map else None
    whole = decode(mask, distance, MANY, WHOLE)
    box = slice(50, 180), slice(0, 130)
    window = Window(50, 0, (True, True, False, True))
    part = decode(mask[box], None if distance is None else distance[box], MANY, window)
    ids = np.unique(part[part > 0])
    assert len(ids) >= 5
    for number in ids:
        (there,) = np.unique(whole[box][part == number])
        assert there > 0
        assert (whole == there).sum() == (part == number).sum()
    assert (part == -1).any()


def test_each_cell_is_connected():
    mask, distance = noise((200, 200), 1, 4) > 0.45, quantise(noise((200, 200), 2, 5).astype(np.float32))
    cells = decode(mask, distance, SPLIT)
    for number, box in enumerate(ndimage.find_objects(cells), start=1):
        assert ndimage.label(cells[box] == number)[1] == 1


def test_it_is_deterministic_and_needs_no_order():
    mask, distance = noise((90, 90), 1, 4) > 0.45, quantise(noise((90, 90), 2, 5).astype(np.float32))
    first = decode(mask, distance, SPLIT)
    assert first.tolist() == decode(np.asfortranarray(mask), np.asfortranarray(distance), SPLIT).tolist()
    assert same_cells(first, decode(mask, distance, SPLIT))


def test_a_cell_in_which_the_map_stays_low_is_dropped():
    mask = discs((60, 90), (20, 20, 8), (20, 60, 8)) > 0
    distance = quantise(np.where(np.arange(90) < 40, np.float32(0.55), np.float32(0.45)) * mask)
    kept = decode(mask, distance, Decoding(cell_diameter=1.0, map_threshold=0.5))
    assert kept[20, 20] == kept.max() == 1
    assert decode(mask, distance, Decoding(cell_diameter=1.0, map_threshold=0.4)).max() == 2


def test_the_map_separates_cells_without_a_neck():
    """Two halves of a rectangle, between which the map is low."""
    mask = np.ones((30, 60), bool)
    distance = np.broadcast_to(1 - np.abs(np.abs(np.arange(60) - 29.5) - 15) / 15, mask.shape).astype(np.float32)
    decoding = Decoding(seed_depth=3.0, cell_diameter=30.0)
    assert decode(mask, None, decoding).max() == 1
    cells = decode(mask, quantise(distance), decoding)
    assert (cells[:, :30] == 1).all()
    assert (cells[:, 30:] == 2).all()
