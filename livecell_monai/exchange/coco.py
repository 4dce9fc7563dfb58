"""COCO JSON of object instances: one file for many images; polygons, or run lengths where an object has a hole.

Source of the fields and of compressed run lengths: the COCO data format and `pycocotools` (`maskApi.c`).
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from livecell_monai.data.paths import compose, stem_of
from livecell_monai.errors import DataError
from livecell_monai.exchange.base import AnnotatedObject, Annotation, LabelledPlane, Wanted, import_exchange, raise_broken
from livecell_monai.exchange.depth import DepthLimit, check_list
from livecell_monai.exchange.filling import fill_polygons
from livecell_monai.exchange.outlines import Integers, Polygon
from livecell_monai.exchange.reasons import FormatError
from livecell_monai.exchange.shapes import check_points, expand_runs, read_size

TITLE = "COCO JSON"
IGNORE = "ignore"  #: class of a crowd, whose objects are not annotated one by one
HEAD = '{"info":{"description":"cells, written by livecell-monai"}'  #: of a file that was written here
_CATEGORY = {"id": 1, "name": "cell", "supercategory": "cell"}
_NUMBER, _MOVIE, _FRAME = "instance_id", "movie", "frame"  # fields of ours: id in the label image, place of a frame


class CocoWriter:
    """All images in one file; annotations are written one by one, the list of images comes after them."""

    def __init__(self, path: Path) -> None:
        self._stream = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by `close`
        self._stream.write(HEAD + ',"annotations":[')
        self._separator, self._count = "\n", 0
        self._images: list[dict[str, Any]] = []

    def add(self, plane: LabelledPlane) -> None:
        """Write the objects of an image or a frame."""
        height, width = plane.labels.shape
        number = len(self._images) + 1
        image: dict[str, Any] = {"id": number, "file_name": f"{plane.name}.tif", "height": height, "width": width}
        if plane.frame is not None:
            image |= {"file_name": f"{plane.name}_t{plane.frame:04}.tif", _MOVIE: plane.name, _FRAME: plane.frame}
        self._images.append(image)
        for label, polygons in plane.outlines:
            self._count += 1
            entry = {"id": self._count, "image_id": number, "category_id": 1, "iscrowd": 0, _NUMBER: label}
            entry |= _describe(polygons, (height, width))
            self._stream.write(self._separator + json.dumps(entry, separators=(",", ":")))
            self._separator = ",\n"

    def close(self) -> None:
        """Write the images and the one category."""
        rest = {"images": self._images, "categories": [_CATEGORY], "licenses": []}
        self._stream.write("\n]," + json.dumps(rest, separators=(",", ":"))[1:] + "\n")
        self._stream.close()


def _describe(polygons: tuple[Polygon, ...], shape: tuple[int, int]) -> dict[str, Any]:
    """Outline, area and box of an object."""
    corners = np.concatenate([polygon[0] for polygon in polygons])
    low, high = corners.min(axis=0), corners.max(axis=0)
    outline: Any = [polygon[0].ravel().tolist() for polygon in polygons]
    if any(len(polygon) > 1 for polygon in polygons):  # polygons of COCO have no holes
        outline = {"size": list(shape), "counts": _encode(polygons, shape)}
    area = sum(_measure_area(ring) for polygon in polygons for ring in polygon)
    return {"segmentation": outline, "area": area, "bbox": [*low.tolist(), *(high - low).tolist()]}


def _measure_area(ring: Integers) -> int:
    """The area of a ring, negative for a hole."""
    x, y = ring.T
    return int(x @ np.roll(y, -1) - y @ np.roll(x, -1)) // 2


def _encode(polygons: tuple[Polygon, ...], shape: tuple[int, int]) -> list[int]:
    """Run lengths along the columns, of background and object in turn."""
    height, width = shape
    turned = [tuple(ring[:, ::-1] for ring in polygon) for polygon in polygons]
    spans = fill_polygons(turned, [0] * len(turned), (width, height))
    order = np.argsort(spans.starts)
    starts, stops = spans.starts[order], spans.starts[order] + spans.lengths[order]
    is_new = np.r_[True, starts[1:] != stops[:-1]]  # a run may continue in the next column
    starts, stops = starts[is_new], stops[np.r_[is_new[1:], True]]
    edges = np.r_[np.stack([starts, stops], axis=1).ravel(), height * width]
    counts: list[int] = np.diff(edges, prepend=0).tolist()
    return counts


def read_coco(path: Path, wanted: Wanted) -> Iterator[Annotation]:
    """The annotations of the wanted images; a file of any size is read entry by entry, but for those."""
    ijson = import_exchange("ijson", path)
    try:
        images = {image["id"]: image for image in _read_list(path, "images")}
        kinds = {kind["id"]: str(kind.get("name", "")) for kind in _read_list(path, "categories")}
        sizes = {number: _size(image) for number, image in images.items()}
        names = {number: _name(image, wanted) for number, image in images.items()}
        objects: dict[Any, list[AnnotatedObject]] = defaultdict(list)
        without_area: dict[Any, int] = defaultdict(int)
        for entry in _read_list(path, "annotations"):
            number = entry.get("image_id")
            if number not in images:
                raise DataError(
                    f"{path}: each annotation must name an image of the file, got image_id {number!r}; correct it"
                )
            name, frame = names[number]
            if name not in wanted and frame is None:  # a frame may be a file that only the finder knows
                continue
            found = _read_entry(path, entry, kinds, sizes[number])
            if found is None:
                without_area[number] += 1
            else:
                objects[number].append(found)
        for number, (name, frame) in names.items():
            yield Annotation(path, name, tuple(objects.pop(number, ())), None, sizes[number], frame, without_area[number])
    except (ijson.common.JSONError, OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise_broken(path, TITLE, error)


def _read_list(path: Path, key: str) -> Iterator[Mapping[str, Any]]:
    """The entries of a list of the file, one by one; only `categories` may be missing."""
    ijson = import_exchange("ijson", path)
    entry = None
    with open(path, "rb") as stream:
        for entry in ijson.items(DepthLimit(stream), f"{key}.item", use_float=True):
            if not isinstance(entry, Mapping):
                raise FormatError(f"each entry of {key} must be an object, got {str(entry)[:40]}")
            yield entry
    if entry is not None:
        return
    with open(path, "rb") as stream:
        check_list(ijson.parse(DepthLimit(stream)), key, is_optional=key == "categories")


def _name(image: Mapping[str, Any], wanted: Wanted) -> tuple[str, int | None]:
    """The stem of a wanted image, or the name of a movie, and the frame."""
    is_frame = isinstance(image.get(_FRAME), int) and image.get(_MOVIE)
    name = str(image.get("file_name", "") if is_frame else image["file_name"])
    stem = stem_of(Path(PurePosixPath(name.replace("\\", "/")).name))
    if is_frame and stem not in wanted:
        return compose(str(image[_MOVIE])), int(image[_FRAME])
    return stem, None


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = image.get("height"), image.get("width")
    return None if height is None and width is None else read_size(height, width)


def _read_entry(
    path: Path, entry: Mapping[str, Any], kinds: Mapping[Any, str], size: tuple[int, int] | None
) -> AnnotatedObject | None:
    """The object of an annotation; None for a box or a point alone."""
    outline, number = entry.get("segmentation"), entry.get(_NUMBER)
    category = entry.get("category_id")
    if category is not None and category not in kinds:
        raise DataError(
            f"{path}: {_show(entry)}: must have a category of the file, got category_id {category!r}; correct it"
        )
    kind = IGNORE if entry.get("iscrowd") else kinds.get(category, "")
    number = number if isinstance(number, int) and 0 < number < 2**32 else None
    if isinstance(outline, Mapping):
        size = _check_mask(path, entry, size)
        return AnnotatedObject(runs=decode_runs(outline["counts"], size), number=number, kind=kind)
    rings = [_read_ring(ring) for ring in outline or [] if len(ring) >= 6]
    if not rings:
        return None
    return AnnotatedObject(tuple((ring,) for ring in rings), number=number, kind=kind)


def _show(entry: Mapping[str, Any]) -> str:
    return f"annotation {entry.get('id', 'without an id')}"


def _check_mask(path: Path, entry: Mapping[str, Any], size: tuple[int, int] | None) -> tuple[int, int]:
    """The size (Y, X) of a mask, which must be that of its image, before anything is allocated."""
    stated = entry["segmentation"].get("size")
    if size is None:
        raise DataError(f"{path}: {_show(entry)}: a mask needs height and width of its image, the file has none; add them")
    if stated is not None and stated != list(size):
        got = " x ".join(str(edge)[:20] for edge in stated[:3]) if isinstance(stated, list) else str(stated)[:20]
        rule = f"a mask must have the size of its image, {size[0]} x {size[1]}, got {got}"
        raise DataError(f"{path}: {_show(entry)}: {rule}; export it again")
    return size


def _read_ring(ring: Any) -> Any:
    """The corners (N, 2) of a flat list of coordinates."""
    if len(ring) % 2:
        raise FormatError(f"an outline must have an even number of coordinates, got {len(ring)}")
    return check_points(np.array(ring, np.float64).reshape(-1, 2))


def decode_runs(counts: Any, size: tuple[int, int]) -> Integers:
    """The pixels of run lengths along the columns of an image of a size (Y, X), as `AnnotatedObject.runs`."""
    height, width = size
    lengths = np.array(_decompress(counts) if isinstance(counts, str) else counts, np.int64)
    pixels = expand_runs(lengths, height, width)
    column, row = np.divmod(pixels, height)
    return np.stack([row * width + column, np.ones(len(row), np.int64)], axis=1)


def _decompress(text: str) -> list[int]:
    """The run lengths of a string: groups of 5 bits, from the third on the difference to the last but one."""
    counts: list[int] = []
    value = shift = 0
    for character in text.encode("ascii"):
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
