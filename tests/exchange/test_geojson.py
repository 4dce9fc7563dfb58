"""GeoJSON: QuPath's fields out, QuPath's files in."""

import gzip
import json
import uuid

import numpy as np
import pytest
import shapely

from livecell_monai.errors import DataError
from livecell_monai.exchange.base import LabelledPlane
from tests.support.annotated import MIXED, read_all, to_labels, write_labels, write_planes
from tests.support.qupath import read_as_qupath

#: as QuPath 0.5 exports an annotation, a detection and a point, with fields that do not matter here
QUPATH = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "b8a9f7a2-3c1f-4d25-a42c-1b2f5a3d0c11",
            "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [4, 1], [4, 3.5], [1, 3.5], [1, 1]]]},
            "properties": {
                "objectType": "annotation",
                "classification": {"name": "Tumor", "color": [200, 0, 0]},
                "isLocked": True,
                "measurements": {"Area": 7.5},
            },
        },
        {
            "type": "Feature",
            "id": "b8a9f7a2-3c1f-4d25-a42c-1b2f5a3d0c12",
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[[[5, 0], [6, 0], [6, 1], [5, 1], [5, 0]]], [[[5, 2], [6, 2], [6, 3], [5, 3], [5, 2]]]],
            },
            "properties": {
                "objectType": "detection",
                "classification": {"names": ["Tumor", "Positive"], "color": [1, 2, 3]},
            },
        },
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [1, 2]},
            "properties": {"objectType": "annotation"},
        },
    ],
}


def write_json(path, content):
    text = json.dumps(content).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def test_fields_are_those_of_qupath(tmp_path):
    path = write_planes("geojson", tmp_path / "a.geojson", [LabelledPlane("a", MIXED, 1, 3)])
    content = json.loads(path.read_text())
    assert content["type"] == "FeatureCollection"
    assert len(content["features"]) == 6
    assert len({feature["id"] for feature in content["features"]}) == 6
    for feature in content["features"]:
        assert feature.keys() == {"type", "id", "geometry", "properties"}
        assert str(uuid.UUID(feature["id"])) == feature["id"]
        assert feature["geometry"].keys() == {"type", "coordinates", "plane"}
        assert feature["geometry"]["plane"] == {"c": -1, "z": 0, "t": 1}
        assert feature["properties"].keys() == {"objectType", "name", "classification"}
        assert feature["properties"]["objectType"] == "detection"
        assert feature["properties"]["classification"] == {"name": "Cell", "color": [255, 180, 0]}
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shape.is_valid
        assert shape.is_simple
        assert shape.geom_type == feature["geometry"]["type"]
        assert shape.area == (int(feature["properties"]["name"]) == MIXED).sum()


def test_measurements_of_those_cells_that_have_some(tmp_path):
    plane = LabelledPlane("a", MIXED, measurements={2: {"Area µm^2": 0.5}, 3: {}})
    text = write_planes("geojson", tmp_path / "a.geojson", [plane]).read_text(encoding="utf-8")
    found = {each["properties"]["name"]: each["properties"].get("measurements") for each in json.loads(text)["features"]}
    assert found == {"1": None, "2": {"Area µm^2": 0.5}, **dict.fromkeys("3457")}


def test_qupath_reads_each_cell_as_a_detection_of_the_same_pixels(tmp_path):
    """By the rules of its source; the pixels are those whose centre lies in the shape, holes and parts too."""
    plane = LabelledPlane("a", MIXED, 1, 3, measurements={2: {"Area µm^2": 0.5, "Neighbours": 3}})
    objects = read_as_qupath(write_planes("geojson", tmp_path / "a.geojson", [plane]))
    assert {each.kind for each in objects} == {"detection"}
    assert {each.path_class for each in objects} == {"Cell"}
    assert {each.plane for each in objects} == {(-1, 0, 1)}
    assert {each.name: each.measurements for each in objects if each.measurements} == {
        "2": {"Area µm^2": 0.5, "Neighbours": 3}
    }
    assert len({each.number for each in objects}) == len(objects)
    y, x = np.indices(MIXED.shape) + 0.5
    found = np.zeros(MIXED.shape, int)
    for each in objects:
        found[shapely.contains_xy(each.shape, x, y)] = int(each.name)
    np.testing.assert_array_equal(found, MIXED)


