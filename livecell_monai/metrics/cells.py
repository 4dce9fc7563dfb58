"""Cells that were found, merged, split, missed or invented, and the scores that follow from their numbers.

Sources: Caicedo et al., Nature Methods 16, 2019 (average precision); Kirillov et al., "Panoptic Segmentation", CVPR 2019
(PQ); Matula et al., PLOS ONE 10, 2015 (SEG of the Cell Tracking Challenge); Kumar et al., IEEE TMI 36, 2017 (AJI).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from livecell_monai.metrics.counts import check_shapes
from livecell_monai.sample import Pixels

THRESHOLDS = tuple(range(50, 100, 5))  #: of the intersection over union of a match, in %
_MATCHED = tuple(f"matched_{threshold}" for threshold in THRESHOLDS)  # columns of `scores.csv`
RIGHT, MERGED, SPLIT, MISSED = "right", "merged", "split", "missed"  #: what became of a true cell
INVENTED = "invented"  #: a predicted cell that is none of these

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class CellCounts:
    """What the scores of cells follow from; those of several images may be added."""

    true_cells: int
    predicted_cells: int
    matched: tuple[int, ...]  #: pairs of a true and a predicted cell, at each of `THRESHOLDS`
    matched_iou: float  #: sum over the pairs at 50 %
    seg_sum: float  #: sum over the true cells: IoU with the predicted cell that covers more than half of it
    intersection_px: int  #: of AJI: each true cell with the predicted one most like it
    union_px: int  #: of AJI: of these, and all other predicted cells
    merged: int  #: true cells that share a predicted cell
    split: int  #: true cells with several predicted ones
    missed: int  #: other true cells without a match
    invented: int  #: predicted cells without a match that are no part of a merged or a split cell


@dataclass(frozen=True)
class CellMatches:
    """The cells of a label image against the true ones."""

    counts: CellCounts
    true_ids: Ids  #: increasing
    fate: tuple[str, ...]  #: of each true cell: right, merged, split or missed
    merging_ids: Ids  #: of predicted cells that cover several true ones
    invented_ids: Ids  #: of predicted cells


def match_cells(predicted: Pixels, truth: Pixels, weight: Pixels | None = None) -> CellMatches:
    """Compare label images (Y, X) of ids above 0; pixels of weight 0 do not count, see `keep_labelled`.

    Raises a ValueError if the shapes differ.
    """
    check_shapes(predicted, truth, weight)
    if weight is not None:
        predicted, truth = keep_labelled(predicted, truth, weight > 0)
    true_ids, rows = _number(truth)
    predicted_ids, columns = _number(predicted)
    overlap = _Overlap(rows.ravel(), columns.ravel(), int(true_ids[0] == 0), int(predicted_ids[0] == 0))
    return _describe(overlap, true_ids[true_ids > 0], predicted_ids[predicted_ids > 0])


def _number(labels: Pixels) -> tuple[Ids, Ids]:
    """The values of a label image (Y, X), increasing, and the index of each pixel's value among them (Y, X)."""
    if not labels.size or labels.min() < 0 or labels.max() > labels.size:
        found, places = np.unique(labels, return_inverse=True)
        return found.astype(np.int64), places.reshape(labels.shape)
    values = labels.astype(np.int64)
    is_found = np.bincount(values.ravel()) > 0  # sorting the pixels takes five times as long
    return np.flatnonzero(is_found), (np.cumsum(is_found) - 1)[values]


