"""XML of CVAT, "CVAT for images 1.1": polygons, boxes, ellipses and masks of many images.

Source: CVAT's documentation of its XML annotation format. Shapes of one group and label are the parts of one object.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from livecell_monai.data.paths import stem_of
from livecell_monai.exchange.base import AnnotatedObject, Annotation, Wanted, import_exchange, raise_broken
from livecell_monai.exchange.outlines import Integers, Polygon
from livecell_monai.exchange.reasons import FormatError
from livecell_monai.exchange.shapes import (
    check_points,
    expand_runs,
    read_number,
    read_points,
    read_size,
    rotate,
    trace_ellipse,
)

TITLE = "CVAT XML (for images 1.1)"


def read_cvat(path: Path, wanted: Wanted) -> Iterator[Annotation]:
    """The annotation of each image, one after the other; XML with entities or a document type is rejected."""
    parser = import_exchange("defusedxml.ElementTree", path)
    try:
        with open(path, "rb") as stream:
            root: Any = None
            for event, element in parser.iterparse(stream, events=("start", "end"), forbid_dtd=True):
                if root is None:
                    root = element
                    if root.tag != "annotations":
                        raise FormatError(f"its outermost element is {root.tag}")
                if event == "end" and element.tag == "image":
                    yield _read_image(path, element)
                    root.clear()
                elif event == "end" and element.tag == "track":
                    raise FormatError("it has tracks of a video; export as CVAT for images 1.1")
    except (
        parser.ParseError,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        OSError,
    ) as error:  # entities are a ValueError of defusedxml
        raise_broken(path, TITLE, error)


def _read_image(path: Path, image: Any) -> Annotation:
    size = read_size(image.attrib["height"], image.attrib["width"])
    name = stem_of(Path(PurePosixPath(image.attrib["name"].replace("\\", "/")).name))
    parts: dict[Any, list[Polygon]] = {}
    masks: dict[Any, list[Integers]] = {}
    without_area = 0
    for number, shape in enumerate(image):
        fields = shape.attrib
        kind, group = fields.get("label", ""), fields.get("group_id") or "0"
        key = (kind, "shape", number) if group == "0" else (kind, "group", group)
        ring = _read_ring(shape.tag, fields)
        if shape.tag == "mask":
            masks.setdefault(key, []).append(_read_mask(fields, size))
            parts.setdefault(key, [])
        elif ring is None:
            without_area += shape.tag != "tag"  # of the image as a whole
        else:
            parts.setdefault(key, []).append((ring,))
    objects = tuple(
        AnnotatedObject(tuple(polygons), np.concatenate(masks[key]) if key in masks else None, kind=key[0])
        for key, polygons in parts.items()
    )
    return Annotation(path, name, objects, size=size, without_area=without_area)


def _read_ring(tag: str, fields: Mapping[str, str]) -> Any:
    """The ring of a shape; None for a point or a line."""
    if tag == "polygon":
        ring = read_points([point.split(",") for point in fields["points"].split(";")])
        return ring if len(ring) >= 3 else None
    if tag == "box":
        left, top, right, bottom = (read_number(fields[name], name) for name in ("xtl", "ytl", "xbr", "ybr"))
        corners = check_points(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]))
        return _turn(corners, ((left + right) / 2, (top + bottom) / 2), fields)
    if tag == "ellipse":
        x, y, across, down = (read_number(fields[name], name) for name in ("cx", "cy", "rx", "ry"))
        return _turn(trace_ellipse((x, y), (across, down)), (x, y), fields)
    return None


def _turn(ring: Any, middle: tuple[float, float], fields: Mapping[str, str]) -> Any:
    """The ring of a shape that may be rotated, by degrees clockwise."""
    angle = read_number(fields.get("rotation") or 0, "rotation")
    return rotate(ring, middle, angle) if angle else ring


def _read_mask(fields: Mapping[str, str], size: tuple[int, int]) -> Integers:
    """The pixels of run lengths along the rows of a box, as `AnnotatedObject.runs`."""
    left, top, width, height = (int(read_number(fields[name], name)) for name in ("left", "top", "width", "height"))
    if not (0 < height <= size[0] and 0 < width <= size[1]):
        raise FormatError(f"a mask must be of at most the size of its image, {size[0]} x {size[1]}, got {height} x {width}")
    pixels = expand_runs(np.array(fields["rle"].split(","), np.int64), height, width)
    rows, columns = pixels // width + top, pixels % width + left
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    return np.stack([rows[inside] * size[1] + columns[inside], np.ones(int(inside.sum()), np.int64)], axis=1)
