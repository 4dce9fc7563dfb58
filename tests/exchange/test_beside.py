"""Annotations beside their images, as a data folder."""

import json
import os
import re
import shutil
import unicodedata
import zipfile

import numpy as np
import pytest
import tifffile

from livecell_monai.data.dataset.folder import has_role, list_samples, name_data
from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.base import LabelledPlane
from livecell_monai.exchange.beside import RECORD, find_beside, prepared_data
from tests.support.annotated import MIXED, write_labels, write_planes

IMAGE = np.arange(49, dtype=np.uint8).reshape(7, 7)
SHAPES = {
    "shapes": [{"label": "", "shape_type": "rectangle", "points": [[0, 0], [2, 2]]}],
    "imageHeight": 7,
    "imageWidth": 7,
}
BOX = '<box label="" xtl="0" ytl="0" xbr="2" ybr="2"/>'
CVAT = f'<annotations><image name="a.tif" width="7" height="7">{BOX}</image></annotations>'
SQUARE = np.zeros((7, 7), np.uint16)
SQUARE[:2, :2] = 1


@pytest.fixture
def photos(tmp_path):
    """A folder with two images."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "ab":
        tifffile.imwrite(folder / f"{name}.tif", IMAGE)
    return folder


def annotate(folder, kind, image="a"):
    """Annotate an image by a file of a kind; returns the label image that it stands for."""
    if kind in ("roi", "geojson", "coco", "omezarr"):
        write_labels(kind, folder, MIXED, image)
        if kind == "coco":  # one file for one image
            (folder / f"{image}_coco.json").rename(folder / f"{image}.json")
        return MIXED
    if kind == "json":  # of QuPath, by another name
        annotate(folder, "geojson", image)
        (folder / f"{image}.geojson").rename(folder / f"{image}.json")
        return MIXED
    if kind in ("_masks", "_cp_masks"):
        tifffile.imwrite(folder / f"{image}{kind}.tif", MIXED)
        return MIXED
    name, text = (f"{image}.json", json.dumps(SHAPES)) if kind == "labelme" else ("job.xml", CVAT)
    (folder / name).write_text(text.replace("a.tif", f"{image}.tif"), encoding="utf-8")
    return SQUARE


def read(data, role="train"):
    return {sample.name: sample for sample in list_samples(data, role)}


@pytest.mark.parametrize("kind", ["roi", "geojson", "json", "coco", "omezarr", "_masks", "_cp_masks", "labelme", "cvat"])
def test_every_format_beside_its_image(kind, photos):
    assert find_beside(photos) is None
    expected = annotate(photos, kind)
    with prepared_data(photos) as prepared:
        (sample,) = read(prepared.path).values()
        np.testing.assert_array_equal(tifffile.imread(sample.label), expected)
        assert sample.image.read_bytes() == (photos / "a.tif").read_bytes()
        (other,) = read(prepared.path, "test").values()
        assert other.image.read_bytes() == (photos / "b.tif").read_bytes()
        assert name_data(prepared.path) == "photos"
    assert not prepared.path.exists()
    count = len(np.unique(expected)) - 1
    assert prepared.lines[0].startswith(f"{photos}: 1 image with {count} cells, annotated beside them by ")
    assert prepared.lines[0].endswith("; 1 without an annotation, which are test images")


@pytest.mark.parametrize("kind", ["roi", "geojson", "coco", "_masks", "labelme", "cvat"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_umlauts_of_another_system(form, kind, photos):
    other = "NFD" if form == "NFC" else "NFC"
    own, name = (unicodedata.normalize(each, "B\u00e4r") for each in (form, other))
    (photos / "a.tif").rename(photos / f"{own}.tif")
    annotate(photos, kind, name)
    with prepared_data(photos) as prepared:
        (sample,) = read(prepared.path).values()
        assert sample.name == "B\u00e4r"
        assert sample.image.read_bytes() == (photos / f"{own}.tif").read_bytes()


def test_an_image_with_a_label_image_of_its_own(photos):
    """An OME-Zarr is image and annotation at once."""
    write_labels("omezarr", photos, MIXED, "z")
    with prepared_data(photos) as prepared:
        assert list(read(prepared.path)) == ["z_cells"]
        assert list(read(prepared.path, "test")) == ["a", "b"]


def test_several_formats_and_what_did_not_fit(photos):
    annotate(photos, "roi")
    ring = [[5, 5], [9, 5], [9, 9], [5, 9], [5, 5]]
    crossed = [[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]]
    features = [{"geometry": {"type": "Polygon", "coordinates": [each]}} for each in (ring, crossed, ring)]
    (photos / "b.geojson").write_text(json.dumps({"features": features}))
    (photos / "notes.txt").write_text("x")
    (photos / "microscope.xml").write_text("<MetaData/>")
    with prepared_data(photos) as prepared:
        assert list(read(prepared.path)) == ["a", "b"]
        assert not has_role(prepared.path, "test")
    assert prepared.lines == [
        f"{photos}: 2 images with 8 cells, annotated beside them by ImageJ ROIs, GeoJSON; 2 overlap; 1 covered by others "
        "and left out; 2 cut off at the border; 1 repaired, whose outlines cross themselves",
        f"{photos}: skipped 2 files that are neither image nor annotation: microscope.xml, notes.txt",
    ]


def test_other_files_beside_annotations(photos):
    annotate(photos, "roi")
    (photos / "settings.json").write_text('{"a": 1, ')
    with zipfile.ZipFile(photos / "backup.zip", "w") as file:
        file.writestr("notes.txt", "x")
    with prepared_data(photos) as prepared:
        assert list(read(prepared.path)) == ["a"]
    assert prepared.lines[1].endswith("skipped 2 files that are neither image nor annotation: backup.zip, settings.json")


def test_rois_of_cellpose(photos):
    annotate(photos, "roi")
    (photos / "a.zip").rename(photos / "a_rois.zip")
    with prepared_data(photos) as prepared:
        assert list(read(prepared.path)) == ["a"]
        assert "by ImageJ ROIs" in prepared.lines[0]
    annotate(photos, "_cp_masks")
    with prepared_data(photos) as prepared:
        assert list(read(prepared.path)) == ["a"]
        assert "by label images" in prepared.lines[0]
        assert len(prepared.lines) == 1


def test_folders_are_named_like_those_of_plain_images(photos):
    annotate(photos, "roi")
    for folder, name in (("day1", "c.tif"), ("rois", "c.zip"), ("notes", "c.txt"), (".hidden", "c.tif")):
        (photos / folder).mkdir()
        (photos / folder / name).touch()
    with prepared_data(photos) as prepared:
        assert list(read(prepared.path, "test")) == ["b"]
    line = f"{photos}: skipped 2 folders with images or annotations: day1, rois; name folders one by one"
    assert prepared.lines[1:] == [line]


def test_folders_are_named_each_time(photos, tmp_path):
    annotate(photos, "roi")
    lines = []
    for _ in range(2):
        with prepared_data(photos, tmp_path / "model") as prepared:
            (tmp_path / "model").mkdir(exist_ok=True)
            (tmp_path / "model" / "x").touch()
        lines.append(prepared.lines[1:])
        (photos / "day1").mkdir(exist_ok=True)
        (photos / "day1" / "c.tif").touch()
    assert [len(each) for each in lines] == [0, 1]


def fail_in_a_transform(message):
    """As MONAI does."""
    try:
        raise DataError(message)
    except DataError as error:
        raise RuntimeError("a transform failed") from error


@pytest.mark.parametrize("with_output", [True, False])
def test_errors_name_the_files_of_the_user(photos, tmp_path, with_output):
    annotate(photos, "_masks")
    output = tmp_path / "model" if with_output else None
    named = {"images/a.tif": "a.tif", "labels/a.tif": "a_masks.tif"}
    for inner, own in named.items():
        with (
            pytest.raises(DataError, match=rf"^{re.escape(str(photos / own))}: is broken, see a\.tiff$"),
            prepared_data(photos, output) as prepared,
        ):
            fail_in_a_transform(f"{prepared.path / 'train' / inner}: is broken, see a.tiff")
        assert prepared.restate(str(prepared.path / "train" / inner)) == str(photos / own)
    assert prepared.restate(str(prepared.path / "test" / "images" / "b.tif")) == str(photos / "b.tif")
    with pytest.raises(RuntimeError, match="a bug"), prepared_data(photos, output):
        raise RuntimeError("a bug")


def test_frames_of_a_movie(photos):
    tifffile.imwrite(photos / "a.tif", np.stack([IMAGE] * 3), photometric="minisblack", metadata={"axes": "TYX"})
    planes = [LabelledPlane("a", MIXED * (frame > 0), frame, 3) for frame in range(3)]
    write_planes("geojson", photos / "a.geojson", planes)
    with prepared_data(photos, role="test") as prepared:
        assert list(read(prepared.path, "test")) == ["a_t0001", "a_t0002"]
        named = [prepared.restate(str(prepared.path / "test" / kind / "a_t0001.tif")) for kind in ("images", "labels")]
        assert named == [str(photos / "a.tif"), str(photos / "a.geojson")]
        assert not has_role(prepared.path, "train")
    assert prepared.lines[0].endswith("1 without an annotation, left out")


def test_beside_the_output_it_is_made_once(photos, tmp_path):
    annotate(photos, "roi")
    output = tmp_path / "model"

    def prepare():
        with prepared_data(photos, output) as prepared:
            output.mkdir(exist_ok=True)
            (output / "weights").touch()
        return prepared

    first = prepare()
    assert first.path == tmp_path / "model_data" / "photos"
    assert first.lines[0].endswith(f"; data folder: {first.path}")
    made = (first.path / RECORD).stat().st_ino
    assert prepare() == first
    os.utime(photos / "a.tif")
    assert prepare() == first
    assert (first.path / RECORD).stat().st_ino == made
    tifffile.imwrite(photos / "a.tif", IMAGE + 1)
    with pytest.raises(SettingError, match=r"must be those that .*model was made of, some have changed since"):
        prepare()
    assert tifffile.imread(read(first.path)["a"].image)[0, 0] == 0  # what the output was made of stays
    (output / "weights").unlink()
    assert tifffile.imread(read(prepare().path)["a"].image)[0, 0] == 1
    annotate(photos, "geojson", "b")
    (output / "weights").unlink()
    assert list(read(prepare().path)) == ["a", "b"]
    (output / "weights").unlink()
    (photos / "a.zip").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"a\.zip: cannot be read as ImageJ ROIs"):
        prepare()
    assert list(read(first.path)) == ["a", "b"]
    assert sorted(path.name for path in (tmp_path / "model_data").iterdir()) == ["photos"]


def test_a_command_that_writes_nothing_leaves_nothing(photos, tmp_path):
    annotate(photos, "roi")
    with prepared_data(photos, tmp_path / "model") as prepared:
        assert prepared.path.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_the_folder_of_somebody_else_is_kept(photos, tmp_path):
    annotate(photos, "roi")
    other = tmp_path / "model_data" / "photos"
    other.mkdir(parents=True)
    rule = r"has no annotations\.json; remove it, or name another --output"
    with pytest.raises(SettingError, match=rule), prepared_data(photos, tmp_path / "model"):
        pass
    assert other.is_dir()


@pytest.mark.parametrize("without", ["link", "nothing"])
def test_links_where_they_are_allowed(without, photos, tmp_path, monkeypatch):
    annotate(photos, "roi")

    def refuse(self, target):
        raise OSError("links need a privilege")

    if without == "link":
        monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    with prepared_data(photos) as prepared:
        found = read(prepared.path, "test")["b"].image
        assert found.is_symlink() == (without == "nothing")
        assert found.read_bytes() == (photos / "b.tif").read_bytes()


def test_data_folders_and_other_paths_are_left_as_they_are(photos, tmp_path):
    (tmp_path / "cells" / "train").mkdir(parents=True)
    shutil.copytree(photos, tmp_path / "cells", dirs_exist_ok=True)
    annotate(tmp_path / "cells", "roi")  # a data folder all the same
    for data in (photos, tmp_path / "cells", tmp_path / "list.json", tmp_path / "nowhere"):
        with prepared_data(data, tmp_path / "model") as prepared:
            assert (prepared.path, prepared.lines) == (data, [])
    with pytest.raises(
        DataError, match=r"or images with their annotations beside them \(a\.tif with a\.zip.*livecell import"
    ):
        list_samples(photos, "train")


@pytest.mark.parametrize(
    ("kind", "image", "text"),
    [
        (
            "roi",
            "x",
            "must have an image of the same name, found no x in .*; put the image there, or remove the annotation",
        ),
        ("_masks", "x", r"x_masks\.tif: an annotation must have an image of the same name, found no x in"),
        ("_masks", "A", r"A_masks\.tif: .* the name of a\.tif differs in upper and lower case only; rename one of the two"),
        ("size", "a", r"must be of the size of its image a\.tif \(Y x X\), got 5 x 7 for 7 x 7"),
        ("coco", "x", r"x\.json: must annotate images of .*, found none of them"),
        ("both", "a", "each image must have one annotation, a has two; remove one"),
        ("pickle", "a", "is a pickle, which may run a program"),
        ("classes", "a", r"several classes: Cell \(6\), Tumor \(1\); .*livecell import .* --class 'Cell'"),
    ],
)
def test_bad_input(kind, image, text, photos, tmp_path):
    if kind == "size":
        tifffile.imwrite(photos / "a_masks.tif", MIXED[:5])
    elif kind == "pickle":
        (photos / "a_seg.npy").touch()
    elif kind == "classes":
        annotate(photos, "geojson")
        feature = {
            "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
            "properties": {"classification": {"name": "Tumor"}},
        }
        (photos / "b.geojson").write_text(json.dumps({"features": [feature]}))
    elif kind == "both":
        annotate(photos, "roi", image)
        annotate(photos, "geojson", image)
    else:
        annotate(photos, kind, image)
    with pytest.raises((DataError, SettingError), match=text), prepared_data(photos, tmp_path / "model"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
