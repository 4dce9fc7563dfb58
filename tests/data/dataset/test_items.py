"""Dictionaries for MONAI's transforms."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.items import list_prediction_items, list_test_items, partition, to_items
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Region, Sample
from tests.support.stack_files import write_ome_tiff
from tests.support.worlds import SHAPE, names_of, touch, write_folder


class TestToItems:
    def test_all_keys(self, tmp_path):
        sample = Sample("a", tmp_path / "i.tif", tmp_path / "l.tif", tmp_path / "b.tif", "dish", Region(1, 2, 3, 4))
        assert to_items([sample]) == [
            {
                "name": "a",
                "image": str(tmp_path / "i.tif"),
                "label": str(tmp_path / "l.tif"),
                "weight": str(tmp_path / "b.tif"),
                "region": [1, 2, 3, 4],  # top, left, bottom, right
            }
        ]

    def test_what_is_not_there_has_no_key(self, tmp_path):
        assert to_items([Sample("a", tmp_path / "i.tif")]) == [{"name": "a", "image": str(tmp_path / "i.tif")}]


class TestPartition:
    def test_few_images_are_split_by_region(self, bordered):
        split = partition(str(bordered), guard=5)
        assert split.mode == "region"
        assert len(split.train) == len(split.validation) == 3
        assert all(sample.border for sample in split.train)

    def test_many_are_split_by_image(self, tmp_path):
        split = partition(write_folder(tmp_path, train=8, shape=(24, 30)))
        assert (split.mode, len(split.train), len(split.validation)) == ("images", 7, 1)

    def test_settings_arrive(self, tmp_path):
        root = write_folder(tmp_path, train=8, shape=(24, 30))
        held = [partition(root, "images", 0.5, seed=seed).validation for seed in (0, 0, 1, 2)]
        assert len(held[0]) == 4
        assert held[0] == held[1]
        assert held[0] != held[2] or held[0] != held[3]

    def test_borders_may_be_left_out(self, bordered):
        split = partition(bordered, with_borders=False)
        assert {sample.border for sample in (*split.train, *split.validation)} == {None}
        assert all(sample.region for sample in split.train)

    def test_groups_survive_without_borders(self, bordered):
        samples = list_samples(bordered, "train")
        keys = ("image", "label", "border")
        entries = [{**{key: str(getattr(sample, key)) for key in keys}, "group": "dish"} for sample in samples]
        path = bordered / "list.json"
        path.write_text(json.dumps({"training": entries}))
        assert {sample.group for sample in partition(path, with_borders=False).train} == {"dish"}

    def test_a_bad_sample_stops_it(self, bordered):
        tifffile.imwrite(bordered / "train/labels/train_01.tif", np.ones(SHAPE, np.uint8))
        with pytest.raises(DataError, match=r"train_01\.tif: a training label must have both classes"):
            partition(bordered)

    def test_a_bad_setting_stops_it(self, bordered):
        with pytest.raises(SettingError, match="setting split must be"):
            partition(bordered, "thirds")


class TestTestItems:
    def test_labelled(self, folder):
        assert list_test_items(folder) == to_items(list_samples(folder, "test"))

    def test_without_labels(self, folder):
        shutil.rmtree(folder / "test" / "labels")
        with pytest.raises(DataError, match=r"test_00\.tif: an image to score must have a label, found none.*; add it"):
            list_test_items(folder)

    def test_some_labels_are_enough_and_the_others_are_counted(self, folder, caplog):
        assert len(list_test_items(folder)) == 2
        assert caplog.messages == []
        (folder / "test/labels/test_00.tif").unlink()
        assert [item["name"] for item in list_test_items(folder)] == ["test_01"]
        assert caplog.messages == ["note: 1 of 2 test images has a label and is scored, the other 1 not"]

    def test_each_is_checked(self, folder):
        tifffile.imwrite(folder / "test/labels/test_01.tif", np.zeros((9, 9), np.uint8))
        with pytest.raises(DataError, match=r"test_01\.tif: label and border must have their image's size, got 9 x 9"):
            list_test_items(folder)


class TestPredictionItems:
    def test_folder(self, folder):
        inside = folder / "test" / "images"
        expected = [{"name": f"test_0{i}", "image": str(inside / f"test_0{i}.tif")} for i in range(2)]
        assert list_prediction_items(str(inside)) == expected
        assert list_prediction_items(inside) == expected
        assert list_prediction_items([inside / "test_00.tif", str(inside / "*1.tif")]) == expected

    def test_one_name_twice(self, folder):
        other = folder / "test_00.tif"
        shutil.copy(folder / "test/images/test_00.tif", other)
        with pytest.raises(DataError, match=r"each input must have its own output name"):
            list_prediction_items([folder / "test" / "images", other])

    def test_frames_of_a_movie_beside_images(self, folder):
        inside = folder / "test" / "images"
        path = write_ome_tiff(inside / "movie.ome.tif")
        items = list_prediction_items(inside, channel="0", z=0, time="0")
        assert [item["name"] for item in items] == ["movie", "test_00", "test_01"]
        items = list_prediction_items(path, channel="0", z=1, time="0:2", axes="tczyx")
        assert [item["name"] for item in items] == ["movie", "movie"]
        assert items[1] == {
            "name": "movie",
            "image": f"{path}::t=1,c=0,z=1,axes=TCZYX",
            "frame": 1,
            "position": 1,
            "frames": 2,
        }

    def test_axes_must_be_some(self, folder):
        with pytest.raises(SettingError, match="--axes must be letters of T, C, Z, Y, X"):
            list_prediction_items(folder / "test" / "images", axes="QYX")

    def test_nothing(self, tmp_path):
        with pytest.raises(DataError, match="the folder holds no image"):
            list_prediction_items(tmp_path)


class TestSplitOfADatalist:
    @pytest.fixture
    def datalist(self, tmp_path):
        root = write_folder(tmp_path / "data")
        entries = [
            {"image": f"train/images/{path.name}", "label": f"train/labels/{path.name}"}
            for path in sorted((root / "train" / "images").iterdir())
        ]

        def write(train, validation):
            path = root / "list.json"
            chosen = {"training": [entries[i] for i in train], "validation": [entries[i] for i in validation]}
            path.write_text(json.dumps(chosen))
            return path

        return write

    def test_is_used_unchanged(self, datalist):
        found = partition(datalist([0, 1], [2]))
        assert found.mode == "given"
        assert not found.leaks
        assert [len(found.train), len(found.validation)] == [2, 1]
        assert all(sample.region is None for sample in (*found.train, *found.validation))

    def test_yields_to_a_split_that_is_requested(self, datalist):
        assert partition(datalist([0, 1], [2]), split="region").mode == "region"

    def test_an_image_on_both_sides_is_rejected(self, datalist):
        with pytest.raises(DataError, match="an image must be in one list, got training and validation"):
            partition(datalist([0, 1], [1]))

    def test_a_group_on_both_sides_is_rejected(self, datalist):
        path = datalist([0, 1], [2])
        lists = json.loads(path.read_text())
        lists["training"][0]["group"] = lists["validation"][0]["group"] = "dish 4"
        path.write_text(json.dumps(lists))
        with pytest.raises(DataError, match="a group must be in one list, got 'dish 4' in training and validation"):
            partition(path)


class TestOutputNames:
    def test_umlauts_are_composed(self, tmp_path):
        touch(tmp_path / "Ba\u0308r.tif")  # of macOS
        (item,) = list_prediction_items(tmp_path)
        assert item["name"] == "B\u00e4r"
        assert Path(item["image"]).exists()

    def test_stems_in_order(self, tmp_path):
        images = names_of(tmp_path, "b.ome.tif", "A.nii.gz", "c.d.png")
        touch(*images)
        found = list_prediction_items(images)
        assert [(item["image"], item["name"]) for item in found] == list(
            zip(map(str, images), ["b", "A", "c.d"], strict=True)
        )

    @pytest.mark.parametrize("other", ["two/a.tif", "one/a.png", "one/A.tif", "one/a.ome.tif"])
    def test_collision(self, tmp_path, other):
        images = names_of(tmp_path, "one/a.tif", "one/b.tif", other)
        touch(*images)
        assert len(list_prediction_items(images[:2])) == 2
        with pytest.raises(DataError, match=rf"{re.escape(other)}: each input must have its own .*one/a\.tif has the"):
            list_prediction_items(images)


def write_movie(folder, names=("t1.tif", "t2.tif", "t3.tif")):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        tifffile.imwrite(folder / name, np.arange(12, dtype=np.uint8).reshape(3, 4))
    return folder


def test_folders_globs_and_all_files_of_a_folder(tmp_path):
    one, two, three = (write_movie(tmp_path / name) for name in ("one", "two", "three"))
    found = list_prediction_items([one, str(two / "t*.tif"), *sorted(three.iterdir())], time=0, movie=True)
    assert found == [
        {"name": "one", "image": f"{one}::t=0,c=0,z=0"},
        {"name": "two", "image": f"{two / 't*.tif'}::t=0,c=0,z=0"},
        {"name": "three", "image": f"{three}::t=0,c=0,z=0"},
    ]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (["one/t1.tif", "one/t2.tif"], r"t1\.tif: the frames of --movie must be all images of their folder, got 2 of them"),
        (["one/t1.tif"], r"t1\.tif: --movie needs a folder or glob of numbered frames, got one file"),
        (["one", "deep/ONE"], "each movie must have its own output name"),
        (["*/t1.tif"], "stars in its last part only"),
    ],
)
def test_what_is_ambiguous_is_rejected(tmp_path, inputs, words):
    write_movie(tmp_path / "one")
    write_movie(tmp_path / "deep" / "ONE")
    with pytest.raises(DataError, match=words):
        list_prediction_items([tmp_path / given for given in inputs], movie=True)


def test_items_are_the_frames(tmp_path):
    folder = write_movie(tmp_path / "one")
    items = list_prediction_items(folder, movie=True)
    assert items == [
        {"name": "one", "image": f"{folder}::t={index},c=0,z=0", "frame": index, "position": index, "frames": 3}
        for index in range(3)
    ]
    assert [item["name"] for item in list_prediction_items(folder)] == ["t1", "t2", "t3"]  # single images
    assert [item["frame"] for item in list_prediction_items(folder, time="1:", movie=True)] == [1, 2]
    with pytest.raises(SettingError, match=r"--time must be 0 to 2.*got 3"):
        list_prediction_items(folder, time=3, movie=True)


def test_a_damaged_frame_is_one_of_its_movie(tmp_path):
    folder = write_movie(tmp_path / "one")
    (folder / "t2.tif").write_bytes(b"II*\0")
    assert [item["frame"] for item in list_prediction_items(folder, movie=True)] == [0, 1, 2]


@pytest.mark.parametrize("given", ["none", "none/t*.tif"])
def test_an_input_without_images(tmp_path, given):
    with pytest.raises(DataError, match="no such file or folder"):
        list_prediction_items(tmp_path / given, movie=True)
