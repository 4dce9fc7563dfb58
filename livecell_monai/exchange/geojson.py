"""GeoJSON as QuPath writes and reads it: a FeatureCollection with a polygon for each object.

Source of the field names: the classes `QuPathTypeAdapters` and `ROITypeAdapters` of QuPath.
"""

import gzip
import json
import uuid
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from livecell_monai.exchange.labelling import is_special
from livecell_monai.exchange.matching import name_annotated
from livecell_monai.exchange.outlines import Polygon, Ring
from livecell_monai.exchange.shapes import read_points

TITLE = "GeoJSON"
_CLASS = {"name": "Cell", "color": [255, 180, 0]}
_IDS = uuid.UUID("6f0f3c0a-1c0e-5a52-9d8b-6a2f0e6f7c11")  # namespace: the same cell always gets the same id
_COLLECTION = "features.item"  # where the features of a collection are
_MAX_DEPTH = 4  # of brackets: position, ring, polygon, polygons
_OLD_TYPES = {  # older versions of QuPath state the type of an object as its id
    "pathannotationobject": "annotation",
    "pathcellobject": "cell",
    "pathdetectionobject": "detection",
    "pathtileobject": "tile",
    "tmacoreobject": "tmacore",
}


class _Feature(NamedTuple):
    """An object of a file."""

    found: AnnotatedObject
    frame: int | None  # None if the file does not state it
    type: str  # of QuPath, in lower case


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
    features: list[_Feature] = []
    without_area = 0
    try:
        prefix = _find_prefix(path)
        with open_json(path) as stream:
            for feature in ijson.items(DepthLimit(stream), prefix, use_float=True):
                found = _read_feature(feature)
                if found is None:
                    without_area += 1
                else:
                    features.append(found)
        if not features and not without_area and prefix == _COLLECTION:
            with open_json(path) as stream:
                check_list(ijson.parse(DepthLimit(stream)), "features")
    except (ijson.common.JSONError, OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, zlib.error) as error:
        raise_broken(path, TITLE, error)
    features, note = _leave_out(path, features)
    frames: dict[int, list[AnnotatedObject]] = defaultdict(list)
    for each in features:
        frames[each.frame or 0].append(each.found)
    name = name_annotated(path, wanted)
    is_movie = not features or any(each.frame is not None for each in features)  # frame 0 is also an image of one plane
    for frame, objects in sorted(frames.items()) or [(0, [])]:
        yield Annotation(path, name, tuple(objects), None, None, frame if is_movie else None, without_area, note)
        without_area, note = 0, ""


def _leave_out(path: Path, features: list[_Feature]) -> tuple[list[_Feature], str]:
    """The features without those in which QuPath looks for cells, and a note about them.

    These are tiles, cores of tissue microarrays, and annotations without a class around cells or detections.
    """
    cells: dict[int | None, list[Ring]] = defaultdict(list)
    for each in features:
        if each.type in ("cell", "detection"):
            cells[each.frame].append(each.found.polygons[0][0])
    middles = {frame: np.array([ring.min(0) + ring.max(0) for ring in rings]) / 2 for frame, rings in cells.items()}

    def is_parent(each: _Feature) -> bool:
        if each.type != "annotation" or each.found.kind:
            return each.type in ("tile", "tmacore") and not is_special(each.found.kind)
        return each.frame in middles and _holds_any(each.found.polygons, middles[each.frame])

    kept = [each for each in features if not is_parent(each)]
    count = len(features) - len(kept)
    what = "tiles, TMA cores and annotations without a class around cells"
    return kept, f"{path.name}: {what}, left out: {count:,}" if count else ""


def _holds_any(polygons: Sequence[Polygon], places: NDArray[Any]) -> bool:
    """Whether one of the places (N, 2) x, y lies in the outer ring of a polygon."""
    shapely = import_exchange("shapely", "annotations of QuPath")
    outer = [shapely.make_valid(shapely.Polygon(polygon[0])) for polygon in polygons]
    return any(shapely.contains_xy(shape, *places.T).any() for shape in outer)


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


def _read_feature(feature: Mapping[str, Any]) -> _Feature | None:
    """The object of a feature; None for one without an area."""
    geometry = feature.get("geometry") or {}
    properties = feature.get("properties") or {}
    polygons = _read_polygons(geometry)
    if not polygons:
        return None
    plane = geometry.get("plane") or {}
    kind = properties.get("classification") or {}
    if isinstance(kind, Mapping):
        kind = kind.get("name") or ": ".join(map(str, kind.get("names") or []))
    found = AnnotatedObject(polygons, number=parse_number(properties.get("name", "")), kind=str(kind))
    shown = str(properties.get("objectType") or feature.get("id")).lower()
    return _Feature(found, max(0, int(plane["t"])) if "t" in plane else None, _OLD_TYPES.get(shown, shown))


def _read_polygons(geometry: Mapping[str, Any]) -> tuple[Polygon, ...]:
    """The polygons of a geometry; rectangles and ellipses are polygons in QuPath's files too."""
    kind, found = geometry.get("type"), geometry.get("coordinates")
    if kind == "GeometryCollection":
        return tuple(polygon for part in geometry.get("geometries") or [] for polygon in _read_polygons(part))
    if kind not in ("Polygon", "MultiPolygon") or not found:
        return ()
    parts = [found] if kind == "Polygon" else found
    polygons = ([_read_ring(ring) for ring in part] for part in parts)
    return tuple(
        tuple(ring for ring in polygon if len(ring) >= 3) for polygon in polygons if polygon and len(polygon[0]) >= 3
    )


def _read_ring(ring: Any) -> Ring:
    points = read_points(ring)
    return points[:-1] if len(points) > 1 and (points[0] == points[-1]).all() else points
