"""GeoJSON as QuPath writes and reads it: a FeatureCollection with a polygon for each object.

Source of the field names: the classes `QuPathTypeAdapters` and `ROITypeAdapters` of QuPath.
"""

import gzip
import json
import uuid
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from livecell_monai.exchange.base import (
    AnnotatedObject,
    Annotation,
    LabelledPlane,
    Wanted,
    import_exchange,
    parse_number,
    raise_broken,
)
from livecell_monai.exchange.depth import DepthLimit, check_list
from livecell_monai.exchange.outlines import Polygon, Ring
from livecell_monai.exchange.shapes import read_points

TITLE = "GeoJSON"
ENDINGS = (".geojson", ".geojson.gz")
_CLASS = {"name": "Cell", "color": [255, 180, 0]}
_IDS = uuid.UUID("6f0f3c0a-1c0e-5a52-9d8b-6a2f0e6f7c11")  # namespace: the same cell always gets the same id
_COLLECTION = "features.item"  # where the features of a collection are
_MAX_DEPTH = 4  # of brackets: position, ring, polygon, polygons


def make_id(name: str, frame: int, number: int) -> str:
    """The id of the feature of a cell, by the name of its image, its frame and its own number."""
    return str(uuid.uuid5(_IDS, f"{name}/{frame}/{number}"))


class GeoJsonWriter:
    """One detection for each object, written one by one; `plane` states the frame of a movie."""

    def __init__(self, path: Path) -> None:
        self._stream = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by `close`
        self._stream.write('{"type":"FeatureCollection","features":[')
        self._separator = "\n"

    def add(self, plane: LabelledPlane) -> None:
        """Write the objects of an image or a frame."""
        frame = plane.frame or 0
        for number, polygons in plane.outlines:
            values = plane.measurements.get(number)
            closed = [[_close(ring) for ring in polygon] for polygon in polygons]
            is_one = len(closed) == 1
            feature = {
                "type": "Feature",
                "id": make_id(plane.name, frame, number),
                "geometry": {
                    "type": "Polygon" if is_one else "MultiPolygon",
                    "coordinates": closed[0] if is_one else closed,
                    "plane": {"c": -1, "z": 0, "t": frame},
                },
                "properties": {
                    "objectType": "detection",
                    "name": str(number),
                    "classification": _CLASS,
                    **({"measurements": values} if values else {}),
                },
            }
            self._stream.write(self._separator + json.dumps(feature, separators=(",", ":")))
            self._separator = ",\n"

    def close(self) -> None:
        """End the list."""
        self._stream.write("\n]}\n")
        self._stream.close()


def _close(ring: Ring) -> list[list[int]]:
    points: list[list[int]] = ring.tolist()
    return [*points, points[0]]


def read_geojson(path: Path, wanted: Wanted) -> Iterator[Annotation]:
    """The annotation of the image with the name of the file, or of each of its frames; objects are read one by one."""
    ijson = import_exchange("ijson", path)
    frames: dict[int, list[AnnotatedObject]] = defaultdict(list)
    without_area = 0
    try:
        prefix = _find_prefix(path)
        with open_json(path) as stream:
            for feature in ijson.items(DepthLimit(stream), prefix, use_float=True):
                found = _read_feature(feature)
                if found is None:
                    without_area += 1
                    continue
                frame, each = found
                frames[frame].append(each)
        if not frames and not without_area and prefix == _COLLECTION:
            with open_json(path) as stream:
                check_list(ijson.parse(DepthLimit(stream)), "features")
    except (ijson.common.JSONError, OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, zlib.error) as error:
        raise_broken(path, TITLE, error)
    name = next(path.name[: -len(ending)] for ending in (*ENDINGS[::-1], ".json") if path.name.lower().endswith(ending))
    is_movie = any(frames)
    for frame, objects in sorted(frames.items()) or [(0, [])]:
        yield Annotation(path, name, tuple(objects), frame=frame if is_movie else None, without_area=without_area)
        without_area = 0


def open_json(path: Path) -> BinaryIO:
    """A JSON file, or one compressed by gzip, open for reading bytes."""
    return gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb")  # type: ignore[return-value]


def _find_prefix(path: Path) -> str:
    """Where the features are: QuPath writes a collection, older scripts a plain list, and others a single feature."""
    ijson = import_exchange("ijson", path)
    with open_json(path) as stream:
        for place, event, value in ijson.parse(DepthLimit(stream)):
            if (place, event) == ("", "start_array"):
                return "item"
            if place == "" and event == "map_key" and value in ("features", "geometry"):
                return _COLLECTION if value == "features" else ""
    return _COLLECTION


def _read_feature(feature: Mapping[str, Any]) -> tuple[int, AnnotatedObject] | None:
    """The frame and the object of a feature; None for one without an area."""
    geometry = feature.get("geometry") or {}
    properties = feature.get("properties") or {}
    polygons = _read_polygons(geometry)
    if not polygons:
        return None
    plane = geometry.get("plane") or {}
    kind = properties.get("classification") or {}
    name = kind.get("name") or ": ".join(kind.get("names") or []) if isinstance(kind, Mapping) else str(kind)
    number = parse_number(properties.get("name", ""))
    return max(0, int(plane.get("t", 0))), AnnotatedObject(polygons, number=number, kind=name)


def _read_polygons(geometry: Mapping[str, Any]) -> tuple[Polygon, ...]:
    """The polygons of a geometry; rectangles and ellipses are polygons in QuPath's files too."""
    kind, found = geometry.get("type"), geometry.get("coordinates")
    if kind == "GeometryCollection":
        return tuple(polygon for part in geometry.get("geometries") or [] for polygon in _read_polygons(part))
    if kind not in ("Polygon", "MultiPolygon") or not found:
        return ()
    parts = [found] if kind == "Polygon" else found
    polygons = (tuple(_read_ring(ring) for ring in part) for part in parts)
    return tuple(polygon for polygon in polygons if polygon and len(polygon[0]) >= 3)


def _read_ring(ring: Any) -> Ring:
    points = read_points(ring)
    return points[:-1] if len(points) > 1 and (points[0] == points[-1]).all() else points
