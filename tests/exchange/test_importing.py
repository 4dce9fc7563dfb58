"""Data folders of annotations."""

import json

import numpy as np
import pytest
import roifile
import tifffile

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.base import LabelledPlane
from livecell_monai.exchange.importing import describe_import, import_annotations
from livecell_monai.exchange.registry import FORMATS
from tests.support.annotated import MIXED, write_labels, write_planes

WRITTEN = [name for name, form in FORMATS.items() if form.writer]


@pytest.fixture
def images(tmp_path):
    """A folder with the image of MIXED, and another one."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in "ab":
        tifffile.imwrite(folder / f"{name}.tif", np.arange(49, dtype=np.uint8).reshape(7, 7))
    return folder


def write_features(path, *features):
    """GeoJSON of squares (left, top, size, class)."""
    listed = []
    for left, top, size, kind in features:
        ring = [[left, top], [left + size, top], [left + size, top + size], [left, top + size], [left, top]]
        properties = {"classification": {"name": kind}} if kind else {}
        listed.append({"geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties})
    path.write_text(json.dumps({"features": listed}))
    return path


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_exported_is_imported(name, images, tmp_path):
    source = tmp_path / "exported"
    source.mkdir()
    write_labels(name, source, MIXED)
    done = import_annotations(source, images, tmp_path / "cells")
    (sample,) = list_samples(tmp_path / "cells", "train")
    assert sample.label is not None
    np.testing.assert_array_equal(tifffile.imread(sample.label), MIXED)
    assert sample.image.read_bytes() == (images / "a.tif").read_bytes()
    assert not (tmp_path / "cells" / "train" / "ignore").exists()
    assert list(describe_import(done, images)) == [f"images of {images} without an annotation, left out: 1 (b.tif)"]


def test_frames_of_a_movie(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    movie = np.arange(147, dtype=np.uint8).reshape(3, 7, 7)
    tifffile.imwrite(images / "a.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    planes = [LabelledPlane("a", MIXED * (frame > 0), frame, 3) for frame in range(3)]
    write_planes("geojson", tmp_path / "a.geojson", planes)
    import_annotations(tmp_path / "a.geojson", images, tmp_path / "cells")
    samples = list_samples(tmp_path / "cells", "train")
    assert [sample.name for sample in samples] == ["a_t0001", "a_t0002"]
    np.testing.assert_array_equal(tifffile.imread(samples[0].image), movie[1])


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("frames", [[1, 0, 0], [0, 0, 0]])
def test_a_movie_with_cells_in_its_first_frame_or_in_none(frames, name, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    tifffile.imwrite(images / "a.tif", np.zeros((3, 7, 7), np.uint8), photometric="minisblack", metadata={"axes": "TYX"})
    planes = [LabelledPlane("a", MIXED * has_cells, frame, 3, is_linked=True) for frame, has_cells in enumerate(frames)]
    source = tmp_path / "exported"
    source.mkdir()
    write_planes(name, source / FORMATS[name].target.format(name="a"), planes)
    done = import_annotations(source, images, tmp_path / "cells")
    first = tifffile.imread(tmp_path / "cells" / "train" / "labels" / "a_t0000.tif")
    np.testing.assert_array_equal(first, MIXED * frames[0])
    assert done.counts.images == (1 if name in ("roi", "geojson") else 3)


def test_rois_with_and_without_a_position_of_one_plane(images, tmp_path):
    square = np.array([(0, 0), (2, 0), (2, 2), (0, 2)], float)
    rois = [roifile.ImagejRoi.frompoints(square + 3 * position, name=str(position + 1)) for position in range(2)]
    rois[1].position = 1
    roifile.roiwrite(tmp_path / "a.zip", rois)
    import_annotations(tmp_path / "a.zip", images, tmp_path / "cells")
    labels = tifffile.imread(tmp_path / "cells" / "train" / "labels" / "a.tif")
    assert np.unique(labels, return_counts=True)[1].tolist() == [41, 4, 4]


@pytest.mark.parametrize("name", WRITTEN)
def test_frames_that_are_files(name, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for frame in range(2):
        tifffile.imwrite(images / f"a_01_t{frame:04}.tif", np.full((7, 7), frame, np.uint8))
    planes = [LabelledPlane("a_01", MIXED * (frame < MIXED), frame, 2, is_linked=True) for frame in range(2)]
    source = tmp_path / "exported"
    source.mkdir()
    write_planes(name, source / FORMATS[name].target.format(name="a_01"), planes)
    done = import_annotations(source, images, tmp_path / "cells")
    assert (done.counts.images, done.absent, done.unannotated) == (2, 0, [])
    for sample, plane in zip(list_samples(tmp_path / "cells", "train"), planes, strict=True):
        assert sample.label is not None
        np.testing.assert_array_equal(tifffile.imread(sample.label), plane.labels)


def test_parts_without_annotation_and_an_image_without_cells(images, tmp_path):
    source = tmp_path / "s"
    source.mkdir()
    write_features(source / "a.geojson", (0, 0, 2, ""), (0, 0, 4, "Region*"), (3, 3, 1, "Ignore"))
    write_features(source / "b.geojson")
    done = import_annotations(source, images, tmp_path / "cells")
    folder = tmp_path / "cells" / "train"
    expected = np.full((7, 7), 255)
    expected[:4, :4] = 0
    expected[3, 3] = 255
    np.testing.assert_array_equal(tifffile.imread(folder / "ignore" / "a.tif"), expected)
    assert [path.name for path in (folder / "ignore").iterdir()] == ["a.tif"]
    assert tifffile.imread(folder / "labels" / "b.tif").max() == 0
    assert (done.counts.images, done.counts.cells) == (2, 1)
    assert list(describe_import(done, images)) == ["images that are annotated in part, see train/ignore: 1"]


def test_masks_of_cellpose_beside_the_images(images, tmp_path):
    tifffile.imwrite(images / "a_cp_masks.tif", MIXED)
    done = import_annotations(images, images, tmp_path / "cells")
    (sample,) = list_samples(tmp_path / "cells", "train")
    assert sample.name == "a"
    assert done.unannotated == [images / "b.tif"]


def test_one_of_several_formats(images, tmp_path):
    source = tmp_path / "s"
    source.mkdir()
    for name in ("roi", "geojson"):
        write_labels(name, source, MIXED)
    assert import_annotations(source, images, tmp_path / "cells", form_name="roi").titles == ["ImageJ ROIs"]


def test_what_did_not_fit_is_said(images, tmp_path):
    features = ((0, 0, 4, ""), (1, 1, 2, ""), (1, 1, 2, ""), (6, 6, 3, ""), (20, 20, 3, ""))
    done = import_annotations(write_features(tmp_path / "a.geojson", *features), images, tmp_path / "cells")
    lines = list(describe_import(done, images))
    assert lines[:4] == [
        "overlapping cells: 3, pixels: 4; each goes to the smallest cell, of equally large ones to the first",
        "cells that others cover entirely, left out: 1",
        "objects that reach out of their image, cut off at its border: 2",
        "cells that cover no pixel of their image, left out: 1",
    ]


def test_several_classes_must_be_chosen(images, tmp_path):
    path = write_features(tmp_path / "a.geojson", (0, 0, 2, "Tumor"), (2, 0, 2, "Debris"), (4, 0, 2, "Tumor"), (0, 4, 1, ""))
    with pytest.raises(SettingError, match=r"Tumor \(2\), Debris \(1\), none \(1\); name those that are.*--class 'Tumor'"):
        import_annotations(path, images, tmp_path / "cells")
    with pytest.raises(SettingError, match=r"--class must name classes of .*, got 'Tumour'; it has Tumor \(2\)"):
        import_annotations(path, images, tmp_path / "cells", ["Tumour"])
    assert not (tmp_path / "cells").exists()
    done = import_annotations(path, images, tmp_path / "cells", ["Tumor", "none"])
    assert done.counts.cells == 3


def test_images_of_a_file_of_many_may_be_missing(images, tmp_path):
    planes = [LabelledPlane(name, MIXED) for name in ("a", "x", "y")]
    path = write_planes("coco", tmp_path / "coco.json", planes)
    done = import_annotations(path, images, tmp_path / "cells")
    assert (done.counts.images, done.absent) == (1, 2)
    (images / "a.tif").rename(images / "c.tif")
    with pytest.raises(DataError, match=r"must annotate images of .*, found none of them"):
        import_annotations(path, images, tmp_path / "more")


def test_bad_input_leaves_nothing(images, tmp_path):
    before = {path.name for path in tmp_path.iterdir()}
    cases = (
        ("roi", "x", MIXED, "an annotation must have an image of the same name, found no x in"),
        ("coco", "a", MIXED[:5], r"must be of the size of its image a.tif \(Y x X\), got 5 x 7 for 7 x 7"),
        ("ctc", "a", MIXED[:, :5], "got 7 x 5 for 7 x 7"),
    )
    for name, image, labels, text in cases:
        source = tmp_path / f"from_{name}"
        source.mkdir()
        write_labels(name, source, labels, image)
        with pytest.raises(DataError, match=text):
            import_annotations(source, images, tmp_path / "cells")
    assert {path.name for path in tmp_path.iterdir()} == before | {"from_roi", "from_coco", "from_ctc"}


def test_an_image_with_channels(images, tmp_path):
    stack = np.zeros((2, 7, 7), np.uint8)
    tifffile.imwrite(images / "a.tif", stack, ome=True, photometric="minisblack", metadata={"axes": "CYX"})
    with pytest.raises(DataError, match="must be one grey plane, or frames of it, got axes T 1, C 2, Z 1"):
        import_annotations(write_labels("roi", tmp_path, MIXED), images, tmp_path / "cells")
