"""The samples of a data folder or datalist, and files that do not match."""

import json
import os
import re
import shutil
import unicodedata

import pytest

from livecell_monai.data.dataset.folder import has_role, list_samples
from livecell_monai.data.paths import list_images
from livecell_monai.errors import DataError
from tests.support.worlds import names_of, touch, write_folder


class TestFolder:
    def test_matches_what_belongs_together(self, tmp_path):
        root = write_folder(tmp_path / "data", borders=True)
        samples = list_samples(root, "train")
        assert [sample.name for sample in samples] == ["train_00", "train_01", "train_02"]
        for sample in samples:
            assert sample.image == root / "train" / "images" / f"{sample.name}.tif"
            assert sample.label == root / "train" / "labels" / f"{sample.name}.tif"
            assert sample.border == root / "train" / "borders" / f"{sample.name}.tif"
            assert sample.group is None
            assert sample.region is None

    def test_roles_are_apart(self, folder):
        assert [sample.name for sample in list_samples(folder, "test")] == ["test_00", "test_01"]

    def test_a_path_may_be_text(self, folder):
        assert list_samples(str(folder), "train") == list_samples(folder, "train")

    @pytest.mark.parametrize("image", ["a.ome.tif", "a.OME.TIFF", "a.tiff", "a.nii.gz", "a.jpg"])
    def test_suffixes_may_differ(self, tmp_path, image):
        touch(tmp_path / "train/images" / image, tmp_path / "train/labels/a.png", tmp_path / "train/borders/a.tif")
        (sample,) = list_samples(tmp_path, "train")
        assert (sample.name, sample.image.name, sample.label.name, sample.border.name) == ("a", image, "a.png", "a.tif")

    @pytest.mark.parametrize(("image", "label"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
    def test_umlauts_of_another_system(self, tmp_path, image, label):
        for form, kind in ((image, "images"), (label, "labels"), (label, "borders"), (label, "ignore")):
            touch(tmp_path / "train" / kind / unicodedata.normalize(form, "B\u00e4r.tif"))
        (sample,) = list_samples(tmp_path, "train")
        assert sample.name == "B\u00e4r"
        assert all(path.exists() for path in (sample.image, sample.label, sample.border, sample.ignore))

    def test_sorted_by_name(self, tmp_path):
        for name in "cab":
            touch(tmp_path / f"train/images/{name}.tif", tmp_path / f"train/labels/{name}.tif")
        assert [sample.name for sample in list_samples(tmp_path, "train")] == ["a", "b", "c"]

    def test_hidden_files_and_other_kinds_are_skipped(self, folder):
        before = list_samples(folder, "train")
        images = folder / "train" / "images"
        touch(*names_of(images, ".DS_Store", "._train_00.tif", ".hidden.tif", "notes.txt", "Thumbs.db"))
        assert list_samples(folder, "train") == before

    def test_no_borders(self, folder):
        assert {sample.border for sample in list_samples(folder, "train")} == {None}

    def test_test_images_need_no_labels(self, folder):
        shutil.rmtree(folder / "test" / "labels")
        assert [sample.label for sample in list_samples(folder, "test")] == [None, None]

    @pytest.mark.parametrize(
        ("lost", "message"),
        [
            ("train/labels/train_01.tif", r"images/train_01\.tif: an image must have a label of the same stem.*labels; add"),
            ("train/images/train_01.tif", r"labels/train_01\.tif: a label must have an image of the same stem.*images; add"),
            ("train/borders/train_01.tif", r"images/train_01\.tif: an image must have a border of the same stem.*; add it"),
        ],
    )
    def test_without_counterpart(self, bordered, lost, message):
        assert list_samples(bordered, "train")
        (bordered / lost).unlink()
        with pytest.raises(DataError, match=message):
            list_samples(bordered, "train")

    def test_border_without_image(self, bordered):
        touch(bordered / "train/borders/other.tif")
        with pytest.raises(DataError, match=r"borders/other\.tif: a border must have an image of the same stem"):
            list_samples(bordered, "train")

    def test_some_test_images_may_have_labels(self, folder):
        (folder / "test/labels/test_01.tif").unlink()
        assert [sample.label is None for sample in list_samples(folder, "test")] == [False, True]

    def test_a_test_label_of_another_name_is_no_missing_one(self, folder):
        (folder / "test/labels/test_01.tif").rename(folder / "test/labels/tset_01.tif")
        with pytest.raises(DataError, match=r"test_01\.tif: an image must have a label .* rename tset_01\.tif"):
            list_samples(folder, "test")

    @pytest.mark.parametrize("kind", ["images", "labels"])
    def test_stem_twice(self, folder, kind):
        touch(folder / "train" / kind / "train_00.ome.tif")
        with pytest.raises(DataError, match=r"own stem, train_00\.ome\.tif has the same; remove one"):
            list_samples(folder, "train")

    @pytest.mark.parametrize("lost", ["", "train", "train/images", "train/labels"])
    def test_missing_folder(self, folder, lost):
        shutil.rmtree(folder / lost)
        with pytest.raises(DataError, match=rf"{re.escape(str(folder / lost))}.*does not exist; (create it|give)"):
            list_samples(folder, "train")

    @pytest.mark.parametrize("part", ["train", "test", "train/images", "test/labels", "train/images/train_00.tif"])
    def test_a_part_of_the_data_folder(self, folder, part):
        with pytest.raises(DataError, match=rf"this is a part of one; name {re.escape(str(folder))}$"):
            list_samples(folder / part, "train")

    def test_a_folder_of_images_alone(self, tmp_path):
        touch(tmp_path / "mine" / "a.tif")
        with pytest.raises(DataError, match=r"mine: a data folder must hold train/images and train/labels.*got images"):
            list_samples(tmp_path / "mine", "train")

    @pytest.mark.parametrize("kind", ["images", "labels"])
    def test_empty_folder(self, folder, kind):
        for path in (folder / "train" / kind).iterdir():
            path.unlink()
        with pytest.raises(DataError, match=rf"train/{kind}: the folder must hold at least one image, got none; put TIFF"):
            list_samples(folder, "train")


class TestDatalist:
    def entries(self, folder, role="train"):
        keys = ("image", "label", "border")
        return [
            {key: f"{folder.name}/{path.relative_to(folder)}" for key in keys if (path := getattr(sample, key))}
            for sample in list_samples(folder, role)
        ]

    def write(self, folder, text):
        path = folder.parent / "list.JSON"
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        return path

    def test_is_the_same_as_the_folder(self, bordered):
        path = self.write(bordered, {"training": self.entries(bordered)[::-1], "test": self.entries(bordered, "test")})
        assert list_samples(path, "train") == list_samples(bordered, "train")
        assert list_samples(path, "test") == list_samples(bordered, "test")

    def test_paths_are_relative_to_the_file(self, folder, monkeypatch):
        monkeypatch.chdir("/")
        path = self.write(folder, {"training": self.entries(folder)})
        assert all(sample.image.is_relative_to(folder) for sample in list_samples(path, "train"))

    def test_absolute_paths(self, folder):
        sample = list_samples(folder, "train")[0]
        path = self.write(folder, {"training": [{"image": str(sample.image), "label": str(sample.label)}]})
        assert list_samples(path, "train") == [sample]

    def test_groups_become_text(self, folder):
        entries = [{**entry, "group": group} for entry, group in zip(self.entries(folder), ["day", 2, None], strict=True)]
        assert [s.group for s in list_samples(self.write(folder, {"training": entries}), "train")] == ["day", "2", None]

    def test_test_entries_may_be_paths(self, folder):
        path = self.write(folder, {"test": [entry["image"] for entry in self.entries(folder, "test")]})
        samples = list_samples(path, "test")
        assert [sample.name for sample in samples] == ["test_00", "test_01"]
        assert {sample.label for sample in samples} == {None}

    def test_border_may_be_null(self, folder):
        path = self.write(folder, {"training": [{**self.entries(folder)[0], "border": None}]})
        assert list_samples(path, "train")[0].border is None

    def test_one_stem_in_two_folders(self, tmp_path):
        for day in ("monday", "tuesday"):
            touch(tmp_path / day / "a.tif")
        path = self.write(tmp_path / "x", {"test": ["monday/a.tif", "tuesday/a.tif"]})
        assert [sample.name for sample in list_samples(path, "test")] == ["monday_a", "tuesday_a"]

    @pytest.mark.parametrize("images", [("1/images/a.tif", "2/images/a.tif"), ("1/images/a.tif", "1/images/a.tif")])
    def test_one_name_twice(self, tmp_path, images):
        touch(*names_of(tmp_path, *images))
        path = self.write(tmp_path / "x", {"test": list(images)})
        with pytest.raises(DataError, match=r"each image must have its own name.*images/a\.tif and .*images/a\.tif"):
            list_samples(path, "test")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "{",
                r"list\.JSON: a datalist must be JSON with a list \"training\", got an error in line 1, column 2: ",
            ),
            ("[]", r"must be JSON with a list \"training\", got a list; correct it"),
            ({"train": []}, r"must be JSON with a list \"training\", got train; correct it"),
            ({"training": None}, r"must be JSON with a list \"training\", got NoneType instead of a list"),
            ({"training": {"image": "a.tif"}}, r"got dict instead of a list"),
            ({"training": []}, r"the list \"training\" must not be empty, got no entry; add images"),
            ({"training": [3]}, r"an entry must be a path or have an \"image\", got 3; correct it"),
            ({"training": [{"label": "a.tif"}]}, r"or have an \"image\", got \{'label': 'a.tif'\}"),
            ({"training": [{"image": "", "label": "a.tif"}]}, r"or have an \"image\", got \{'image': ''"),
            ({"training": [{"image": 3}]}, r"or have an \"image\", got \{'image': 3\}"),
            ({"training": [{"image": "a.tif"}]}, r"a\.tif: a training image must have a \"label\", got none; add it"),
            ({"training": ["a.tif"]}, r"a\.tif: a training image must have a \"label\", got none; add it"),
            ({"training": [{"image": "a.tif", "label": None}]}, r"a training image must have a \"label\", got none"),
            ({"training": [{"image": "a.tif", "label": 3}]}, r"a\.tif: a label must be a path, got 3; correct it"),
            (
                {"training": [{"image": "a.tif", "label": "gone.tif"}]},
                r"gone\.tif: the file is listed in list\.JSON but does not exist; correct the datalist",
            ),
            (
                {"training": [{"image": "a_01.tif", "label": "a.tif"}]},
                r"a_01\.tif: the file is listed in list\.JSON but does not exist, a_1\.tif does; correct the datalist",
            ),
        ],
    )
    def test_rejected(self, folder, text, message):
        for name in ("a.tif", "a_1.tif"):
            shutil.copy(folder / "train/images/train_00.tif", folder.parent / name)
        with pytest.raises(DataError, match=message):
            list_samples(self.write(folder, text), "train")

    def test_not_text(self, folder):
        path = folder.parent / "list.json"
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(DataError, match=r"must be JSON .* in UTF-8, got other characters; save it as UTF-8"):
            list_samples(path, "train")

    def test_no_such_file(self, tmp_path):
        with pytest.raises(DataError, match=r"gone\.json: the datalist cannot be read \(No such file"):
            list_samples(tmp_path / "gone.json", "train")


