"""Finding the image of an annotation."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import DataError
from livecell_monai.exchange.base import AnnotatedObject, Annotation
from livecell_monai.exchange.matching import ImageFinder, check_folders, name_annotated


def make(folder, **frames):
    for name, count in frames.items():
        stack = np.zeros((count, 5, 6), np.uint8)
        tifffile.imwrite(folder / f"{name}.tif", stack, photometric="minisblack", metadata={"axes": "TYX"})
    return ImageFinder(sorted(folder.iterdir()), folder)


def find(finder, name, frame=None):
    path, index = finder.find(Annotation(Path("x.zip"), name, frame=frame))
    return path.name, index


def test_images_by_stem(tmp_path):
    finder = make(tmp_path, a=1, b=1)
    assert find(finder, "a") == ("a.tif", None)
    assert find(finder, "a", 0) == ("a.tif", None)
    assert finder.list_unused() == [tmp_path / "b.tif"]
    with pytest.raises(
        DataError, match=r"x\.zip: an annotation must have an image of the same name, found no c in .*; put the image there"
    ):
        find(finder, "c")
    with pytest.raises(DataError, match="found no a, frame 1, in"):
        find(finder, "a", 1)


@pytest.mark.parametrize(("image", "annotation"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_umlauts_of_another_system(image, annotation, tmp_path):
    name, other = (unicodedata.normalize(form, "B\u00e4r") for form in (image, annotation))
    finder = make(tmp_path, **{name: 1})
    assert name != other
    assert find(finder, other) == (f"{name}.tif", None)


def test_frames_of_a_movie(tmp_path):
    finder = make(tmp_path, a=3)
    assert find(finder, "a", 2) == ("a.tif", 2)
    for frame, text in ((3, "0 to 2, got frame 3"), (None, "0 to 2, got no frame")):
        with pytest.raises(DataError, match=text):
            find(finder, "a", frame)


def test_frames_that_are_files(tmp_path):
    finder = make(tmp_path, t000=1, t001=1, notes=1)
    assert find(finder, "01", 1) == ("t001.tif", None)
    assert not finder.has(Annotation(Path("x"), "01", frame=2))


@pytest.mark.parametrize(
    ("movie", "image"),
    [
        ("m1", "m1_t0003"),
        ("field_01", "field_01_t0003"),
        ("movie", "movie0003"),
        ("01", "01t003"),
        ("a-b", "a-b_frame_3"),
        ("any", "frame_12"),
        ("any", "12"),
    ],
)
def test_the_name_of_a_movie_and_the_number_of_a_frame(movie, image, tmp_path):
    frame = 12 if image.endswith("12") else 3
    finder = make(tmp_path, **{image: 1, "m10_t0003": 1, "B_t0003": 1})
    assert find(finder, movie, frame) == (f"{image}.tif", None)
    assert not finder.has(Annotation(Path("x"), movie, frame=frame + 1))


@pytest.mark.parametrize(
    ("movie", "frame", "image"),
    [
        ("B", 1, "A_t0001"),
        ("m1", 0, "m10"),
        ("m1", 3, "m10_t0003"),
        ("ca", 5, "cat5"),
        ("field", 3, "field_01_t0003"),
        ("a", None, "t000"),
    ],
)
def test_a_number_alone_does_not_name_the_image(movie, frame, image, tmp_path):
    assert not make(tmp_path, **{image: 1}).has(Annotation(Path("x"), movie, frame=frame))


def test_an_image_of_the_very_name_is_not_replaced_by_another(tmp_path):
    finder = make(tmp_path, a_1=1, a_3=1, a_3_1=1, t001=1)
    assert find(finder, "a_3", 0) == ("a_3.tif", None)
    with pytest.raises(
        DataError, match=r"found no a_3, frame 1, in .*: a_3\.tif has one frame; give the movie that was annotated"
    ):
        find(finder, "a_3", 1)


def test_a_label_movie_of_an_image_of_one_frame_with_its_own_ending(tmp_path):
    finder = make(tmp_path, a_masks=1)
    with pytest.raises(DataError, match=r"found no a, frame 1, in .*: a_masks\.tif has one frame"):
        finder.find(Annotation(Path("a_masks.tif"), "a_masks", frame=1))


def test_names_of_annotation_files():
    names = {
        "a.roi": "a",
        "a.ome.roi": "a",
        "a.OME.json": "a",
        "a.ome.geojson.gz": "a",
        "a_rois.zip": "a",
        "a.ome_rois.zip": "a",
        "rois.zip": "rois",
        "_rois.zip": "_rois",
    }
    assert {name: name_annotated(Path(name)) for name in names} == names
    assert name_annotated(Path("a_rois.zip"), {"a", "a_rois"}) == "a_rois"


def test_objects_without_a_frame_and_of_frame_0(tmp_path):
    finder = make(tmp_path, a=1, b=2)
    one, other = AnnotatedObject(kind="1"), AnnotatedObject(kind="2")

    def join(*annotations):
        return list(finder.join_planes(Annotation(Path("x"), *each) for each in annotations))

    def show(found):
        return [(each.name, each.frame, len(each.objects)) for each in found]

    (found,) = join(("a", (one,), None, None, None, 3), ("a", (other,), None, None, 0, 2))
    assert (found.objects, found.frame, found.without_area) == ((one, other), None, 5)
    assert show(join(("a", (one,), None, None, 0))) == [("a", None, 1)]
    assert show(join(("b", (one,)), ("b", (one,), None, None, 0))) == [("b", None, 1), ("b", 0, 1)]  # a movie
    assert show(join(("a", (one,)), ("a", (one,)))) == [("a", None, 1)] * 2  # two images of one name in a file of many
    assert show(join(("c", (one,), None, None, 0))) == [("c", 0, 1)]


def test_a_folder_named_twice(tmp_path):
    check_folders(tmp_path, tmp_path, 1)
    check_folders(tmp_path, tmp_path / "images", 0)
    with pytest.raises(DataError, match=r"--images are the same folder.*name label images NAME_masks\.tif, or name two"):
        check_folders(tmp_path, tmp_path / "x" / "..", 0)


def test_a_stem_of_two_files(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match="each image must have its own stem"):
        make(tmp_path, a=1)
