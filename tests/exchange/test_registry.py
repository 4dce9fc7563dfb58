"""What all formats have in common: labels written and read back are the same pixels."""

import json
import zipfile

import numpy as np
import pytest
import roifile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.base import LabelledPlane
from livecell_monai.exchange.registry import FORMATS, find_format, find_sources, find_writers
from tests.support.annotated import HIGH, MIXED, read_all, to_labels, write_labels, write_planes

WRITTEN = [name for name, form in FORMATS.items() if form.writer]
OUTLINED = ["roi", "geojson", "coco"]


@pytest.mark.parametrize("name", WRITTEN)
def test_labels_come_back(name, tmp_path):
    (found,) = read_all(name, write_labels(name, tmp_path, MIXED))
    labels, outside, counts = to_labels(found, MIXED.shape)
    np.testing.assert_array_equal(labels, MIXED)
    assert labels.dtype == np.uint16
    assert outside is None
    assert (found.name, counts.cells, counts.overlap_pixels, counts.clipped, counts.repaired) == ("a", 6, 0, 0, 0)


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "ctc"])
def test_ids_above_16_bits_come_back(name, tmp_path):
    (found,) = read_all(name, write_labels(name, tmp_path, HIGH))
    labels, _, _ = to_labels(found, HIGH.shape)
    np.testing.assert_array_equal(labels, HIGH)
    assert labels.dtype == np.uint32


@pytest.mark.parametrize("name", WRITTEN)
def test_an_image_without_cells_comes_back(name, tmp_path):
    (found,) = read_all(name, write_labels(name, tmp_path, MIXED * 0))
    labels, _, counts = to_labels(found, MIXED.shape)
    assert not labels.any()
    assert counts.cells == 0


@pytest.mark.parametrize("name", WRITTEN)
def test_a_movie_comes_back_frame_by_frame(name, tmp_path):
    stack = [MIXED * (MIXED != 7), MIXED * (MIXED == 7), MIXED]
    planes = [LabelledPlane("a", labels, frame, 3, is_linked=True) for frame, labels in enumerate(stack)]
    found = read_all(name, write_planes(name, tmp_path / FORMATS[name].target.format(name="a"), planes))
    assert [each.frame for each in found] == [0, 1, 2]
    assert {each.name for each in found} == {"a"}
    for each, labels in zip(found, stack, strict=True):
        np.testing.assert_array_equal(to_labels(each, labels.shape)[0], labels)


@pytest.mark.parametrize("name", OUTLINED)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_labels_come_back(name, tmp_path_factory, data):
    shape = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    labels = data.draw(arrays(np.uint32, shape, elements=st.sampled_from([0, 1, 2, 2, 65_536])))
    (found,) = read_all(name, write_labels(name, tmp_path_factory.mktemp("any"), labels))
    np.testing.assert_array_equal(to_labels(found, shape)[0], labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTLINED)