class _Overlap:
    """The pairs of cells that share a pixel: (row of the true one, column of the predicted one, shared px, IoU)."""

    def __init__(self, rows: Ids, columns: Ids, skip_row: int, skip_column: int) -> None:
        count = int(columns.max()) + 1
        pairs, shared = _count(rows * count + columns)
        row, column = pairs // count - skip_row, pairs % count - skip_column
        self.true_px = np.bincount(rows)[skip_row:]
        self.predicted_px = np.bincount(columns)[skip_column:]
        both = (row >= 0) & (column >= 0)
        self.row, self.column, self.shared = row[both], column[both], shared[both]
        self.union = self.true_px[self.row] + self.predicted_px[self.column] - self.shared
        self.iou = self.shared / self.union

    def match(self, threshold: float) -> NDArray[np.bool_]:
        """The pairs of a matching of cells with at least this IoU: as many as possible, and of these the most alike."""
        found: NDArray[np.bool_] = np.asarray(self.iou >= threshold)
        of_row, of_column = np.bincount(self.row[found]), np.bincount(self.column[found])
        pairs = np.flatnonzero(found)
        unclear = pairs[(of_row[self.row[pairs]] > 1) | (of_column[self.column[pairs]] > 1)]
        if len(unclear) == 0:
            return found
        # only these compete with each other: they are few, so that the matrix is small
        rows, row = np.unique(self.row[unclear], return_inverse=True)
        columns, column = np.unique(self.column[unclear], return_inverse=True)
        alike = np.zeros((len(rows), len(columns)))
        alike[row, column] = 1 + self.iou[unclear] / (2 * len(rows))
        chosen = np.zeros(alike.shape, bool)
        chosen[linear_sum_assignment(alike, maximize=True)] = True
        found[unclear] = chosen[row, column]
        return found


def _count(values: Ids) -> tuple[Ids, Ids]:
    """The different values, increasing, and how often each occurs."""
    if values.max() > values.size:
        return np.unique(values, return_counts=True)
    counts = np.bincount(values)
    found = np.flatnonzero(counts)
    return found, counts[found]


def _describe(overlap: _Overlap, true_ids: Ids, predicted_ids: Ids) -> CellMatches:
    matches = [overlap.match(threshold / 100) for threshold in THRESHOLDS]
    right, used = np.zeros(len(true_ids), bool), np.zeros(len(predicted_ids), bool)
    right[overlap.row[matches[0]]], used[overlap.column[matches[0]]] = True, True
    is_covered = overlap.shared > 0.5 * overlap.true_px[overlap.row]  # by one predicted cell, to more than half
    is_inside = overlap.shared > 0.5 * overlap.predicted_px[overlap.column]
    covers = np.bincount(overlap.column[is_covered], minlength=len(predicted_ids))
    merged = np.zeros(len(true_ids), bool)
    merged[overlap.row[is_covered & (covers[overlap.column] > 1)]] = True
    parts = np.bincount(overlap.row[is_inside], minlength=len(true_ids))
    fate = np.select([right, merged, parts > 1], [RIGHT, MERGED, SPLIT], MISSED)
    used |= covers > 1
    used[overlap.column[is_inside & (fate[overlap.row] == SPLIT)]] = True
    used[overlap.column[is_inside & right[overlap.row] & (parts[overlap.row] > 1)]] = True
    intersection, union = _join_most_alike(overlap)
    counts = CellCounts(
        true_cells=len(true_ids),
        predicted_cells=len(predicted_ids),
        matched=tuple(int(np.count_nonzero(match)) for match in matches),
        matched_iou=float(overlap.iou[matches[0]].sum()),
        seg_sum=float(overlap.iou[is_covered].sum()),
        intersection_px=intersection,
        union_px=union,
        merged=int(np.count_nonzero(fate == MERGED)),
        split=int(np.count_nonzero(fate == SPLIT)),
        missed=int(np.count_nonzero(fate == MISSED)),
        invented=int(np.count_nonzero(~used)),
    )
    return CellMatches(counts, true_ids, tuple(map(str, fate)), predicted_ids[covers > 1], predicted_ids[~used])


def _join_most_alike(overlap: _Overlap) -> tuple[int, int]:
    """Intersection and union of AJI in px."""
    order = np.lexsort((overlap.column, -overlap.iou, overlap.row))
    rows, first = np.unique(overlap.row[order], return_index=True)
    best = order[first]
    is_used = np.zeros(len(overlap.predicted_px), bool)
    is_used[overlap.column[best]] = True
    alone = np.ones(len(overlap.true_px), bool)
    alone[rows] = False
    rest = overlap.true_px[alone].sum() + overlap.predicted_px[~is_used].sum()
    return int(overlap.shared[best].sum()), int(overlap.union[best].sum() + rest)


