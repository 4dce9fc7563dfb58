"""File names, and the images of files, folders and globs."""

from pathlib import Path

import pytest

from livecell_monai.data.paths import SUFFIXES, describe_skipped, ending_of, is_frame_series, is_image, list_images, stem_of
from livecell_monai.errors import DataError
from tests.support.worlds import names_of, touch, write_folder


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [f"a{suffix}" for suffix in SUFFIXES]
        + ["a.OME.TIF", "b.c.Png", "A.NII.GZ", "a.ND2", "a.czi", "a.ome.zarr", "a.zarr"],
    )
    def test_images(self, name):
        assert is_image(Path("/d") / name)

    @pytest.mark.parametrize("name", ["a.csv", "a", "tif", "a.gz", "a.tif.txt", "._a.tif", ".writing-0.tif", ".tif"])
    def test_no_images(self, name):
        assert not is_image(Path("/d") / name)

    @pytest.mark.parametrize(
        ("name", "stem"),
        [
            ("a.tif", "a"),
            ("a.b.png", "a.b"),
            ("a.nii.gz", "a"),
            ("a.NII.GZ", "a"),
            ("a.ome.tif", "a"),
            ("a.b.OME.TIFF", "a.b"),
            ("a.ome.png", "a.ome"),
            ("a.ome.zarr", "a"),
            ("a.zarr", "a"),
            ("a.b.nd2", "a.b"),
            ("a.csv", "a"),
            ("a", "a"),
        ],
    )
    def test_stems(self, name, stem):
        assert stem_of(Path("/d.e") / name) == stem
        assert stem_of(Path(f"Ba\u0308r{name}")) == f"B\u00e4r{stem}"  # NFD of macOS
        assert f"{stem}{ending_of(Path(name))}" == name


class TestInputs:
    def test_file_folder_and_glob(self, folder):
        train, test = folder / "train/images", folder / "test/images"
        found = list_images([test / "test_01.tif", train, str(test / "*.tif")])
        assert found == [
            *names_of(test, "test_01.tif"),
            *names_of(train, "train_00.tif", "train_01.tif", "train_02.tif"),
            *names_of(test, "test_00.tif"),  # the other one is listed first already
        ]

    def test_only_the_images_of_a_folder(self, tmp_path):
        touch(*names_of(tmp_path, "b.tif", "a.png", ".a.tif", "notes.txt", "inside/c.tif"))
        assert list_images([tmp_path]) == names_of(tmp_path, "a.png", "b.tif")

    def test_a_zarr_folder_is_an_image(self, tmp_path):
        image = tmp_path / "a.ome.zarr"
        (image / "0").mkdir(parents=True)
        (image / "0" / "preview.tif").touch()
        assert list_images([tmp_path]) == [image]
        assert list_images([image]) == [image]
        assert list_images([tmp_path / "*.zarr"]) == [image]
        (tmp_path / "b.tif").touch()
        assert list_images([str(tmp_path / "**" / "*.tif")]) == [tmp_path / "b.tif"]

    def test_a_name_may_look_like_a_glob(self, tmp_path):
        touch(*names_of(tmp_path, "a[1].tif", "a1.tif"))
        assert list_images([tmp_path / "a[1].tif"]) == [tmp_path / "a[1].tif"]

    def test_nothing_asked_nothing_found(self):
        assert list_images([]) == []

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("gone.tif", r"gone\.tif: an input must be an image, a folder or a glob.*no such file or folder; correct"),
            ("*.tif", r"\*\.tif: .*no such file or folder"),
            ("empty", r"empty: .*the folder holds no image"),
            ("cells", r"cells: .*the folder holds no image itself, name \S*cells/test/images;"),
            ("model", r"model: .*the folder holds a bundle, open \S*model/docs/report\.html to see it"),
        ],
    )
    def test_nothing_found(self, tmp_path, given, message):
        touch(tmp_path / "empty" / "notes.txt", tmp_path / "model/configs/metadata.json")
        touch(tmp_path / "cells/train/images/a.tif", tmp_path / "cells/test/images/b.tif")
        with pytest.raises(DataError, match=message):
            list_images([tmp_path / given])


def test_a_glob_goes_down_and_opens_the_folders_it_meets(tmp_path):
    root = write_folder(tmp_path / "data")
    below = [path.name for path in list_images([f"{root}/**/images/*.tif"])]
    assert sorted(below) == sorted(path.name for path in root.glob("*/images/*.tif"))
    assert len(below) == 5
    assert [path.name for path in list_images([f"{root}/tes*/images"])] == sorted(
        path.name for path in (root / "test" / "images").iterdir()
    )


def test_which_paths_are_frame_series(tmp_path):
    (tmp_path / "a.ome.zarr").mkdir()
    (tmp_path / "odd[1].tif").touch()
    assert is_frame_series(tmp_path)
    assert is_frame_series(tmp_path / "t*.tif")
    assert not is_frame_series(tmp_path / "a.ome.zarr")
    assert not is_frame_series(tmp_path / "odd[1].tif")
    assert not is_frame_series(tmp_path / "missing.tif")


def test_skipped_files_are_named(tmp_path):
    touch(*(tmp_path / name for name in ("a.tif", ".DS_Store", "Thumbs.db", "._a.tif")))
    assert describe_skipped([tmp_path, tmp_path / "a.tif", tmp_path / "none"]) == []
    touch(tmp_path / "z.bmp")
    line = f"{tmp_path}: skipped 1 file that is no readable image: z.bmp; save images as TIFF or PNG"
    assert describe_skipped([tmp_path, tmp_path]) == [line]
    touch(*(tmp_path / f"{number}.bmp" for number in range(9)))
    assert (
        "skipped 10 files that are no readable image: 0.bmp, 1.bmp, 2.bmp, 3.bmp, 4.bmp, ...;"
        in describe_skipped([tmp_path])[0]
    )


def test_files_of_operating_systems_are_not_named(tmp_path):
    touch(
        *(tmp_path / name for name in ("ehthumbs.db", "Icon\r", "a.tif:Zone.Identifier", "__MACOSX/a.tif", "@eaDir/a.tif"))
    )
    assert describe_skipped([tmp_path]) == []


def test_folders_with_images_are_named(tmp_path):
    touch(*(tmp_path / name for name in ("a.tif", "day2/a.tif", "day1/b.TIF", "notes/a.txt", ".cache/a.tif", "x\ty.txt")))
    skipped, inner = describe_skipped([tmp_path])
    assert skipped.endswith(r"skipped 1 file that is no readable image: x\ty.txt; save images as TIFF or PNG")
    assert inner == f"{tmp_path}: skipped 2 folders with images: day1, day2; name folders one by one"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["z.bmp", ".DS_Store"], "the folder holds no image, but z.bmp; correct it"),
        (["day1/a.tif"], "the folder holds no image, but folders with images: day1; correct it"),
    ],
)
def test_a_folder_without_images_says_what_it_holds(tmp_path, names, words):
    touch(*(tmp_path / name for name in names))
    with pytest.raises(DataError, match=words):
        list_images([tmp_path])
    assert describe_skipped([tmp_path]) == []  # the error says it
    assert len(describe_skipped([tmp_path], with_empty=True)) == 1
