"""The cells of an image that is too large for the memory, band by band: exactly those of the whole image."""

import logging
import math
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecell_monai.cells.decode import Decoding, Labels, decode
from livecell_monai.cells.height import Window
from livecell_monai.cells.measure import Columns
from livecell_monai.cells.runs import Runs, find_cell_runs
from livecell_monai.sample import Pixels, Region

LOGGER = logging.getLogger(__name__)
TILE = 1536  #: px, edge of the tiles that own cells by their first pixels
HALO = 2  #: diameters of a cell around a tile that are decoded with it, at first
WIDER = 1.5  #: factor on a halo that was too small
TRIED = 4  #: tiles after which it is known how often a halo is too small
MOST_COST = 2.0  #: times the pixels of the first halo that a wider one may have: some tiles must not slow down all others
MOST_PIXELS = 64_000_000  #: of a tile with its halo; a cell that needs more is cut

Read = Callable[[Region], Pixels]  #: a part (Y, X) of a map
Measure = Callable[[Labels, Region, Runs], Columns]  #: measures the cells 1..N of a part of the image, by their runs


@dataclass(frozen=True)
class Band:
    """The cells that begin in some rows, and all cells in these rows."""

    top: int  #: first row
    labels: Labels  #: (rows, X), ids of the whole image
    columns: Columns  #: what `measure` returned, in the order of ids; empty without it


@dataclass(frozen=True)
class _Part:
    """The cells that a tile owns: ids (Y, X) at a place in the image, and the first pixel (row, column) of each id."""

    top: int
    left: int
    ids: NDArray[np.uint16] | Labels
    first: list[tuple[int, int]]
    columns: Columns


class Halos:
    """The halo of the next tile: decoding some tiles twice must take less time than decoding all with a wider one."""

    def __init__(self, first: int, tile: int) -> None:
        self.first, self.tile = first, tile
        self.tried: Counter[int] = Counter()
        self.failed: Counter[int] = Counter()

    def pick(self) -> int:
        """The halo in px."""
        halo = self.first
        while self.cost(widen(halo)) <= MOST_COST * self.cost(self.first) and self._is_too_small(halo):
            halo = widen(halo)
        return halo

    def note(self, halo: int, is_enough: bool) -> None:
        """Count whether a halo was wide enough for a tile."""
        self.tried[halo] += 1
        self.failed[halo] += not is_enough

    def _is_too_small(self, halo: int) -> bool:
        tried = self.tried[halo]
        return tried >= TRIED and self.failed[halo] > (1 - self.cost(halo) / self.cost(widen(halo))) * tried

    def cost(self, halo: int) -> int:
        """The pixels of a tile with a halo."""
        return (self.tile + 2 * halo) ** 2


def widen(halo: int) -> int:
    """The next larger halo, in px."""
    return math.ceil(WIDER * halo)