def test_20_000_objects_come_back(name, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.kron(np.arange(20_000).reshape(100, 200) + 60_000, np.ones((3, 3), int)) * (rng.random((300, 600)) < 0.97)
    (found,) = read_all(name, write_labels(name, tmp_path, labels))
    back, _, counts = to_labels(found, labels.shape)
    assert counts.cells == 20_000
    np.testing.assert_array_equal(back, labels)


def test_formats_are_named_in_words():
    with pytest.raises(SettingError, match=r"--format must list some of roi, geojson, coco, ctc, omezarr.*got 'shp'"):
        find_writers(["roi", "shp"])
    with pytest.raises(SettingError, match="got none"):
        find_writers([])
    with pytest.raises(SettingError, match="got 'cvat'"):  # only read
        find_writers(["cvat"])
    assert [form.name for form in find_writers(["coco", "roi", "coco"])] == ["coco", "roi"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"version": "5.4", "shapes": []}, "labelme"),
        ({"info": {"images": 1}, "images": [], "annotations": []}, "coco"),
        ({"type": "FeatureCollection", "features": []}, "geojson"),
        ([{"type": "Feature"}], "geojson"),
        ([{"id": 1, "geometry": None}, 2], "geojson"),
        ([], "geojson"),
        ({"item": 1, "features": []}, "geojson"),
    ],
)
def test_json_files_are_told_apart(content, name, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    form = find_format(path)
    assert form is not None
    assert form.name == name


OTHERS = {
    "[1, 2]": "list",
    '[{"name": "x"}, {"geometry": 1}]': "table",
    '{"a": 1, ': "settings",
    "": "empty",
    "[" * 200: "deep",
}


@pytest.mark.parametrize("wanted", [None, "roi", "geojson"])
def test_other_files_in_a_folder_are_no_annotations(wanted, tmp_path):
    for text, name in OTHERS.items():
        (tmp_path / f"{name}.json").write_text(text)
    with zipfile.ZipFile(tmp_path / "backup.zip", "w") as file:
        file.writestr("notes.txt", "x")
    expected = "a.geojson" if wanted == "geojson" else "a.roi"
    (tmp_path / expected).touch()
    assert [path.name for _, path in find_sources(tmp_path, wanted)] == [expected]


def test_a_broken_file_is_named_where_there_is_no_other(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1, ')
    with pytest.raises(DataError, match=r"a\.json: cannot be read as JSON \(the file ends too early\)"):
        find_sources(tmp_path)
    with pytest.raises(DataError, match="found none of roi"):
        find_sources(tmp_path, "roi")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("annotations.xml", "x")
    with pytest.raises(DataError, match=r"a\.zip: a zip must hold ROIs, got annotations\.xml; unpack it"):
        find_sources(tmp_path, "roi")


def test_an_image_beside_its_broken_annotation_is_no_label_image(tmp_path):
    for name in ("a.tif", "settings.json"):
        (tmp_path / name).touch()
    assert [path.name for _, path in find_sources(tmp_path)] == ["a.tif"]
    (tmp_path / "a.json").touch()
    with pytest.raises(DataError, match=r"a\.json: cannot be read as JSON \(the file is empty\)"):
        find_sources(tmp_path)


def test_annotations_are_found(tmp_path):
    for name in ("b.zip", "a.zip", "a.png", ".hidden.zip", "notes.txt"):
        (tmp_path / name).touch()
    assert [(form.name, path.name) for form, path in find_sources(tmp_path)] == [("roi", "a.zip"), ("roi", "b.zip")]


def test_a_format_is_chosen(tmp_path):
    for name in ("a.zip", "b.geojson", "a.png"):
        (tmp_path / name).touch()
    for name, expected in (("roi", "a.zip"), ("geojson", "b.geojson"), ("labels", "a.png")):
        assert [path.name for _, path in find_sources(tmp_path, name)] == [expected]
    (tmp_path / "c_cells.zarr").mkdir()
    for name in ("omezarr", "omezarr-0.4"):  # as `export` names them; the file states its version
        assert [path.name for _, path in find_sources(tmp_path, name)] == ["c_cells.zarr"]
    with pytest.raises(DataError, match="found none of coco"):
        find_sources(tmp_path, "coco")
    with pytest.raises(SettingError, match=r"--format must be one of roi, .*labels, got 'shp'"):
        find_sources(tmp_path, "shp")


def test_label_images_beside_their_images(tmp_path):
    for name in ("a.tif", "b.tif", "a_cp_masks.png"):
        (tmp_path / name).touch()
    assert [path.name for _, path in find_sources(tmp_path)] == ["a_cp_masks.png"]


def test_rois_of_cellpose_and_its_label_images(tmp_path):
    for name in ("a.tif", "a_cp_masks.png", "a_rois.zip"):
        (tmp_path / name).touch()
    assert [path.name for _, path in find_sources(tmp_path)] == ["a_cp_masks.png"]
    assert [path.name for _, path in find_sources(tmp_path, "roi")] == ["a_rois.zip"]
    (tmp_path / "a_cp_masks.png").rename(tmp_path / "b_cp_masks.png")
    assert [path.name for _, path in find_sources(tmp_path)] == ["a_rois.zip"]


@pytest.mark.parametrize("name", ["a.ome.roi", "a_rois.zip", "a.ome.geojson", "a.ome.json"])
def test_names_of_files_of_other_programs(name, tmp_path):
    if name.endswith("json"):
        (tmp_path / name).write_text('{"features": [], "shapes": []}')
    else:
        rois = [roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, right=2, bottom=2, name="1")]
        roifile.roiwrite(tmp_path / name, rois if name.endswith("zip") else rois[0])
    for form in ("geojson", "labelme") if name.endswith("json") else ("roi",):
        assert read_all(form, tmp_path / name)[0].name == "a"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["notes.txt"], "must hold annotations, found none of roi"),
        (["a.zip", "b.geojson"], "must be of one format, got a.zip and b.geojson; choose by --format"),
        (["a_seg.npy"], "is a pickle, which may run a program when it is read.*Save masks as PNG/tif"),
    ],
)
def test_folders_without_annotations(names, text, tmp_path):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=text):
        find_sources(tmp_path)


def test_files_that_are_no_annotations(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        find_sources(tmp_path / "absent")
    for name, text in (("a.txt", "must be annotations, such as .zip"), ("a_seg.npy", "is a pickle"), ("a.json", "as JSON")):
        (tmp_path / name).write_text("{")
        with pytest.raises(DataError, match=text):
            find_sources(tmp_path / name)