def test_validation_is_a_list_of_datalists_alone(tmp_path):
    root = write_folder(tmp_path / "data")
    (root / "validation" / "images").mkdir(parents=True)
    assert not has_role(root, "validation")
    (root / "list.JSON").write_text(json.dumps({"validation": ["a.tif"], "test": []}))
    assert has_role(root / "list.JSON", "validation")
    assert not has_role(root / "list.JSON", "test")


def test_a_name_that_is_not_utf_8_is_rejected(folder):
    """A file system may hold any bytes; cards and tables are UTF-8."""
    images = folder / "train" / "images"
    (images / "train_00.tif").rename(images / os.fsdecode(b"caf\xe9.tif"))
    for listing in (
        lambda: list_samples(folder, "train"),
        lambda: list_images([images]),
        lambda: list_images(images.glob("*")),
    ):
        with pytest.raises(DataError, match=r"a file name must be valid UTF-8, got caf\\udce9\.tif; rename the file"):
            listing()


def test_a_datalist_nested_without_end_is_no_datalist(tmp_path):
    path = tmp_path / "list.json"
    path.write_text('{"training": ' + "[" * 100_000)
    with pytest.raises(DataError, match=r"a datalist must be JSON .* got lists inside lists without end"):
        list_samples(path, "train")
    assert not has_role(path, "test")