def damage(*keys, value):
    """A change of a feature: the last key of the path gets a value."""

    def change(feature):
        for key in keys[:-1]:
            feature = feature[key]
        feature[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (damage("id", value="1-2"), "hexadecimal|UUID"),
        (damage("properties", "objectType", value="nucleus"), "objectType"),
        (damage("properties", "classification", value={"name": "Cell"}), "name and color"),
        (damage("properties", "classification", "color", value=[1, 2, 256]), "color of bytes"),
        (damage("properties", "classification", "name", value="a: b"), "one class"),
        (damage("properties", "measurements", value={"Area": "2"}), "as numbers"),
        (damage("properties", "measurements", value={"Area": float("nan")}), "NaN"),
        (damage("properties", "measurements", value=[{"name": "Area", "value": 2}]), "as a map"),
        (damage("geometry", "plane", "s", value=0), "c, z and t"),
        (damage("geometry", "plane", "t", value=0.5), "integers"),
        (damage("geometry", "coordinates", value=[[[0, 0], [1, 0], [1, 1], [0, 1]]]), "closed rings"),
        (damage("geometry", "coordinates", value=[[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]), "valid geometry"),
        (damage("geometry", "type", value="LineString"), "an area"),
    ],
)
def test_what_qupath_would_not_read_is_noticed(change, what, tmp_path):
    """So that the test above can fail."""
    content = json.loads(write_labels("geojson", tmp_path, MIXED).read_text())
    change(next(feature for feature in content["features"] if feature["geometry"]["type"] == "Polygon"))
    with pytest.raises(ValueError, match=what):
        read_as_qupath(write_json(tmp_path / "b.geojson", content))


def test_a_file_is_the_same_each_time(tmp_path):
    first = write_labels("geojson", tmp_path, MIXED).read_bytes()
    assert write_labels("geojson", tmp_path, MIXED).read_bytes() == first


@pytest.mark.parametrize("name", ["a.geojson", "a.geojson.gz", "a.json"])
def test_files_of_qupath(name, tmp_path):
    (found,) = read_all("geojson", write_json(tmp_path / name, QUPATH))
    assert (found.name, found.frame, found.without_area) == ("a", None, 1)
    assert [each.kind for each in found.objects] == ["Tumor", "Tumor: Positive"]
    labels, _, _ = to_labels(found, (5, 7))
    expected = np.zeros((5, 7), int)
    expected[1:3, 1:4] = 1  # the centres of row 3 are on the lower side
    expected[[0, 2], 5] = 2
    np.testing.assert_array_equal(labels, expected)


