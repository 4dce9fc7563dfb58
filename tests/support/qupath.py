"""A reader of GeoJSON that takes what QuPath's own reader takes, and rejects what it rejects.

Written from the rules of `PathIO`, `QuPathTypeAdapters`, `ROITypeAdapters` and `GsonTools` in QuPath's source of versions
0.4 and 0.5 (commits 0a77ded and 1489180), each at its strictest, and of valid shapes, which 0.6 demands. The program itself
is not run.
"""

import json
import math
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely

CREATED = {"annotation", "detection", "cell", "tile"}
PLANE = {"c": -1, "z": 0, "t": 0}


@dataclass(frozen=True)
class PathObject:
    """What QuPath has in memory; `shape` in pixels from the top left corner of the image."""

    kind: str
    number: uuid.UUID
    name: str
    path_class: str
    measurements: dict[str, float]
    plane: tuple[int, int, int]  #: channel, z, t
    shape: shapely.Geometry


def read_as_qupath(path: Path) -> list[PathObject]:
    """The objects of a FeatureCollection in UTF-8; a ValueError says where QuPath would fail or lose something."""
    content = json.loads(path.read_bytes().decode("utf-8"), parse_constant=_reject_constant)
    _demand(content.get("type") == "FeatureCollection", "the type of the whole")
    return [_read_object(feature) for feature in content["features"]]


def _read_object(feature: dict[str, Any]) -> PathObject:
    _demand(feature.get("type") == "Feature", "the type of a feature")
    number = uuid.UUID(feature["id"])
    _demand(str(number) == feature["id"], "an id that Java's UUID.fromString reads")
    geometry, properties = feature["geometry"], feature["properties"]
    _demand(properties["objectType"] in CREATED, "a known objectType")  # another one becomes an annotation
    _demand(isinstance(properties["name"], str), "a name that is text")
    _demand(properties.get("isLocked", False) in (True, False), "isLocked")
    return PathObject(
        properties["objectType"],
        number,
        properties["name"],
        _read_class(properties["classification"]),
        _read_measurements(properties.get("measurements", {})),
        _read_plane(geometry.get("plane", PLANE)),
        _read_shape(geometry),
    )


def _read_class(found: dict[str, Any]) -> str:
    _demand(isinstance(found, dict) and not {"colorRGB", "parentClass"} & found.keys(), "a classification of today's form")
    _demand({"name", "color"} <= found.keys(), "a classification with name and color")
    name, color = found["name"], found["color"]
    _demand(name == name.strip() and name and "\n" not in name and ":" not in name, "the name of one class")
    _demand(len(color) in (3, 4) and all(type(part) is int and 0 <= part <= 255 for part in color), "a color of bytes")
    return str(name)


def _read_measurements(found: dict[str, Any]) -> dict[str, float]:
    """A map to Java's Double, which holds no text, truth or null."""
    _demand(isinstance(found, dict), "measurements as a map")
    _demand(all(type(value) in (int, float) and math.isfinite(value) for value in found.values()), "measurements as numbers")
    return {name: float(value) for name, value in found.items()}


def _read_plane(found: dict[str, Any]) -> tuple[int, int, int]:
    """Its reader stops at a name other than these three."""
    _demand(found.keys() <= PLANE.keys(), "a plane of c, z and t only")
    plane = {**PLANE, **found}
    _demand(all(type(value) is int for value in plane.values()), "a plane of integers")
    return plane["c"], plane["z"], plane["t"]


def _read_shape(geometry: dict[str, Any]) -> shapely.Geometry:
    kind, found = geometry["type"], geometry["coordinates"]
    _demand(kind in ("Polygon", "MultiPolygon"), "an area")
    polygons = [_read_polygon(part) for part in ([found] if kind == "Polygon" else found)]
    shape = polygons[0] if kind == "Polygon" else shapely.MultiPolygon(polygons)
    _demand(not shape.is_empty and shape.is_valid, "a valid geometry")
    return shape


def _read_polygon(rings: list[Any]) -> shapely.Polygon:
    for ring in rings:  # as JTS, which does not close a ring by itself
        _demand(len(ring) >= 4 and ring[0] == ring[-1], "closed rings of at least four points")
        _demand(
            all(len(point) == 2 and {type(value) for value in point} <= {int, float} for point in ring), "points of x and y"
        )
    return shapely.Polygon(rings[0], rings[1:])


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name}, which is not JSON")


def _demand(is_met: Any, what: str) -> None:
    if not is_met:
        raise ValueError(f"QuPath needs {what}")
