"""Runs of label images, and which of them touch."""

import numpy as np
import pytest

from livecell_monai.cells.runs import find_cell_runs, find_runs, list_touching, put_above

LABEL = np.array([[0, 1, 1, 2], [2, 0, 3, 3], [0, 0, 0, 0], [4, 4, 0, 5]])
#: (value, row, start, stop)
CELL_RUNS = [(1, 0, 1, 3), (2, 0, 3, 4), (2, 1, 0, 1), (3, 1, 2, 4), (4, 3, 0, 2), (5, 3, 3, 4)]


def listed(runs):
    return list(zip(*(getattr(runs, name).tolist() for name in ("value", "row", "start", "stop")), strict=True))


def test_a_run_is_a_part_of_a_row_with_one_value():
    runs = find_runs(LABEL)
    painted = np.full(LABEL.shape, -1)
    for value, row, start, stop in listed(runs):
        painted[row, start:stop] = value
    assert painted.tolist() == LABEL.tolist()
    assert len(runs.value) == 10
    assert listed(find_cell_runs(LABEL)) == CELL_RUNS
    assert listed(find_cell_runs(np.asfortranarray(LABEL))) == CELL_RUNS


@pytest.mark.parametrize("reach", [0, 1])
def test_pairs_are_the_runs_that_touch_in_adjacent_rows(reach):
    """Not those at the end of one row and at the beginning of the next but one."""
    labels = np.random.default_rng(0).integers(-1, 3, (30, 7))
    runs = find_cell_runs(labels)
    upper, lower = runs.pair(reach)
    every = [(i, j) for i in range(len(runs.row)) for j in range(len(runs.row)) if runs.row[j] - runs.row[i] == 1]
    touch = [(i, j) for i, j in every if min(runs.stop[[i, j]]) + reach > max(runs.start[[i, j]])]
    assert 0 < len(touch) < len(every)
    assert list(zip(upper.tolist(), lower.tolist(), strict=True)) == touch


def test_touching_ids_share_an_edge_or_a_corner():
    assert list_touching(find_cell_runs(LABEL), diagonally=False).T.tolist() == [[1, 2], [1, 3], [2, 3]]
    label = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 0], [3, 3, 0], [0, 0, 4]])
    assert list_touching(find_cell_runs(label), diagonally=False).shape == (2, 0)
    assert list_touching(find_cell_runs(label)).T.tolist() == [[1, 2], [3, 4]]
    huge = label + np.int64(2**33) * (label > 0)
    assert (list_touching(find_cell_runs(huge)) - 2**33).T.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("diagonally", [False, True])
@pytest.mark.parametrize("cut", [0, 1, 7, 8])
def test_cells_of_the_row_above_a_part_touch_those_of_the_part(cut, diagonally):
    labels = np.random.default_rng(1).integers(-1, 6, (8, 9))
    upper, lower = find_cell_runs(labels[:cut]), find_cell_runs(labels[cut:])
    last = upper.select(upper.row == cut - 1)
    found = list_touching(put_above(last, lower), diagonally)
    assert found.tolist() == list_touching(find_cell_runs(labels[max(0, cut - 1) :]), diagonally).tolist()


def test_without_a_cell_there_is_no_run():
    for shape in ((0, 0), (3, 0), (3, 4)):
        runs = find_cell_runs(np.zeros(shape, int))
        assert len(runs.value) == 0
        assert list_touching(runs).shape == (2, 0)