def keep_labelled(predicted: Pixels, truth: Pixels, is_labelled: NDArray[np.bool_]) -> tuple[Pixels, Pixels]:
    """Predicted and true ids (Y, X) in the labelled pixels only, without the cells that do not count.

    A cell with more pixels outside of these than inside does not count: nobody can say whether a predicted one is invented.
    It counts by its part inside if that matches a true cell at an IoU of 50 %.

    Source: the rule for void pixels of Kirillov et al., "Panoptic Segmentation", CVPR 2019, section 4.2.
    """
    truth = np.where(is_labelled & ~_find_outside(truth, is_labelled), truth, 0)
    inside = np.where(is_labelled, predicted, 0)
    is_dropped = _find_outside(predicted, is_labelled) & ~np.isin(inside, _list_matched(inside, truth))
    return np.where(is_dropped, 0, inside), truth


def _find_outside(labels: Pixels, is_labelled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels (Y, X) of cells that have more pixels outside of the labelled ones than inside."""
    ids, places = _number(labels)
    inside, whole = np.bincount(places[is_labelled], minlength=len(ids)), np.bincount(places.ravel(), minlength=len(ids))
    return np.asarray((2 * inside < whole)[places])


def _list_matched(predicted: Pixels, truth: Pixels) -> Ids:
    """The ids of predicted cells that match a true one at an IoU of 50 %."""
    (true_ids, rows), (ids, columns) = _number(truth), _number(predicted)
    overlap = _Overlap(rows.ravel(), columns.ravel(), int(true_ids[0] == 0), int(ids[0] == 0))
    return ids[ids > 0][overlap.column[overlap.match(THRESHOLDS[0] / 100)]]


def add_counts(parts: Iterable[CellCounts]) -> CellCounts:
    """The counts of several images together, at least one."""
    rows = [[getattr(part, field.name) for field in fields(CellCounts)] for part in parts]
    columns: list[Any] = [
        tuple(map(sum, zip(*column, strict=True))) if isinstance(column[0], tuple) else sum(column)
        for column in zip(*rows, strict=True)
    ]
    return CellCounts(*columns)


def tabulate_counts(counts: CellCounts) -> dict[str, float]:
    """The counts as columns of `scores.csv`."""
    values = {field.name: getattr(counts, field.name) for field in fields(CellCounts) if field.name != "matched"}
    return {**values, **dict(zip(_MATCHED, counts.matched, strict=True))}


def read_counts(row: Mapping[str, Any]) -> CellCounts | None:
    """The counts of a row of `scores.csv`, None if cells were not scored; errors as `parse_counts`."""
    return None if row.get("true_cells") in (None, "") else parse_counts(row)


def parse_counts(row: Mapping[str, Any]) -> CellCounts:
    """The counts of columns, numbers or their text; a ValueError if a value is no number, a KeyError if one is missing."""
    values = {field.name: row[field.name] for field in fields(CellCounts) if field.name != "matched"}
    sums = ("matched_iou", "seg_sum")
    whole: dict[str, Any] = {name: float(value) if name in sums else int(value) for name, value in values.items()}
    return CellCounts(matched=tuple(int(row[name]) for name in _MATCHED), **whole)


def average_precision(counts: CellCounts, threshold: int = 50) -> float:
    """Matched cells over all true and predicted ones, a matched pair counted once, at an IoU of `threshold` %."""
    matched = counts.matched[THRESHOLDS.index(threshold)]
    return _ratio(matched, counts.true_cells + counts.predicted_cells - matched)


def mean_average_precision(counts: CellCounts) -> float:
    """The mean of the average precision over all thresholds."""
    return float(np.mean([average_precision(counts, threshold) for threshold in THRESHOLDS]))


def cell_f1(counts: CellCounts) -> float:
    """F1 of cells at an IoU of 50 %."""
    return _ratio(2 * counts.matched[0], counts.true_cells + counts.predicted_cells)


def panoptic_quality(counts: CellCounts) -> float:
    """F1 of cells times the mean IoU of the matched ones."""
    return _ratio(2 * counts.matched_iou, counts.true_cells + counts.predicted_cells)


def seg(counts: CellCounts) -> float:
    """The mean IoU of the true cells, 0 for one that no predicted cell covers to more than half."""
    return _ratio(counts.seg_sum, counts.true_cells) if counts.true_cells else float(counts.predicted_cells == 0)


def aji(counts: CellCounts) -> float:
    """The aggregated Jaccard index."""
    return _ratio(counts.intersection_px, counts.union_px)


def count_error(counts: CellCounts) -> float:
    """The difference of the numbers of cells over the true number."""
    return abs(counts.predicted_cells - counts.true_cells) / max(1, counts.true_cells)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
