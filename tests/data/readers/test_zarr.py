"""OME-Zarr folders: versions, levels, metadata, other kinds of folder, damage."""

import json
import shutil

import numpy as np
import pytest
import zarr

from livecell_monai.data.paths import list_images, stem_of
from livecell_monai.data.readers import open_stack
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Region
from tests.support.stack_files import HYPERSTACK, SIZE_UM, write_zarr

MOVIE = HYPERSTACK[:, 0, 0]
VERSIONS = ("0.4", "0.5")


def edit(path, change):
    """Change the description of the image."""
    group = zarr.open_group(str(path))
    attributes = dict(group.attrs)
    change(attributes.get("ome", attributes))
    group.attrs.put(attributes)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_largest_level_is_read(tmp_path, version):
    path = write_zarr(tmp_path / "a.zarr", MOVIE, "TYX", version, scale_factors=[2])
    with open_stack(path) as stack:
        assert (stack.axes, stack.shape) == ("TYX", (3, 40, 36))
        np.testing.assert_array_equal(stack.read(2), MOVIE[2])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_chunk_that_is_damaged_is_named_and_others_are_read(tmp_path, version):
    path = write_zarr(tmp_path / "a.zarr", MOVIE, "TYX", version)
    array = zarr.open_group(str(path))["s0" if "s0" in zarr.open_group(str(path)) else "0"]
    key = f"{array.path}/{array.metadata.encode_chunk_key((1, 2, 0))}"
    (path / key).write_bytes(b"\xff" * 40)
    with open_stack(path) as stack:
        part = Region(0, 0, 32, 36)
        np.testing.assert_array_equal(stack.read(1, region=part), part.crop(MOVIE[1]))
        with pytest.raises(
            DataError, match=rf"a\.zarr \(frame 1\): chunk {key} cannot be decoded \(.*copy the folder again$"
        ):
            stack.read(1)


def test_a_chunk_that_was_never_written_is_all_fill(tmp_path):
    pixels = MOVIE.copy()
    pixels[0, :16, :16] = 0
    with open_stack(write_zarr(tmp_path / "a.zarr", pixels, "TYX")) as stack:
        np.testing.assert_array_equal(stack.read(0), pixels[0])


@pytest.mark.parametrize("version", VERSIONS)
def test_metadata_cut_off_are_rejected(tmp_path, version):
    path = write_zarr(tmp_path / "a.zarr", MOVIE, "TYX", version)
    file = path / ("zarr.json" if version == "0.5" else ".zattrs")
    data = file.read_bytes()
    for length in range(1, len(data) - 1, 97):
        file.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"a\.zarr: [^\n]+$"):
            open_stack(path)


@pytest.mark.parametrize("version", VERSIONS)
def test_scales_multiply_and_units_count(tmp_path, version):
    def change(notes):
        (scales,) = notes["multiscales"]
        scales["coordinateTransformations"] = [{"type": "scale", "scale": [60.0, 2000.0, 2.0]}]
        scales["axes"][0]["unit"] = "second"
        scales["axes"][1]["unit"] = "nanometer"

    path = write_zarr(tmp_path / "a.zarr", MOVIE, "TYX", version)
    edit(path, change)
    with open_stack(path) as stack:
        assert stack.pixel_size_um == pytest.approx((2 * SIZE_UM[0], 2 * SIZE_UM[1]))
        assert stack.interval_min == pytest.approx(1.5)


@pytest.mark.parametrize("missing", ["unit", "coordinateTransformations"])
def test_what_is_not_stated_is_none(tmp_path, missing):
    def change(notes):
        (scales,) = notes["multiscales"]
        for axis in scales["axes"]:
            axis.pop("unit", None)
        if missing != "unit":
            scales["datasets"][0].pop(missing)
        notes.pop("omero")

    path = write_zarr(tmp_path / "a.zarr", MOVIE, "TYX")
    edit(path, change)
    with open_stack(path) as stack:
        assert (stack.pixel_size_um, stack.interval_min, stack.channels) == (None, None, ())


@pytest.mark.parametrize("size", [0, -1, "abc", None, 1e-300, 1e300, [1]], ids=str)
def test_sizes_that_are_impossible_count_as_unknown(tmp_path, size):
    path = write_zarr(tmp_path / "a.zarr", MOVIE, "TYX")
    edit(
        path,
        lambda notes: notes["multiscales"][0].update(coordinateTransformations=[{"type": "scale", "scale": [size] * 3}]),
    )
    with open_stack(path) as stack:
        assert (stack.pixel_size_um, stack.interval_min) == (None, None)
        np.testing.assert_array_equal(stack.read(1), MOVIE[1])


