"""The decoder of a bundle."""

import numpy as np
import pytest

from livecell_monai.cells.decode import Decoding, decode
from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.cells.distance import normalise_distance
from livecell_monai.cells.height import quantise
from tests.support.cell_worlds import TOUCHING

MAPS = ("foreground", "distance")


@pytest.mark.parametrize(
    ("channels", "cells", "is_on"),
    [(MAPS, "auto", True), (MAPS[:1], "auto", False), (MAPS, False, False), (MAPS[:1], True, True)],
)
def test_whether_cells_are_written(channels, cells, is_on):
    assert CellDecoder(channels, cells).is_on == is_on


def test_the_map_is_used_where_there_is_one():
    mask, distance = TOUCHING > 0, normalise_distance(TOUCHING)
    decoder = CellDecoder(MAPS, seed_depth=1.5, cell_diameter=30.0, map_threshold=0.5, min_area=5)
    decoding = Decoding(1.5, 30.0, 0.5, 5)
    by_map = decoder(mask, {"foreground": mask, "distance": distance})
    np.testing.assert_array_equal(by_map, decode(mask, quantise(distance), decoding))
    by_necks = decoder(mask, {"foreground": mask})
    np.testing.assert_array_equal(by_necks, decode(mask, None, decoding))
    assert (by_map != by_necks).any()


def test_other_sizes_take_the_place_of_the_own_ones():
    decoder = CellDecoder(MAPS, seed_depth=1.5, cell_diameter=30.0, map_threshold=0.4, min_area=5)
    other = decoder.adapted({"scale": 2.0, "cell_diameter": 60.0, "min_cell_area": np.float64(20.0)})
    assert other.decoding == Decoding(1.5, 60.0, 0.4, 20)
    assert isinstance(other.decoding.min_area, int)
    assert decoder.decoding == decoder.adapted({}).decoding == Decoding(1.5, 30.0, 0.4, 5)
    assert other.is_on
    assert CellDecoder(MAPS, False).adapted({"seed_depth": 3.0}).is_on is False
