"""Label images of a folder, in other formats."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.base import LabelledPlane
from livecell_monai.exchange.exporting import export_labels, list_label_images
from tests.support.annotated import HIGH, MIXED, read_all, to_labels, write_labels, write_planes


def save(folder, **images):
    folder.mkdir(exist_ok=True)
    for name, labels in images.items():
        tifffile.imwrite(folder / f"{name}.tif", labels, photometric="minisblack", metadata={"axes": "TYX"[-labels.ndim :]})
    return folder


def test_all_formats_of_a_prediction(tmp_path):
    masks = ((MIXED > 0) * 255).astype(np.uint8)
    result = save(tmp_path / "masks", a=masks, b=masks, a_cells=MIXED.astype(np.uint16), b_cells=HIGH)
    done = export_labels(result, tmp_path / "out", ["roi", "geojson", "coco", "omezarr"])
    names = ["coco.json", *(f"{name}{end}" for name in "ab" for end in (".zip", ".geojson", "_cells.ome.zarr"))]
    assert sorted(done.files) == sorted(names) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert (done.images, done.cells) == (2, 12)
    (found,) = read_all("geojson", tmp_path / "out" / "b.geojson")
    np.testing.assert_array_equal(to_labels(found, HIGH.shape)[0], HIGH)


def test_a_movie(tmp_path):
    stack = np.stack([MIXED, MIXED * 0, MIXED]).astype(np.uint16)
    result = save(tmp_path / "masks", film_cells=stack)
    export_labels(result, tmp_path / "out", ["ctc", "geojson"])
    assert len(list((tmp_path / "out" / "film_RES").iterdir())) == 4
    assert [each.frame for each in read_all("geojson", tmp_path / "out" / "film.geojson")] == [0, 2]


def test_measurements_are_looked_up_for_formats_that_hold_them(tmp_path):
    """Not of tracks, whose ids are not those of the cells that were measured."""
    asked = []

    def find(name, frame, labels):
        asked.append((name, frame, int(labels.max())))
        return {1: {"Area px^2": 17.0}}

    result = save(tmp_path / "masks", a_cells=MIXED.astype(np.uint16), film_cells=np.stack([MIXED, MIXED]).astype(np.uint16))
    export_labels(result, tmp_path / "rois", ["roi"], find)
    assert not asked
    export_labels(result, tmp_path / "out", ["geojson", "roi"], find)
    assert asked == [("a", None, 7), ("film", 0, 7), ("film", 1, 7)]
    features = json.loads((tmp_path / "out" / "a.geojson").read_text())["features"]
    assert [feature["properties"].get("measurements") for feature in features] == [{"Area px^2": 17}, *[None] * 5]
    save(tmp_path / "film", **{"tracks.ome": np.stack([MIXED, MIXED]).astype(np.uint16)})
    export_labels(tmp_path / "film", tmp_path / "tracked", ["geojson"], find)
    assert len(asked) == 3


def test_label_images_of_a_folder(tmp_path):
    folder = save(tmp_path / "x", a_cp_masks=MIXED, b=MIXED)
    assert {name: path.name for name, path in list_label_images(folder).items()} == {"a": "a_cp_masks.tif", "b": "b.tif"}
    assert list(list_label_images(folder / "b.tif")) == ["b"]
    save(folder, a=MIXED)  # the image
    assert list_label_images(folder)["a"].name == "a_cp_masks.tif"
    save(folder, c_cells=MIXED)
    assert {name: path.name for name, path in list_label_images(folder).items()} == {"c": "c_cells.tif"}


def test_tracked_movies(tmp_path):
    stack = np.stack([MIXED, MIXED]).astype(np.uint16)
    save(tmp_path / "film", **{"tracks.ome": stack})
    for source in (tmp_path, tmp_path / "film"):
        assert list_label_images(source) == {"film": tmp_path / "film" / "tracks.ome.tif"}
    export_labels(tmp_path / "film", tmp_path / "out", ["ctc"])
    lines = (tmp_path / "out" / "film_RES" / "res_track.txt").read_text().splitlines()
    assert lines == [f"{number} 0 1 0" for number in (1, 2, 3, 4, 5, 7)]
    write_planes("ctc", tmp_path / "film" / "ctc", [LabelledPlane("film", MIXED)])
    (tmp_path / "film" / "ctc" / "res_track.txt").write_text("1 0 0 0\n2 1 1 1\n")
    export_labels(tmp_path / "film", tmp_path / "again", ["ctc", "roi"])
    assert (tmp_path / "again" / "film_RES" / "res_track.txt").read_text() == "1 0 0 0\n2 1 1 1\n"
    assert [(each.frame, each.name) for each in read_all("roi", tmp_path / "again" / "film.zip")] == [
        (0, "film"),
        (1, "film"),
    ]


def test_label_images_in_ome_zarr(tmp_path):
    folder = save(tmp_path / "x", b=(MIXED > 0) * np.uint8(255))
    write_labels("omezarr", folder, MIXED)
    (folder / "a_cells.ome.zarr").rename(folder / "a.ome.zarr")  # as large images are written
    assert list_label_images(folder) == {"a": folder / "a.ome.zarr" / "labels" / "cells"}
    write_labels("omezarr", folder, MIXED)  # as `export` writes them
    assert list_label_images(folder) == {"a": folder / "a_cells.ome.zarr" / "labels" / "cells"}
    save(folder, a_cells=MIXED)
    assert list_label_images(folder) == {"a": folder / "a_cells.tif"}
    assert export_labels(folder / "a.ome.zarr", tmp_path / "out", ["roi"]).cells == 6


@pytest.mark.parametrize(
    ("labels", "formats", "kind", "text"),
    [
        (MIXED / np.float32(3), ["roi"], DataError, r"labels must be whole numbers, got 0\.3"),
        (MIXED, ["roi", "dxf"], SettingError, "must list some of roi"),
        (HIGH, ["roi", "ctc"], DataError, "at most 65,535 ids"),
    ],
)
def test_nothing_is_left_after_an_error(labels, formats, kind, text, tmp_path):
    result = save(tmp_path / "in", a=labels)
    with pytest.raises(kind, match=text):
        export_labels(result, tmp_path / "out", formats)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_pixels_that_are_not_annotated_are_no_cell(tmp_path):
    result = save(tmp_path / "in", a=MIXED.astype(np.int16) - 1)
    assert export_labels(result, tmp_path / "out", ["ctc", "omezarr"]).cells == 5
    expected = np.where(MIXED > 0, MIXED - 1, 0)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a_RES" / "mask000.tif"), expected)
    (found,) = read_all("omezarr", tmp_path / "out" / "a_cells.ome.zarr")
    np.testing.assert_array_equal(found.labels, expected)


def test_ids_that_32_bits_do_not_hold_are_new(tmp_path):
    result = save(tmp_path / "in", a=np.where(MIXED == 7, np.uint64(2**32 + 1), MIXED.astype(np.uint64)))
    done = export_labels(result, tmp_path / "out", ["omezarr"])
    assert done.notes == ["a.tif has ids of 2^32 or more: its cells have got new ones, 1, 2, 3 ..."]
    (found,) = read_all("omezarr", tmp_path / "out" / "a_cells.ome.zarr")
    np.testing.assert_array_equal(found.labels, np.where(MIXED == 7, 6, MIXED))


@pytest.mark.parametrize("axes", ["YX", "TYX"])
def test_ids_of_a_file_whose_zero_means_white_stay(axes, tmp_path):
    ids = np.stack([MIXED, MIXED])[-1 if axes == "YX" else ...].astype(np.uint8)
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", ids, photometric="miniswhite", metadata={"axes": axes})
    export_labels(tmp_path / "in", tmp_path / "out", ["omezarr"])
    for found in read_all("omezarr", tmp_path / "out" / "a_cells.ome.zarr"):
        np.testing.assert_array_equal(found.labels, MIXED)


def test_ids_of_a_palette_stay(tmp_path):
    picture = Image.fromarray(MIXED.astype(np.uint8), "L")
    picture.putpalette([0, 0, 0, *range(21)])
    (tmp_path / "in").mkdir()
    picture.save(tmp_path / "in" / "a.png")
    export_labels(tmp_path / "in", tmp_path / "out", ["ctc"])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a_RES" / "mask000.tif"), MIXED)


BLOBS = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
NOTE = "is a mask of one value: its 3 separate parts are taken as cells"


@pytest.mark.parametrize(
    "mask", [BLOBS > 0, BLOBS.astype(np.uint8), (BLOBS * 255).astype(np.uint8), BLOBS.astype(np.uint16)]
)
def test_separate_parts_of_a_mask_are_cells(mask, tmp_path):
    done = export_labels(save(tmp_path / "in", a=mask), tmp_path / "out", ["omezarr"])
    assert (done.cells, done.notes) == (3, [f"a.tif {NOTE}"])
    (found,) = read_all("omezarr", tmp_path / "out" / "a_cells.ome.zarr")
    np.testing.assert_array_equal(found.labels, [[1, 0, 2, 0], [1, 0, 0, 0], [0, 0, 0, 3]])


def test_a_movie_is_a_mask_only_if_all_its_frames_are(tmp_path):
    masks = np.stack([BLOBS, BLOBS * 0, BLOBS]).astype(np.uint16)
    done = export_labels(save(tmp_path / "masks", a=masks), tmp_path / "a", ["roi"])
    assert (done.cells, done.notes) == (6, [f"a.tif, frame {frame}, {NOTE}" for frame in (0, 2)])
    done = export_labels(save(tmp_path / "ids", a=np.stack([BLOBS, BLOBS * 2]).astype(np.uint16)), tmp_path / "b", ["roi"])
    assert (done.cells, done.notes) == (2, [])
    done = export_labels(save(tmp_path / "tracks", **{"tracks.ome": masks}), tmp_path / "c", ["roi"])
    assert (done.cells, done.notes) == (2, [])


@pytest.mark.parametrize("names", [("a_mask", "a_masks"), ("a", "a.ome"), ("a_cells", "a_cells.ome")])
def test_two_label_images_of_one_image(names, tmp_path):
    result = save(tmp_path / "in", b=MIXED, **dict.fromkeys(names, MIXED))
    shown = " and ".join(rf"{name}\.tif" for name in sorted(names, key="{}.tif".format))
    with pytest.raises(DataError, match=f"must have one label image, a has two, {shown}; rename or remove one"):
        export_labels(result, tmp_path / "out", ["coco"])


def test_a_folder_without_label_images(tmp_path):
    with pytest.raises(DataError, match="must hold label images, found none"):
        list_label_images(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        list_label_images(tmp_path / "absent")
