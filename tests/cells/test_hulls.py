"""Convex hulls of cells, against SciPy's."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from livecell_monai.cells import hulls
from livecell_monai.cells.decode import Decoding, decode
from livecell_monai.cells.hulls import measure_hulls
from livecell_monai.cells.runs import find_cell_runs
from tests.support.cell_worlds import noise


def check(labels):
    count = int(labels.max())
    area, diameter = measure_hulls(find_cell_runs(labels), count)
    for number in range(1, count + 1):
        y, x = np.nonzero(labels == number)
        corners = np.concatenate([np.stack([y + down, x + right], axis=1) for down in (0, 1) for right in (0, 1)])
        hull = ConvexHull(corners)
        assert area[number - 1] == pytest.approx(hull.volume, rel=1e-12)
        assert diameter[number - 1] == pytest.approx(pdist(corners[hull.vertices]).max(), rel=1e-12)


def test_hulls_are_those_of_scipy(monkeypatch):
    labels = decode(noise((150, 160), 3, 4) > 0.5, None, Decoding(seed_depth=1.0, min_area=5))
    assert labels.max() > 10
    check(labels)
    monkeypatch.setattr(hulls, "_AT_ONCE", 1)  # cell by cell
    check(labels)


@pytest.mark.parametrize("seed", range(5))
def test_cells_of_any_form_have_a_hull(seed):
    """Random pixels, in pieces and with rows without a pixel."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(1, 4, (20, 15)) * (generator.random((20, 15)) < 0.1)
    labels[generator.integers(20)] = 0
    labels[5, :3] = 1, 2, 3
    check(labels)


def test_a_rim_of_which_the_end_hides_all_of_it():
    """Each corner is left out only after the one beside it."""
    labels = np.zeros((30, 500), int)
    for row in range(29):
        labels[row, : 450 - row**2 // 4] = 1
    labels[29] = 1
    check(labels)


def test_without_a_cell_there_is_no_hull():
    assert [len(each) for each in measure_hulls(find_cell_runs(np.zeros((3, 4), int)), 0)] == [0, 0]