class TestNearNames:
    """A label that is there under another name."""

    @pytest.mark.parametrize(
        ("image", "label"),
        [
            ("img_0.tif", "img_0_masks.tif"),
            ("img_0.tif", "img_0_mask.png"),
            ("img_0.tif", "img_0_label.tif"),
            ("img_0.tif", "IMG_0-labels.TIF"),
            ("img_0.tif", "img_0_seg.tif"),
            ("img_0.png", "img_0_cp_masks.png"),
            ("Img_0.tif", "img_0.tif"),
            ("img_0.ome.tif", "img_0.ome_mask.png"),
            ("img_0.tif", "img_0.tif_mask.png"),
            ("z\u00fcrich.tif", "zu\u0308rich.tif"),
            ("img_0.tif", "mask_img_0.tif"),
            ("image_0.tif", "mask_0.png"),
            ("well_img.tif", "well_gt.tif"),
            ("t000.tif", "man_seg000.tif"),
            ("img_1.tif", "img_001.tif"),
            ("img 1.tif", "img_1_label.tif"),
            ("img_0.tif", "img_0_Simple Segmentation.png"),
            ("img_0.tif", "img_0_Object Identities.png"),
        ],
    )
    def test_is_matched(self, tmp_path, image, label):
        touch(tmp_path / "train/images" / image, tmp_path / "train/images/other.tif")
        touch(tmp_path / "train/labels" / label, tmp_path / "train/labels/other.tif")
        sample = next(one for one in list_samples(tmp_path, "train") if one.name != "other")
        assert (sample.image.name, sample.label.name) == (image, label)

    def test_borders_too(self, tmp_path):
        touch(*(tmp_path / "train" / name for name in ("images/a.tif", "labels/a_mask.tif", "borders/a_weights.tif")))
        (sample,) = list_samples(tmp_path, "train")
        assert (sample.name, sample.label.name, sample.border.name) == ("a", "a_mask.tif", "a_weights.tif")

    def test_the_same_name_comes_first(self, tmp_path):
        images, labels = tmp_path / "train/images", tmp_path / "train/labels"
        touch(*names_of(images, "a.tif", "a_mask.tif"), *names_of(labels, "a.tif", "a_mask.tif"))
        assert all(one.image.name == one.label.name for one in list_samples(tmp_path, "train"))

    @pytest.mark.parametrize("labels", [("a_mask.tif", "a_label.tif"), ("A.tif", "a_seg.tif")])
    def test_two_are_not_guessed(self, tmp_path, labels):
        touch(tmp_path / "train/images/a.tif", *names_of(tmp_path / "train/labels", *labels))
        with pytest.raises(
            DataError, match=r"images/a\.tif: an image must have a label of the same stem, .*; add it or rename "
        ):
            list_samples(tmp_path, "train")

    def test_the_nearest_is_named(self, tmp_path):
        touch(*(tmp_path / "train" / name for name in ("images/cell_01.tif", "labels/cell01.tif", "labels/x.tif")))
        with pytest.raises(DataError, match=r"images/cell_01\.tif: .*labels; add it or rename cell01\.tif"):
            list_samples(tmp_path, "train")