@dataclass(frozen=True)
class BandDecoder:
    """Decodes maps of a shape (Y, X) that are read part by part."""

    path: Path  #: of the image, for messages
    shape: tuple[int, int]
    mask: Read  #: bool
    distance: Read | None  #: the quantised distance map, None without one
    decoding: Decoding
    measure: Measure | None = None
    tile: int = TILE
    halo: int = 0  #: px, 0 for `HALO`
    threads: int = 1  #: so many tiles are decoded at once, each in memory of its own

    def bands(self) -> Iterator[Band]:
        """The cells of each band of rows: ids 1..N in the order of first pixels.

        A band is complete when all cells that begin in it are known, which may reach into the bands below.
        """
        with closing(self._parts()) as decoded:
            yield from self._join(decoded)

    def _join(self, decoded: Iterator[_Part]) -> Iterator[Band]:
        below: Labels = np.zeros((0, self.shape[1]), np.int32)
        count = 0
        for top in range(0, self.shape[0], self.tile):
            bottom = min(top + self.tile, self.shape[0])
            parts = list(islice(decoded, -(-self.shape[1] // self.tile)))
            lowest = max([bottom, top + len(below), *(part.top + len(part.ids) for part in parts)])
            band: Labels = np.zeros((lowest - top, self.shape[1]), np.int32)
            band[: len(below)] = below
            order = _order_cells(parts)
            _place(parts, order, band, top, count)
            columns = _join_columns(parts, order)
            count += len(order)
            below = band[bottom - top :].copy()  # a view would keep all of the band
            joined = Band(top, band[: bottom - top], columns)
            del parts, band
            yield joined
            del joined  # before the next tiles are decoded: a row of them is as large as a band

    def _parts(self) -> Generator[_Part, None, None]:
        """The cells of all tiles, row by row; threads decode some ahead."""
        whole = Region(0, 0, *self.shape)
        corners = ((top, left) for top in range(0, whole.bottom, self.tile) for left in range(0, whole.right, self.tile))
        waiting = deque(Region(top, left, top + self.tile, left + self.tile).overlap(whole) for top, left in corners)
        coming: deque[Future[_Part]] = deque()
        halos = Halos(self.halo or max(1, round(HALO * self.decoding.cell_diameter)), self.tile)
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                while waiting or coming:
                    while waiting and len(coming) <= self.threads:
                        coming.append(pool.submit(self._decode_tile, waiting.popleft(), halos))
                    yield coming.popleft().result()
            finally:
                for late in coming:  # only after an error, or if the caller stops early
                    late.cancel()

    def _decode_tile(self, tile: Region, halos: Halos) -> _Part:
        """The cells whose first pixel is in a tile; the halo grows until none of its pixels depends on what lies outside."""
        halo = halos.pick()
        while True:
            part = self._widen(tile, halo)
            is_last = halos.cost(halo) > MOST_PIXELS
            labels = self._decode(part, is_cut=not is_last)
            core = Region(tile.top - part.top, tile.left - part.left, tile.bottom - part.top, tile.right - part.left)
            is_enough = bool((core.crop(labels) >= 0).all())
            halos.note(halo, is_enough)
            if is_enough:
                break
            halo = widen(halo)
        if is_last:
            what = "%s: cells near row %d, column %d are larger than %d pixels, they may be cut"
            LOGGER.warning(what, self.path, tile.top, tile.left, MOST_PIXELS)
        return self._keep_own(labels, part, core)

    def _keep_own(self, labels: Labels, part: Region, core: Region) -> _Part:
        """The cells of a part of the image whose first pixels are in its core."""
        runs = find_cell_runs(labels)
        rows, columns = np.divmod(_find_first(runs), labels.shape[1])
        is_own = (rows >= core.top) & (rows < core.bottom) & (columns >= core.left) & (columns < core.right)
        new = np.zeros(len(is_own) + 2, np.int32)  # the last is that of the unknown, -1
        new[1:-1][is_own] = np.arange(1, np.count_nonzero(is_own) + 1)
        ids = new[runs.value]
        runs = replace(runs, value=ids).select(ids > 0)
        first = list(zip((rows[is_own] + part.top).tolist(), (columns[is_own] + part.left).tolist(), strict=True))
        if not first:
            return _Part(part.top, part.left, labels[:0], first, {})
        box = Region(int(runs.row[0]), int(runs.start.min()), int(runs.row[-1]) + 1, int(runs.stop.max()))
        place = Region(part.top + box.top, part.left + box.left, part.top + box.bottom, part.left + box.right)
        own: Labels = new[box.crop(labels)]
        measured = {} if self.measure is None else self.measure(own, place, runs.crop(box.top, box.left, own.shape[1]))
        fits = len(first) <= np.iinfo(np.uint16).max  # many parts wait for the others of their band
        return _Part(place.top, place.left, own.astype(np.uint16) if fits else own, first, measured)

    def _widen(self, tile: Region, halo: int) -> Region:
        height, width = self.shape
        top, left = max(0, tile.top - halo), max(0, tile.left - halo)
        return Region(top, left, min(height, tile.bottom + halo), min(width, tile.right + halo))

    def _decode(self, part: Region, is_cut: bool) -> Labels:
        height, width = self.shape
        cut = (part.top > 0, part.bottom < height, part.left > 0, part.right < width) if is_cut else (False,) * 4
        distance = None if self.distance is None else self.distance(part)
        return decode(self.mask(part), distance, self.decoding, Window(part.top, part.left, cut))


def _find_first(runs: Runs) -> NDArray[np.int64]:
    """The place (N,) in a flat label image (Y, X) of the first pixel of each id 1..N, by the runs of the ids."""
    first = np.zeros(int(runs.value.max(initial=0)) + 1, np.int64)
    first[runs.value[::-1]] = runs.place[::-1]  # of several values for one id, the last one stays
    return first[1:]


def _order_cells(parts: Sequence[_Part]) -> list[tuple[int, int]]:
    """(number of the part, index of the cell) of all cells, in the order of first pixels."""
    firsts = [(*first, number, index) for number, part in enumerate(parts) for index, first in enumerate(part.first)]
    return [(number, index) for _, _, number, index in sorted(firsts)]


def _place(parts: Sequence[_Part], order: Sequence[tuple[int, int]], band: Labels, top: int, count: int) -> None:
    """Write the cells of tiles into their band, by the order (number of the part, index of the cell), after `count`."""
    ids = [np.zeros(len(part.first) + 1, np.int32) for part in parts]
    for number, (of_part, index) in enumerate(order, start=count + 1):
        ids[of_part][index + 1] = number
    for part, new in zip(parts, ids, strict=True):
        target = band[part.top - top : part.top - top + len(part.ids), part.left : part.left + part.ids.shape[1]]
        np.copyto(target, new[part.ids], where=part.ids > 0)


def _join_columns(parts: Sequence[_Part], order: Sequence[tuple[int, int]]) -> Columns:
    """The columns of all parts in one order of their cells."""
    measured = [part.columns for part in parts if part.columns]
    if not measured:
        return {}
    starts = np.cumsum([0, *(len(part.first) for part in parts)])
    rows = [int(starts[number]) + index for number, index in order]
    return {name: np.concatenate([columns[name] for columns in measured])[rows] for name in measured[0]}
