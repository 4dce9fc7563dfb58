"""Makes a label image of annotated objects: which pixels are whose, which are not annotated, and what did not fit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from livecell_monai.data.plane_files import label_type
from livecell_monai.exchange.base import AnnotatedObject, Annotation
from livecell_monai.exchange.crossing import count_crossing
from livecell_monai.exchange.filling import Spans, fill_polygons, join_spans, paint
from livecell_monai.exchange.outlines import Integers, Polygon
from livecell_monai.sample import Pixels

IGNORE, REGION = "ignore", "region"  #: an object whose class begins with one of them, such as `Region*`, is no cell


@dataclass
class Counts:
    """What became of the objects of all images."""

    images: int = 0
    cells: int = 0
    regions: int = 0  #: inside of which alone an image is annotated
    ignored: int = 0  #: objects of a class ignore
    overlapping: int = 0  #: cells that share pixels with another
    overlap_pixels: int = 0
    hidden: int = 0  #: cells without a pixel of their own, because others cover them
    clipped: int = 0  #: objects that reach out of the image
    empty: int = 0  #: cells without a pixel in the image
    repaired: int = 0  #: objects whose outline crosses itself
    without_area: int = 0  #: points, lines and boxes
    notes: list[str] = field(default_factory=list)  #: what the user should know of single images
    kinds: Counter[str] = field(default_factory=Counter)  #: number of objects of each class of cells, empty without a class


def is_special(kind: str) -> bool:
    """Whether a class means a part of the image instead of a cell."""
    return kind.lower().startswith((IGNORE, REGION))


def label_objects(
    annotation: Annotation, shape: tuple[int, int], classes: Sequence[str], counts: Counts
) -> tuple[Pixels, Pixels | None]:
    """The label image (Y, X) uint16, or uint32 if an id is above 65,535, and the pixels (Y, X) bool that are not annotated.

    A pixel of several cells goes to the smallest of them, of equally large ones to the first. Ids are those that the file
    states, or 1, 2, 3 ... in its order. The second image is None if every pixel is annotated.

    Args:
        annotation: of the image.
        shape: (Y, X) of the image.
        classes: names of the classes that are cells; empty for all.
        counts: to which this image is added.
    """
    counts.without_area += annotation.without_area
    counts.images += 1
    if annotation.note:
        counts.notes.append(annotation.note)
    if annotation.labels is not None:
        return _take_labels(annotation.labels, counts)
    counts.kinds.update(each.kind for each in annotation.objects if not is_special(each.kind))
    cells = [each for each in annotation.objects if not is_special(each.kind) and (not classes or each.kind in classes)]
    ignored = [each for each in annotation.objects if each.kind.lower().startswith(IGNORE)]
    regions = [each for each in annotation.objects if each.kind.lower().startswith(REGION)]
    counts.ignored += len(ignored)
    counts.regions += len(regions)
    labels = _paint_cells(cells, shape, counts)
    if (cells or (annotation.without_area and not annotation.objects)) and not labels.any():
        counts.notes.append(_explain_loss(annotation, cells, shape))
    outside = None
    if ignored:
        outside = _cover(ignored, shape, counts)
    if regions:
        outside = ~_cover(regions, shape, counts) | (False if outside is None else outside)
    return labels, outside if outside is not None and outside.any() else None


def _explain_loss(annotation: Annotation, cells: Sequence[AnnotatedObject], shape: tuple[int, int]) -> str:
    """Why an image has no cell although it has objects."""
    name = annotation.name if annotation.frame is None else f"{annotation.name}, frame {annotation.frame}"
    if not cells:
        return f"{name}: all {annotation.without_area:,} objects are points, lines or boxes, which have no area"
    rings = [ring for each in cells for polygon in each.polygons for ring in polygon]
    corners = np.concatenate(rings) if rings else np.zeros((1, 2))
    for axis, (letter, size, word) in enumerate((("x", shape[1], "wide"), ("y", shape[0], "high"))):
        low, high = corners[:, axis].min(), corners[:, axis].max()
        if low >= size or high <= 0:
            place = f"{letter} {low:g} to {high:g}, the image is {size} {word}"
            return f"{name}: all {len(cells):,} objects lie outside of the image ({place}); is it the right image?"
    return f"{name}: all {len(cells):,} objects cover no pixel of the image; is it the right image?"


def _take_labels(labels: Pixels, counts: Counts) -> tuple[Pixels, Pixels | None]:
    """A label image as it is; negative pixels are not annotated."""
    outside = labels < 0
    kept = np.where(outside, 0, labels)
    counts.cells += len(np.unique(kept[kept > 0]))
    return _shrink(kept), outside if outside.any() else None


def _shrink(labels: Pixels) -> Pixels:
    return labels.astype(label_type(int(labels.max(initial=0))))


def _paint_cells(cells: Sequence[AnnotatedObject], shape: tuple[int, int], counts: Counts) -> Pixels:
    """The label image of cells."""
    spans = _fill(cells, shape, counts)
    areas = spans.measure_areas(len(cells))
    rank = np.lexsort(
        (-np.arange(len(cells)), -areas)
    )  # the largest first, of equal ones the last first: later covers earlier
    place = np.empty(len(cells), np.int64)
    place[rank] = np.arange(len(cells))
    spans = spans.take(np.argsort(place[spans.objects], kind="stable"))
    ids = _number(cells)
    labels = paint(spans, ids, shape, np.uint32)
    present = np.isin(ids, labels)
    counts.cells += int(present.sum())
    counts.empty += int((areas == 0).sum())
    counts.hidden += int((~present & (areas > 0)).sum())
    _count_overlaps(spans, labels, ids, counts)
    return _shrink(labels)


def _count_overlaps(spans: Spans, labels: Pixels, ids: Integers, counts: Counts) -> None:
    """Count the pixels of several cells, and the cells that have some."""
    if spans.lengths.sum() == np.count_nonzero(labels):
        return
    pixels, owner = spans.expand(), np.repeat(spans.objects, spans.lengths)
    times = np.bincount(pixels, minlength=labels.size)
    shared = times > 1
    counts.overlap_pixels += int(shared.sum())
    counts.overlapping += len(np.unique(owner[shared[pixels]]))


def _number(cells: Sequence[AnnotatedObject]) -> Integers:
    """The id of each cell."""
    stated = [each.number for each in cells]
    if stated and None not in stated and len(set(stated)) == len(stated):
        return np.array(stated, np.int64)
    return np.arange(1, len(cells) + 1)


def _cover(objects: Sequence[AnnotatedObject], shape: tuple[int, int], counts: Counts) -> Pixels:
    """The pixels (Y, X) bool of any object."""
    return paint(_fill(objects, shape, counts), np.ones(len(objects), np.int64), shape, np.uint8) > 0


def _fill(objects: Sequence[AnnotatedObject], shape: tuple[int, int], counts: Counts) -> Spans:
    """The spans of objects, each pixel of an object once; see `crossing` for outlines that cross themselves."""
    numbers = [number for number, each in enumerate(objects) for _ in each.polygons]
    polygons = [polygon for each in objects for polygon in each.polygons]
    counts.repaired += count_crossing(numbers, polygons)
    counts.clipped += _count_outside(numbers, polygons, shape)
    spans = [fill_polygons(polygons, numbers, shape)]
    for number, each in enumerate(objects):
        if each.runs is not None:
            spans.append(Spans(np.full(len(each.runs), number), each.runs[:, 0], each.runs[:, 1]))
    return _merge_parts(join_spans(spans), shape)


def _merge_parts(spans: Spans, shape: tuple[int, int]) -> Spans:
    """The spans with each pixel of an object once: parts of one object, polygons and runs, may overlap."""
    size = shape[0] * shape[1]
    first = spans.objects * size + spans.starts
    order = np.argsort(first, kind="stable")
    stop = (first + spans.lengths)[order]
    is_shared = first[order][1:] < stop[:-1]  # with the span before it, of the same object
    if not is_shared.any():
        return spans
    is_part = np.isin(spans.objects, spans.objects[order][1:][is_shared])
    own = spans.take(np.flatnonzero(is_part))
    keys = np.unique(np.repeat(own.objects, own.lengths) * size + own.expand())
    single = Spans(keys // size, keys % size, np.ones(len(keys), np.int64))
    return join_spans([spans.take(np.flatnonzero(~is_part)), single])


def _count_outside(numbers: Sequence[int], polygons: Sequence[Polygon], shape: tuple[int, int]) -> int:
    """Number of objects that reach out of the image."""
    height, width = shape
    found = set()
    for number, polygon in zip(numbers, polygons, strict=True):
        low, high = polygon[0].min(axis=0), polygon[0].max(axis=0)
        if low.min() < 0 or high[0] > width or high[1] > height:
            found.add(number)
    return len(found)
