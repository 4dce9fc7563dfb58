"""JSON of labelme: polygons, rectangles, circles and masks of one image.

Source: labelme 5, `labelme/utils/shape.py` and its label files. Shapes of one group and class are the parts of one object.
"""

import base64
import binascii
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.exchange.base import AnnotatedObject, Annotation, Wanted, raise_broken
from livecell_monai.exchange.matching import name_annotated
from livecell_monai.exchange.outlines import Integers, Polygon
from livecell_monai.exchange.reasons import FormatError
from livecell_monai.exchange.shapes import read_points, read_size, trace_ellipse

TITLE = "labelme JSON"


def read_labelme(path: Path, wanted: Wanted) -> Iterator[Annotation]:
    """The annotation of the image with the name of the file."""
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or not isinstance(content["shapes"], list):
            raise FormatError("shapes must be a list")
        height, width = content.get("imageHeight"), content.get("imageWidth")
        size = read_size(height, width) if height or width else None
        objects, without_area = _read_shapes(content["shapes"], size)
    except binascii.Error:
        raise_broken(path, TITLE, "a mask is not encoded as base64")
    except Exception as error:  # Pillow raises errors of its own kinds for damaged masks
        raise_broken(path, TITLE, error)
    yield Annotation(path, name_annotated(path, wanted), objects, size=size, without_area=without_area)


def _read_shapes(shapes: list[Mapping[str, Any]], size: tuple[int, int] | None) -> tuple[tuple[AnnotatedObject, ...], int]:
    """The objects, and the number of shapes without an area."""
    parts: dict[Any, list[Polygon]] = {}
    masks: dict[Any, list[Integers]] = {}
    without_area = 0
    for number, shape in enumerate(shapes):
        kind, group = str(shape.get("label") or ""), shape.get("group_id")
        key = (kind, "shape", number) if group is None else (kind, "group", group)
        if shape.get("shape_type") == "mask":
            if size is None:
                raise FormatError("a mask needs imageHeight and imageWidth")
            masks.setdefault(key, []).append(_read_mask(shape, size))
            parts.setdefault(key, [])
            continue
        ring = _read_ring(str(shape.get("shape_type") or "polygon"), read_points(shape["points"]))
        if ring is None:
            without_area += 1
        else:
            parts.setdefault(key, []).append((ring,))
    objects = tuple(
        AnnotatedObject(tuple(polygons), np.concatenate(masks[key]) if key in masks else None, kind=key[0])
        for key, polygons in parts.items()
    )
    return objects, without_area


def _read_ring(kind: str, points: Any) -> Any:
    """The ring of a shape; None for a point or a line."""
    if kind == "polygon":
        return points if len(points) >= 3 else None
    if kind == "rectangle" and len(points) >= 2:
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    if kind == "circle" and len(points) == 2:
        radius = math.dist(*points)
        return trace_ellipse(points[0], (radius, radius))
    return None


def _read_mask(shape: Mapping[str, Any], size: tuple[int, int]) -> Integers:
    """The pixels of a mask in the box of its two points, as `AnnotatedObject.runs`."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=("PNG",)) as picture:
        if picture.height > size[0] or picture.width > size[1]:
            got = f"{picture.height} x {picture.width}"
            raise FormatError(f"a mask must be of at most the size of its image, {size[0]} x {size[1]}, got {got}")
        mask = np.asarray(picture) > 0
    left, top = (int(value) for value in read_points(shape["points"])[0])
    rows, columns = np.nonzero(mask)
    rows, columns = rows + top, columns + left
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    return np.stack([rows[inside] * size[1] + columns[inside], np.ones(int(inside.sum()), np.int64)], axis=1)
