"""Cells band by band, against those of the whole image."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livecell_monai.cells import bands
from livecell_monai.cells.bands import BandDecoder, Halos, widen
from livecell_monai.cells.decode import Decoding, decode
from livecell_monai.cells.height import quantise
from livecell_monai.cells.measure import complete_table, measure_alone, measure_cells
from livecell_monai.cells.runs import find_cell_runs, list_touching
from tests.support.cell_worlds import noise

SPLIT = Decoding(seed_depth=1.5, cell_diameter=30.0, map_threshold=0.5, min_area=5)


def decode_in_bands(mask, distance, tile, halo, decoding=SPLIT):
    read = None if distance is None else lambda region: region.crop(distance)
    decoder = BandDecoder(Path("a.tif"), mask.shape, lambda region: region.crop(mask), read, decoding, None, tile, halo)
    found = list(decoder.bands())
    assert [band.top for band in found] == list(range(0, mask.shape[0], tile))
    return np.concatenate([band.labels for band in found])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("with_map", [True, False])
@pytest.mark.parametrize(("tile", "halo"), [(96, 8), (250, 4)])
def test_they_are_exactly_those_of_the_whole_image(seed, with_map, tile, halo):
    """The halo is too small for most cells on purpose: it grows."""
    mask = noise((250, 310), seed, 2 + seed) > 0.5
    distance = quantise(noise(mask.shape, seed + 10, 3.0 + seed).astype(np.float32)) if with_map else None
    whole = decode(mask, distance, SPLIT)
    assert whole.max() > 20
    np.testing.assert_array_equal(decode_in_bands(mask, distance, tile, halo), whole)


def test_those_at_the_border_of_the_image_are_too():
    mask, decoding = noise((250, 310), 2, 4) > 0.55, replace(SPLIT, min_border_area=60)
    distance = quantise(noise(mask.shape, 12, 4.0).astype(np.float32))
    whole = decode(mask, distance, decoding)
    assert whole.max() != decode(mask, distance, SPLIT).max()
    np.testing.assert_array_equal(decode_in_bands(mask, distance, 96, 8, decoding), whole)


def test_a_tile_of_more_cells_than_uint16_numbers():
    grid = np.zeros((540, 540), bool)
    grid[::2, ::2] = True  # 72,900 cells of one pixel
    labels = decode_in_bands(grid, None, 540, 4, replace(SPLIT, min_area=1, cell_diameter=1.0))
    assert labels.max() == 270**2
    np.testing.assert_array_equal(labels[grid], np.arange(1, 270**2 + 1))


def test_an_empty_image():
    mask = np.zeros((70, 90), bool)
    assert not decode_in_bands(mask, None, 32, 8).any()


def test_a_cell_over_many_tiles():
    mask = np.zeros((120, 120), bool)
    mask[5:110, 50:60] = True
    mask[100:110, 5:110] = True
    np.testing.assert_array_equal(decode_in_bands(mask, np.full(mask.shape, 200, np.uint8), 16, 4), mask)


def test_a_cell_beyond_all_bounds_is_cut_and_a_warning_says_so(monkeypatch, caplog):
    monkeypatch.setattr(bands, "MOST_PIXELS", 60**2)
    mask = np.zeros((200, 40), bool)
    mask[5:195, 5:35] = True
    with caplog.at_level(logging.WARNING):
        cells = decode_in_bands(mask, np.full(mask.shape, 200, np.uint8), 32, 8)
    assert (cells > 0).any()
    assert "a.tif: cells near row 0, column 0 are larger than 3600 pixels, they may be cut" in caplog.messages


def test_a_halo_that_is_often_too_small_is_not_tried_again():
    halos = Halos(100, 1000)  # the next one, 150, costs 1.17 times as much: it pays if more than 15 % fail
    assert halos.pick() == 100
    for _ in range(19):
        halos.note(100, is_enough=True)
    halos.note(100, is_enough=False)
    assert halos.pick() == 100
    for _ in range(5):
        halos.note(100, is_enough=False)
    assert halos.pick() == widen(100) == 150
    for _ in range(bands.TRIED - 1):
        halos.note(150, is_enough=False)
    assert halos.pick() == 150
    halos.note(150, is_enough=False)
    assert halos.pick() == widen(150) == 225


def test_some_hard_tiles_do_not_slow_down_all_others():
    halos = Halos(100, 1000)
    for halo in (100, 150, 225, 338, 507, 761):
        for _ in range(100):
            halos.note(halo, is_enough=False)
    assert halos.pick() == 338  # which has twice the pixels of 100; 507 has 2.8 times as many


def test_later_tiles_begin_with_the_halo_that_earlier_ones_needed(monkeypatch):
    mask, counts = noise((240, 240), 3, 5) > 0.45, []
    for tried in (10**6, bands.TRIED):
        monkeypatch.setattr(bands, "TRIED", tried)
        reads = []

        def read(region, reads=reads):
            reads.append(region)
            return region.crop(mask)

        list(BandDecoder(Path("a.tif"), mask.shape, read, None, SPLIT, None, 40, 4).bands())
        counts.append(len(reads))
    assert counts[1] < 0.95 * counts[0]


def test_measurements_are_those_of_the_whole_image():
    mask, image = noise((250, 310), 1, 3) > 0.5, noise((250, 310), 5, 1)
    whole = decode(mask, None, SPLIT)
    decoder = BandDecoder(
        Path("a.tif"),
        mask.shape,
        lambda region: region.crop(mask),
        None,
        SPLIT,
        lambda ids, part, runs: measure_alone(ids, {"": part.crop(image)}, place=part, shape=mask.shape, runs=runs),
        96,
        20,
    )
    found = list(decoder.bands())
    joined = {name: np.concatenate([band.columns[name] for band in found]) for name in found[0].columns}
    expected = measure_cells(whole, {"": image}, pixel_size_um=(0.5, 0.5))
    table = complete_table(joined, list_touching(find_cell_runs(whole)), (0.5, 0.5))
    assert list(table) == list(expected)
    for name, column in expected.items():
        np.testing.assert_allclose(table[name], column, rtol=1e-6, atol=1e-6, err_msg=name)