def test_names_in_capitals_and_names_alone_are_known(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", MOVIE, "TYX", "0.4")
    edit(path, lambda notes: notes["multiscales"][0].update(axes=["T", "Y", "X"]))
    with open_stack(path) as stack:
        assert stack.axes == "TYX"


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ([{"name": "lambda"}, {"name": "y"}, {"name": "x"}], "got lambda 3, Y 40, X 36; name them"),
        ([{"name": "t"}, {"name": "x"}, {"name": "y"}], "last, got T 3, X 40, Y 36"),
        ([{"name": "t"}, {"name": "y"}], None),
        (None, r"got \? 3, \? 40, \? 36"),
    ],
)
def test_axes_that_are_unknown_are_rejected(tmp_path, axes, words):
    path = write_zarr(tmp_path / "a.zarr", MOVIE, "TYX")
    edit(path, lambda notes: notes["multiscales"][0].pop("axes") and axes and notes["multiscales"][0].update(axes=axes))
    if words is None:
        with pytest.raises(DataError, match="its metadata name 2 axes, its array has 3"):
            open_stack(path)
        return
    with pytest.raises(SettingError, match=words):
        open_stack(path)
    with open_stack(path, "TYX") as stack:
        assert stack.axes == "TYX"


LAYOUT = "bioformats2raw.layout"


def collect(path, kind, notes, images):
    """A folder of images of one kind, as 0.5 has it."""
    group = zarr.open_group(str(path), mode="w")
    for name in images:
        write_zarr(path / name, MOVIE, "TYX")
    group.attrs["ome"] = {"version": "0.5", kind: notes}
    return path


@pytest.mark.parametrize(
    ("kind", "notes", "images", "words"),
    [
        (
            "plate",
            {"wells": [{"path": "B/3"}]},
            ["B/3/0"],
            "a plate of wells: B/3; give the folder .* such as .*/a.zarr/B/3/0",
        ),
        (LAYOUT, 3, ["0", "1"], "a collection of images: 0, 1; give .*/a.zarr/0"),
    ],
)
def test_a_folder_of_images_is_rejected_and_each_image_is_read(tmp_path, kind, notes, images, words):
    path = collect(tmp_path / "a.zarr", kind, notes, images)
    with pytest.raises(DataError, match=words):
        open_stack(path)
    for name in images:
        assert list_images([path / name]) == [path / name]
        assert stem_of(path / name) == "a_" + name.replace("/", "_")
        with open_stack(path / name) as stack:
            np.testing.assert_array_equal(stack.read(1), MOVIE[1])


def test_a_collection_of_one_image_is_that_image(tmp_path):
    with open_stack(collect(tmp_path / "a.zarr", LAYOUT, 3, ["0"])) as stack:
        np.testing.assert_array_equal(stack.read(1), MOVIE[1])


def test_bilevel_becomes_zero_and_one(tmp_path):
    with open_stack(write_zarr(tmp_path / "a.zarr", MOVIE > 9, "TYX")) as stack:
        assert stack.dtype == stack.read().dtype == np.uint8
        np.testing.assert_array_equal(stack.read(0), MOVIE[0] > 9)


def test_other_folders_are_rejected(tmp_path):
    path = tmp_path / "a.zarr"
    with pytest.raises(DataError, match="an OME-Zarr image must be a folder, this does not exist"):
        open_stack(path)
    path.mkdir()
    with pytest.raises(DataError, match="got no Zarr metadata"):
        open_stack(path)
    shutil.rmtree(path)
    zarr.open_group(str(path), mode="w").create_array("raw", shape=(4, 4), dtype="u2")
    with pytest.raises(DataError, match="this is none: raw"):
        open_stack(path)
    shutil.rmtree(path)
    zarr.create_array(str(path), shape=(4, 4), dtype="u2")
    with pytest.raises(DataError, match=r"a\.zarr: [^\n]+$"):
        open_stack(path)
    shutil.rmtree(path)
    path.write_text("no folder")
    with pytest.raises(DataError, match="an OME-Zarr image must be a folder, this is a file"):
        open_stack(path)


def test_a_level_that_is_not_there_is_rejected(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", MOVIE, "TYX")
    edit(path, lambda notes: notes["multiscales"][0]["datasets"][0].update(path="gone"))
    with pytest.raises(DataError, match=r"a\.zarr: cannot be read as OME-Zarr"):
        open_stack(path)
    assert json.loads((path / "zarr.json").read_text())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("shape", [4096, 4096], "chunks must exist, got .* files for 65536 of them; copy the folder again"),
        ("shape", [2**20, 2**20], "must hold the pixels of its image"),
        ("chunks", [2**20, 2**20], "a chunk must have at most"),
    ],
)
def test_metadata_that_state_far_more_than_exists(tmp_path, version, key, value, words):
    path = write_zarr(tmp_path / "a.zarr", MOVIE[0], "YX", version)
    (file,) = path.glob("*/zarr.json" if version == "0.5" else "*/.zarray")
    notes = json.loads(file.read_text())
    if version == "0.5" and key == "chunks":
        notes["chunk_grid"]["configuration"]["chunk_shape"] = value
    else:
        notes[key] = value
    file.write_text(json.dumps(notes))
    with pytest.raises(DataError, match=words):
        open_stack(path)