class TestWindowsDatalist:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("separator", ["/", "\\"])
    def test_is_read(self, folder, encoding, separator):
        entry = {kind: separator.join(("train", f"{kind}s", "train_00.tif")) for kind in ("image", "label")}
        path = folder / "list.json"
        path.write_text(json.dumps({"training": [entry], "test": [entry["image"]]}), encoding=encoding)
        (sample,) = list_samples(path, "train")
        assert (sample.name, sample.image) == ("train_00", folder / "train/images/train_00.tif")
        assert sample.label == folder / "train/labels/train_00.tif"
        assert has_role(path, "test")
        assert list_samples(path, "test")[0].name == "train_00"

    @pytest.mark.parametrize(
        "text",
        [
            r'{"training": [{"image": "train\images\train_00.tif", "label": "train\labels\train_00.tif"}]}',
            '{"training": [{"image": "train/images/train_00.tif", "label": "train/labels/train_00.tif",},],}',
            '{"Training": [{"IMAGE": "train/images/TRAIN_00.TIF", "Label": "./train/labels/train_00.tif"}]}',
        ],
        ids=["single backslashes", "trailing commas", "case"],
    )
    def test_what_hands_write(self, folder, text):
        path = folder / "list.json"
        path.write_text(text, encoding="utf-8")
        (sample,) = list_samples(path, "train")
        assert sample.image == folder / "train/images/train_00.tif"
        assert sample.label == folder / "train/labels/train_00.tif"
        assert has_role(path, "train")

    def test_single_backslashes_before_letters_that_json_knows(self, folder):
        (folder / "train" / "images").rename(folder / "train" / "new")
        text = '{"training": [{"image": "train\\new\\train_00.tif", "label": "train\\labels\\train_00.tif"}]}'
        assert text.count("\\") == 4
        (folder / "list.json").write_text(text, encoding="utf-8")
        (sample,) = list_samples(folder / "list.json", "train")
        assert sample.image == folder / "train/new/train_00.tif"
        (folder / "list.json").write_text(text.replace("\\labels", "/labels"), encoding="utf-8")  # now it is JSON
        (sample,) = list_samples(folder / "list.json", "train")
        assert sample.image == folder / "train/new/train_00.tif"