def feature(left, top, size, **fields):
    """A square, as QuPath states it."""
    ring = [[left, top], [left + size, top], [left + size, top + size], [left, top + size], [left, top]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    if "frame" in fields:
        geometry["plane"] = {"c": -1, "z": 0, "t": fields.pop("frame")}
    return {"type": "Feature", "geometry": geometry, "properties": fields}


def read_features(tmp_path, *features):
    return read_all("geojson", write_json(tmp_path / "a.geojson", {"features": features}))


@pytest.mark.parametrize("hole", [[[2, 2], [3, 3], [2, 2]], [[2, 2]], []])
def test_a_hole_without_an_area(hole, tmp_path):
    cell = feature(0, 0, 5)
    cell["geometry"]["coordinates"].append(hole)
    (found,) = read_features(tmp_path, cell)
    assert (to_labels(found, (5, 7))[0] > 0).sum() == 25


@pytest.mark.parametrize(("kind", "shown"), [({"name": 5}, "5"), ({"names": [1, "b"]}, "1: b"), (7, "7")])
def test_a_class_that_is_a_number(kind, shown, tmp_path):
    (found,) = read_features(tmp_path, feature(0, 0, 5, classification=kind))
    assert [each.kind for each in found.objects] == [shown]
    assert to_labels(found, (5, 7))[2].kinds == {shown: 1}


CELLS = (feature(1, 1, 2, objectType="cell"), feature(4, 1, 2, objectType="detection"))
PARENT = feature(0, 0, 7, objectType="annotation")


@pytest.mark.parametrize(
    ("features", "kept"),
    [
        ((PARENT, *CELLS), 2),
        ((feature(8, 8, 3, objectType="annotation"), PARENT, *CELLS), 3),  # a cell that was drawn beside those detected
        ((feature(0, 0, 7, objectType="annotation", frame=1), *CELLS), 3),  # of another frame
        ((PARENT, PARENT), 2),  # cells that were drawn
        ((feature(0, 0, 7, objectType="annotation", classification={"name": "Region*"}), *CELLS), 3),
        ((feature(0, 0, 7, objectType="annotation", classification={"name": "Tumor"}), *CELLS), 3),
        ((feature(0, 0, 7, objectType="tmaCore"), PARENT), 1),
        ((feature(0, 0, 7, objectType="tile"), *CELLS), 2),
        ((feature(0, 0, 7, objectType="tile", classification={"name": "Ignore*"}), *CELLS), 3),
        (({**feature(0, 0, 7), "id": "TMACoreObject"}, {**feature(1, 1, 2), "id": "PathCellObject"}), 1),
    ],
)
def test_what_holds_cells_is_no_cell(features, kept, tmp_path):
    first, *others = read_features(tmp_path, *features)
    assert len(first.objects) + sum(len(each.objects) for each in others) == kept
    count = len(features) - kept
    what = "tiles, TMA cores and annotations without a class around cells"
    assert first.note == (f"a.geojson: {what}, left out: {count}" if count else "")


@pytest.mark.parametrize(
    ("frames", "expected"), [([0], [0]), ([0, 0], [0]), ([None], [None]), ([None, 0], [0]), ([0, 2], [0, 2]), ([], [0])]
)
def test_frames_that_are_stated(frames, expected, tmp_path):
    features = [feature(0, 0, 2, **({} if frame is None else {"frame": frame})) for frame in frames]
    assert [each.frame for each in read_features(tmp_path, *features)] == expected


def test_a_plain_list_of_features(tmp_path):
    (found,) = read_all("geojson", write_json(tmp_path / "a.geojson", QUPATH["features"]))
    assert len(found.objects) == 2


def test_a_single_feature(tmp_path):
    feature = QUPATH["features"][0]
    for content in (feature, dict(reversed(feature.items()))):
        (found,) = read_all("geojson", write_json(tmp_path / "a.geojson", content))
        assert len(found.objects) == 1


def test_a_mark_of_utf_8_at_the_beginning(tmp_path):
    path = write_json(tmp_path / "a.geojson", QUPATH)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (found,) = read_all("geojson", path)
    assert len(found.objects) == 2


@pytest.mark.parametrize(
    "text", ['{"features": [{"geometry"', '{"features": [{"geometry": {"type": "Polygon", "coordinates": [[1, 2]]}}]}', "PK"]
)
def test_damaged_files(text, tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text(text)
    if text == "PK":
        path = path.rename(tmp_path / "a.geojson.gz")
    with pytest.raises(DataError, match=r"a\.geojson.*: cannot be read as GeoJSON \(.+\); export it again"):
        read_all("geojson", path)


def test_features_must_be_a_list(tmp_path):
    (found,) = read_all("geojson", write_json(tmp_path / "a.geojson", {"features": []}))
    assert found.objects == ()
    for content in ({"features": "x"}, {"type": "Feature"}):
        with pytest.raises(DataError, match=r"\(features must be a list, "):
            read_all("geojson", write_json(tmp_path / "a.geojson", content))
    path = write_json(tmp_path / "a.geojson", {"features": [{"a": 1}]})
    path.write_text('{"features":' + "[" * 200)
    with pytest.raises(DataError, match="nested too deeply, more than 100 levels"):
        read_all("geojson", path)
