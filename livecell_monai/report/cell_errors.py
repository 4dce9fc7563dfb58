"""The largest errors among the cells of several images, each with a picture of its surroundings."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from livecell_monai.metrics.cells import INVENTED, MERGED, MISSED, SPLIT, CellMatches
from livecell_monai.report.fates import draw_fates
from livecell_monai.report.pictures import Layers
from livecell_monai.sample import Pixels, Region, SamplePrediction

MOST = 6  # of each kind
KINDS = (MERGED, SPLIT, MISSED, INVENTED)
CROP_PX, LEAST_CROP_PX = 240, 64  # longest side of a picture, shortest side of what it shows
MARGIN = 0.5  # around a cell, of its longest side
MOST_BYTES = 22_000  # of the page for one picture


@dataclass(frozen=True)
class CellError:
    """One wrong cell: of the kind `merged` the predicted one that joins several, of `invented` a predicted one."""

    kind: str  #: one of `KINDS`
    image: str  #: name of the image
    place: Region  #: bounding box in the image, in px
    area_px: int
    layers: Layers


class LargestErrors:
    """Collects the six largest wrong cells of each kind; no more than these are kept in memory."""

    def __init__(self) -> None:
        self._kept: dict[str, list[CellError]] = {kind: [] for kind in KINDS}

    def __iter__(self) -> Iterator[CellError]:
        """The errors by kind, the largest first."""
        return (error for kind in KINDS for error in self._kept[kind])

    def add(self, one: SamplePrediction, matches: CellMatches) -> None:
        """Add an image, of which `matches` compare the predicted and the true cells."""
        assert one.cells is not None
        assert one.true_cells is not None
        fates = np.array(matches.fate, dtype=str)
        wrong = {kind: (one.true_cells, matches.true_ids[fates == kind]) for kind in (SPLIT, MISSED)}
        wrong |= {MERGED: (one.cells, matches.merging_ids), INVENTED: (one.cells, matches.invented_ids)}
        for kind, (labels, ids) in wrong.items():
            kept = self._kept[kind]
            for cell, area, box in _find_largest(labels, ids):
                if len(kept) < MOST or area > kept[-1].area_px:
                    part = _widen(box, labels.shape)
                    layers = _draw(one, matches, part, part.crop(labels) == cell)
                    kept.append(CellError(kind, one.name, _move(box, one.region), area, layers))
                    kept.sort(key=lambda error: -error.area_px)
                    del kept[MOST:]


def _find_largest(labels: Pixels, ids: Pixels) -> list[tuple[int, int, Region]]:
    """Id, area in px and bounding box of the largest cells of a label image (Y, X) that have one of the increasing ids."""
    if not len(ids):
        return []
    number = np.minimum(np.searchsorted(ids, labels), len(ids) - 1)
    numbered = np.where(ids[number] == labels, number + 1, 0)
    area = np.bincount(numbered.ravel(), minlength=len(ids) + 1)[1:]
    boxes = ndimage.find_objects(numbered)
    largest = [(cell, *boxes[cell]) for cell in np.argsort(-area, kind="stable")[:MOST]]
    return [
        (int(ids[cell]), int(area[cell]), Region(rows.start, columns.start, rows.stop, columns.stop))
        for cell, rows, columns in largest
    ]


def _widen(box: Region, shape: tuple[int, ...]) -> Region:
    """A square around a box that does not reach beyond the image, unless the image is smaller."""
    longest = max(box.bottom - box.top, box.right - box.left)
    side = max(LEAST_CROP_PX, round(longest * (1 + 2 * MARGIN)))
    middles = (box.top + box.bottom) // 2, (box.left + box.right) // 2
    top, left = (max(0, min(middle - side // 2, edge - side)) for middle, edge in zip(middles, shape, strict=True))
    return Region(top, left, min(shape[0], top + side), min(shape[1], left + side))


def _move(box: Region, part: Region | None) -> Region:
    """A box of a part of an image in the whole image."""
    top, left = (part.top, part.left) if part else (0, 0)
    return Region(box.top + top, box.left + left, box.bottom + top, box.right + left)


def _draw(one: SamplePrediction, matches: CellMatches, part: Region, tinted: Pixels) -> Layers:
    assert one.cells is not None
    assert one.true_cells is not None
    cells = part.crop(one.cells), part.crop(one.true_cells)
    labelled = None if one.labelled is None else part.crop(one.labelled)
    return draw_fates(part.crop(one.image), cells, matches, MOST_BYTES, CROP_PX, tinted, labelled)
