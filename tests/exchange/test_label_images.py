"""Label images of other programs."""

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from livecell_monai.errors import DataError
from livecell_monai.exchange.label_images import find_inner, name_labelled
from tests.support.annotated import HIGH, MIXED, read_all, write_labels


def test_names_of_programs(tmp_path):
    names = {
        "a_cp_masks.png": "a",
        "a_masks.tif": "a",
        "a_Labels.tif": "a",
        "a_cells.ome.tif": "a",
        "a.tif": "a",
        "_masks.tif": "_masks",
        "x_mask_2.tif": "x_mask_2",
        "a.ome_cp_masks.png": "a",
        "a.ome.png": "a.ome",
    }
    assert {name: name_labelled(tmp_path / name) for name in names} == names


def test_a_name_of_an_image_stays(tmp_path):
    tifffile.imwrite(tmp_path / "a_masks.tif", MIXED)
    assert read_all("labels", tmp_path / "a_masks.tif", ["a_masks"])[0].name == "a_masks"
    assert read_all("labels", tmp_path / "a_masks.tif", ["a"])[0].name == "a"


def test_the_name_of_a_movie_whose_frames_are_files(tmp_path):
    path = write_labels("omezarr", tmp_path, MIXED)
    for wanted, name in ((("a_t0000",), "a"), (("a_cells_t0000",), "a_cells"), (("x",), "a")):
        assert read_all("omezarr", path, wanted)[0].name == name


@pytest.mark.parametrize("labels", [HIGH, MIXED.astype(np.uint8), MIXED.astype(np.float32), MIXED.astype(np.int32) - 1])
def test_any_whole_numbers(labels, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", labels)
    (found,) = read_all("labels", tmp_path / "a.tif")
    np.testing.assert_array_equal(found.labels, labels)


def test_fractions_are_no_ids(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 5), 0.5, np.float32))
    with pytest.raises(DataError, match=r"a\.tif: labels must be whole numbers, got 0\.5; save the ids of the cells"):
        read_all("labels", tmp_path / "a.tif")


def test_separate_parts_of_a_mask_are_cells(tmp_path):
    mask = np.array([[255, 0, 255, 0], [0, 255, 0, 0], [0, 0, 0, 255]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", mask)
    (found,) = read_all("labels", tmp_path / "a.tif")
    assert found.labels.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 2]]
    assert found.note == "a.tif is a mask of one value: its 2 separate parts are taken as cells"
    tifffile.imwrite(tmp_path / "a.tif", mask[:2])
    (found,) = read_all("labels", tmp_path / "a.tif")
    assert (found.labels.max(), found.note) == (255, "")


@pytest.mark.parametrize("labels", [MIXED, np.stack([MIXED, MIXED[::-1]])])
def test_a_plain_zarr_array(labels, tmp_path):
    zarr.save_array(str(tmp_path / "a.zarr"), labels)
    found = read_all("omezarr", tmp_path / "a.zarr")
    assert [each.frame for each in found] == ([None] if labels.ndim == 2 else [0, 1])
    np.testing.assert_array_equal(np.stack([each.labels for each in found]).reshape(labels.shape), labels)


def test_a_folder_that_is_no_zarr(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(DataError, match="cannot be read as Zarr"):
        read_all("omezarr", tmp_path / "a.zarr")


def test_the_label_image_of_an_image(tmp_path):
    path = write_labels("omezarr", tmp_path, MIXED)
    assert find_inner(path) == path / "labels" / "cells"
    (path / "labels" / "nuclei").mkdir()
    assert find_inner(path) == path / "labels" / "cells"
    (path / "labels" / "cells").rename(path / "labels" / "other")
    with pytest.raises(DataError, match="with several label images, nuclei, other; name one"):
        find_inner(path)
    assert find_inner(tmp_path) is None


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_ids_of_a_file_whose_zero_means_white_stay(kind, tmp_path):
    tifffile.imwrite(tmp_path / "a_masks.tif", MIXED.astype(kind), photometric="miniswhite")
    (found,) = read_all("labels", tmp_path / "a_masks.tif", ["a"])
    assert np.array_equal(found.labels, MIXED.astype(kind))


def test_ids_of_a_movie_whose_zero_means_white_stay(tmp_path):
    movie = np.stack([MIXED, MIXED[::-1]]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a_masks.tif", movie, photometric="miniswhite", metadata={"axes": "TYX"})
    np.testing.assert_array_equal([each.labels for each in read_all("labels", tmp_path / "a_masks.tif")], movie)


@pytest.mark.parametrize("axis", ["c", "z"])
def test_no_plane_is_chosen_of_channels_or_depth(axis, tmp_path):
    """Of an OME-Zarr's label image, and of a movie."""
    path = write_labels("omezarr", tmp_path, MIXED)
    cells = zarr.open_group(str(path / "labels" / "cells"), mode="a")
    cells.create_array("0", data=np.stack([MIXED, MIXED[::-1]]), overwrite=True)
    metadata = cells.attrs["ome"]
    metadata["multiscales"][0]["axes"].insert(0, {"name": axis, "type": "channel" if axis == "c" else "space"})
    metadata["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"].insert(0, 1.0)
    cells.attrs["ome"] = metadata
    with pytest.raises(DataError, match=f"must have the axes T, Y, X, got {axis.upper()} 2, Y 7, X 7; save one channel"):
        read_all("omezarr", path)
    axes = {"c": "TCYX", "z": "TZYX"}[axis]
    tifffile.imwrite(tmp_path / "a.ome.tif", np.stack([[MIXED, MIXED]] * 3), metadata={"axes": axes})
    with pytest.raises(DataError, match=f"must have the axes T, Y, X, got T 3, .*{axis.upper()} 2, "):
        read_all("labels", tmp_path / "a.ome.tif")


@pytest.mark.parametrize("colour", [(0, 128, 0), (128, 128, 128)], ids=["coloured", "grey"])
def test_ids_of_a_palette_stay_also_where_two_have_one_colour(colour, tmp_path):
    ids = np.zeros((8, 9), np.uint8)
    ids[1:3, 1:3], ids[5:7, 5:7] = 1, 2
    picture = Image.fromarray(ids, "L")
    picture.putpalette([0, 0, 0, *colour, *colour])
    picture.save(tmp_path / "a_masks.png")
    (found,) = read_all("labels", tmp_path / "a_masks.png", ["a"])
    assert np.array_equal(found.labels, ids)
