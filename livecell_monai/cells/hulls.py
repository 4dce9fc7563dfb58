"""The convex hulls of cells, for all cells of an image at once.

The left and the right rim of a cell are chains of corners, one for each line between rows. A corner that is not left (right)
of the segment between its neighbours is no vertex of the hull, whatever happens to these; without it, other corners may
turn out to be none.

Source: Andrew, "Another Efficient Algorithm for Convex Hulls in Two Dimensions", Information Processing Letters 9, 1979.
"""

from dataclasses import dataclass

import numpy as np

from livecell_monai.cells.runs import Runs, Values

_AT_ONCE = 2**18  # distances between vertices in memory


@dataclass(frozen=True)
class _Chains:
    """Corners (N,) by chain and line: number of the chain, line and outward coordinate."""

    chain: Values
    y: Values
    out: Values

    def select(self, which: Values) -> "_Chains":
        return _Chains(self.chain[which], self.y[which], self.out[which])


def measure_hulls(runs: Runs, count: int) -> tuple[Values, Values]:
    """(area, largest diameter), each (N,) px, of the hulls of the pixels' edges, of the cells 1..N with these runs."""
    hulls = _reduce(_list_corners(runs, count))
    is_edge = hulls.chain[1:] == hulls.chain[:-1]
    slab = (hulls.y[1:] - hulls.y[:-1]) * (hulls.out[1:] + hulls.out[:-1])
    area = np.bincount(hulls.chain[1:][is_edge] % count, slab[is_edge], count) / 2 if count else np.zeros(0)
    return area, _measure_diameters(hulls, count)


def _list_corners(runs: Runs, count: int) -> _Chains:
    """The chains of all cells: 0..N-1 on the right, N..2N-1 on the left, there with the negative column."""
    order = np.argsort(runs.value, kind="stable")
    cell, row = runs.value[order] - 1, runs.row[order]
    is_new = np.append(True, (cell[1:] != cell[:-1]) | (row[1:] != row[:-1]))[: len(cell)]
    is_last = np.append(is_new[1:], True)[: len(cell)]
    left, right = runs.start[order][is_new], runs.stop[order][is_last]
    cell, row = (np.repeat(each[is_new], 2) for each in (cell, row))
    row[1::2] += 1
    line = np.flatnonzero(np.append(True, (cell[1:] != cell[:-1]) | (row[1:] != row[:-1]))[: len(cell)])
    out = [np.maximum.reduceat(np.repeat(side, 2), line) if len(line) else side for side in (right, -left)]
    cell, row = cell[line], row[line]
    return _Chains(np.append(cell, cell + count), np.append(row, row), np.concatenate(out))


def _reduce(corners: _Chains) -> _Chains:
    """The vertices of the hulls among the corners, in the same order."""
    done: list[_Chains] = []
    while len(corners.chain):
        y, out, chain = corners.y, corners.out, corners.chain
        is_vertex = np.ones(len(y), bool)
        is_middle = chain[2:] == chain[:-2]
        span = (out[1:-1] - out[:-2]) * (y[2:] - y[:-2]) - (out[2:] - out[:-2]) * (y[1:-1] - y[:-2])
        is_vertex[1:-1] = ~is_middle | (span > 0)
        has_changed = np.zeros(int(chain[-1]) + 1, bool)
        has_changed[chain[~is_vertex]] = True
        is_open = has_changed[chain]
        done.append(corners.select(~is_open))
        corners = corners.select(is_open & is_vertex)
    if not done:
        return corners
    joined = _Chains(*(np.concatenate([getattr(each, name) for each in done]) for name in ("chain", "y", "out")))
    return joined.select(np.argsort(joined.chain, kind="stable"))


def _measure_diameters(hulls: _Chains, count: int) -> Values:
    """The largest distance (N,) between two vertices of a hull; cells with about as many vertices are measured together."""
    x = np.where(hulls.chain < count, hulls.out, -hulls.out).astype(float)
    cell = hulls.chain % max(1, count)
    order = np.argsort(cell, kind="stable")
    number = np.bincount(cell, minlength=count)
    first = np.cumsum(number) - number
    diameter = np.zeros(count)
    by_number = np.argsort(number, kind="stable")
    while len(by_number):
        most = int(number[by_number[-1]])
        some = by_number[-max(1, _AT_ONCE // most**2) :]
        by_number = by_number[: -len(some)]
        place = order[first[some, None] + np.minimum(np.arange(most), number[some, None] - 1)]
        across, down = x[place], hulls.y[place].astype(float)
        square = (across[:, :, None] - across[:, None]) ** 2 + (down[:, :, None] - down[:, None]) ** 2
        diameter[some] = np.sqrt(square.max(axis=(1, 2)))
    return diameter