class TestIgnoreFiles:
    def test_are_optional_for_each_image(self, tmp_path):
        root = write_folder(tmp_path, train=2, test=1)
        touch(root / "train/ignore/train_01.tif", root / "test/ignore/test_00_ignore.tif")
        first, second = list_samples(root, "train", unlabelled_value=255)
        assert first.ignore is None
        assert second.ignore == root / "train/ignore/train_01.tif"
        assert first.unlabelled_value == second.unlabelled_value == 255
        assert list_samples(root, "test")[0].ignore == root / "test/ignore/test_00_ignore.tif"

    def test_without_their_image_are_rejected(self, tmp_path):
        root = write_folder(tmp_path, train=2, test=0)
        touch(root / "train/ignore/other.tif")
        with pytest.raises(
            DataError, match=r"ignore/other\.tif: an ignore file must have an image of the same stem, .*images; add it"
        ):
            list_samples(root, "train")

    def test_are_listed_by_a_datalist(self, tmp_path):
        write_folder(tmp_path, train=1, test=0)
        entry = {"image": "train/images/train_00.tif", "label": "train/labels/train_00.tif", "ignore": "i.png"}
        touch(tmp_path / "i.png")
        path = tmp_path / "list.json"
        path.write_text(json.dumps({"training": [entry]}))
        assert list_samples(path, "train")[0].ignore == tmp_path / "i.png"
        path.write_text(json.dumps({"training": [{**entry, "ignore": 3}]}))
        with pytest.raises(DataError, match="an ignore file must be a path, got 3; correct it"):
            list_samples(path, "train")
