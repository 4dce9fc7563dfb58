"""Folds: every image is held out once, groups together; and crops of annotated images."""

import json
import shutil
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import tifffile
from hypothesis import assume, given

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.folds import check_unique_names, crop_sample, make_folds, write_fold
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Sample
from tests.support.worlds import write_sample


def samples(*names, groups=()):
    found = dict(zip(names, groups, strict=False))
    return [Sample(name, Path(f"/{name}.tif"), Path(f"/labels/{name}.tif"), group=found.get(name)) for name in names]


def held(folds):
    return [sorted(sample.name for sample in fold.held_out) for fold in folds]


MANY = [f"d{day}_{well}" for day in range(3) for well in range(4)]


class TestMakeFolds:
    def test_below_seven_images_each_is_left_out_once(self):
        folds = make_folds(samples("a", "b", "c"))
        assert [fold.name for fold in folds] == ["fold_1", "fold_2", "fold_3"]
        assert held(folds) == [["a"], ["b"], ["c"]]
        for fold in folds:
            assert {sample.name for sample in fold.train} == {"a", "b", "c"} - {fold.held_out[0].name}

    def test_from_seven_on_there_are_five(self):
        folds = make_folds(samples(*MANY))
        assert len(folds) == 5
        assert sorted(name for names in held(folds) for name in names) == sorted(MANY)

    @pytest.mark.parametrize("count", [2, 3, 12])
    def test_as_many_as_requested(self, count):
        folds = make_folds(samples(*MANY), count)
        assert len(folds) == count
        assert sorted(name for names in held(folds) for name in names) == sorted(MANY)
        assert all(not {s.name for s in fold.train} & {s.name for s in fold.held_out} for fold in folds)

    def test_images_of_a_group_are_held_out_together(self):
        folds = make_folds(samples("a", "b", "c", "d", groups=["x", "y", "x", "y"]))
        assert held(folds) == [["a", "c"], ["b", "d"]]

    @pytest.mark.parametrize("pattern", [r"d\d", r"(d\d)_", r"^(d.)"])
    def test_groups_come_from_the_names_where_a_pattern_is_given(self, pattern):
        folds = make_folds(samples(*MANY), pattern=pattern)
        assert held(folds) == [sorted(MANY[first : first + 4]) for first in (0, 4, 8)]
        assert {sample.group for sample in folds[0].held_out} == {"d0"}

    def test_the_pattern_overrides_the_groups(self):
        folds = make_folds(samples("a1", "b1", "a2", groups=["x", "x", "y"]), pattern=r"\d")
        assert held(folds) == [["a1", "b1"], ["a2"]]

    def test_a_group_with_the_name_of_an_image_is_another(self):
        assert held(make_folds(samples("a", "b", "c", groups=["c", "c"]))) == [["a", "b"], ["c"]]

    def test_the_seed_shuffles(self):
        first, again, other = (held(make_folds(samples(*MANY), 4, seed=seed)) for seed in (0, 0, 1))
        assert first == again != other

    @pytest.mark.parametrize("count", [1, -1, 13])
    def test_a_number_that_cannot_be_is_rejected(self, count):
        with pytest.raises(SettingError, match="--folds must be between 2 and the number of images or groups"):
            make_folds(samples(*MANY), count)

    @pytest.mark.parametrize("groups", [(), ("x", "x")])
    def test_one_group_alone_is_rejected(self, groups):
        with pytest.raises(DataError, match="needs 2 or more images or groups, got 1"):
            make_folds(samples(*("a", "b")[: max(1, len(groups))], groups=groups))

    def test_a_name_that_does_not_match_is_rejected(self):
        with pytest.raises(DataError, match=r"/c\.tif: the name does not match --group-pattern"):
            make_folds(samples("a1", "b2", "c"), pattern=r"\d")

    def test_a_pattern_that_is_none_is_rejected(self):
        with pytest.raises(SettingError, match="--group-pattern must be a regular expression, got '\\('"):
            make_folds(samples("a1", "b2"), pattern="(")


@given(
    groups=st.lists(st.sampled_from([None, "a", "b", "c", "d"]), min_size=2, max_size=14),
    count=st.integers(0, 8),
    by_pattern=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_every_image_is_held_out_once_and_no_group_is_on_both_sides(groups, count, by_pattern, seed):
    """For any groups, number of folds and seed; a pattern overrides groups."""
    names = [f"{group or number}_{number}" for number, group in enumerate(groups)]
    given_groups = [] if by_pattern else groups
    everything = samples(*names, groups=given_groups)
    own = {name: name.split("_")[0] if by_pattern or group else name for name, group in zip(names, groups, strict=True)}
    assume(len(set(own.values())) > 1)
    assume(count == 0 or 2 <= count <= len(set(own.values())))
    folds = make_folds(everything, count, r"^[^_]+" if by_pattern else None, seed)
    assert len(folds) == (count or (len(set(own.values())) if len(names) < 7 else min(5, len(set(own.values())))))
    assert sorted(sample.name for fold in folds for sample in fold.held_out) == sorted(names)
    for fold in folds:
        train, out = ({sample.name for sample in side} for side in (fold.train, fold.held_out))
        assert train
        assert out
        assert train | out == set(names)
        assert not {own[name] for name in train} & {own[name] for name in out}


def test_a_fold_is_a_datalist_whose_held_out_images_validate_and_are_scored(tmp_path):
    fold = make_folds(samples("a", "b", "c", groups=["x"]))[1]
    read = json.loads(write_fold(tmp_path / "fold.json", fold).read_text())
    assert [entry["image"] for entry in read["training"]] == ["/a.tif", "/c.tif"]
    assert read["training"][0]["group"] == "x"
    assert read["validation"] == read["test"] == [{"name": "b", "image": "/b.tif", "label": "/labels/b.tif"}]


def test_an_image_that_is_there_twice_is_rejected(folder):
    images = folder / "train" / "images"
    shutil.copyfile(images / "train_00.tif", images / "train_02.tif")
    with pytest.raises(DataError, match=r"train_02.tif: each image must be listed once, .*train_00.tif is the same"):
        check_unique_names(list_samples(folder, "train"))


def test_a_parenthesis_that_is_empty_in_a_name_is_no_group(folder):
    (folder / "train" / "images" / "train_00.tif").rename(folder / "train" / "images" / "d1_train_00.tif")
    (folder / "train" / "labels" / "train_00.tif").rename(folder / "train" / "labels" / "d1_train_00.tif")
    with pytest.raises(DataError, match="finds an empty group in the name"):
        make_folds(list_samples(folder, "train"), pattern=r"(d\d)?_?train")


def test_names_of_two_folders_stay_apart_in_a_fold(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder / "train", other)
    entries = [
        {"image": str(root / "images" / "train_00.tif"), "label": str(root / "labels" / "train_00.tif")}
        for root in (folder / "train", other)
    ]
    entries[0]["image"], entries[0]["name"] = str(folder / "train" / "images" / "train_01.tif"), "first"
    entries[0]["label"] = str(folder / "train" / "labels" / "train_01.tif")
    entries[1]["name"] = "second"
    (tmp_path / "list.json").write_text(json.dumps({"training": entries}))
    folds = make_folds(list_samples(tmp_path / "list.json", "train"))
    for fold, name in zip(folds, ("first", "second"), strict=True):
        (held,) = list_samples(write_fold(tmp_path / f"{fold.name}.json", fold), "test")
        assert held.name == name


def test_a_pattern_of_alternatives():
    parts = make_folds(samples("day1_a", "plate2_a", "day1_b", "plate2_b"), pattern=r"(day\d)|(plate\d)")
    assert [[sample.name for sample in fold.held_out] for fold in parts] == [["day1_a", "day1_b"], ["plate2_a", "plate2_b"]]


def find(part, whole):
    """The place of a crop in its image."""
    windows = np.lib.stride_tricks.sliding_window_view(whole, part.shape)
    (place,) = np.argwhere((windows == part).all(axis=(2, 3)))
    return tuple(place)


@pytest.mark.parametrize("share", [0.125, 0.25, 0.5])
def test_the_same_part_of_every_plane(bordered, tmp_path, share):
    (sample, *_) = list_samples(bordered, "train")
    part = crop_sample(sample, share, tmp_path / "part", np.random.default_rng(1))
    assert part.name == sample.name
    places = set()
    for before, after in ((sample.image, part.image), (sample.border, part.border)):
        whole, piece = tifffile.imread(before), tifffile.imread(after)
        assert piece.dtype == whole.dtype
        assert piece.size / whole.size == pytest.approx(share, rel=0.05)
        assert piece.shape[0] / piece.shape[1] == pytest.approx(whole.shape[0] / whole.shape[1], rel=0.05)
        if before == sample.image:
            places.add(find(piece, whole))
    (top, left) = places.pop()
    label = tifffile.imread(part.label)
    height, width = label.shape
    np.testing.assert_array_equal(label, tifffile.imread(sample.label)[top : top + height, left : left + width])
    assert label.any()
    assert not label.all()


def test_places_differ_by_the_draw_and_repeat_with_the_seed(folder, tmp_path):
    (sample, *_) = list_samples(folder, "train")
    images = [
        tifffile.imread(crop_sample(sample, 0.25, tmp_path / str(i), np.random.default_rng(seed)).image)
        for i, seed in enumerate((0, 0, 1))
    ]
    assert (images[0] == images[1]).all()
    assert (images[0] != images[2]).any()


def test_the_whole(folder, tmp_path):
    (sample, *_) = list_samples(folder, "train")
    part = crop_sample(sample, 1.0, tmp_path / "part", np.random.default_rng(0))
    np.testing.assert_array_equal(tifffile.imread(part.image), tifffile.imread(sample.image))


def test_a_label_of_one_class_is_rejected_and_nothing_written(tmp_path):
    write_sample(
        tmp_path / "data", "empty", np.zeros((40, 50), np.uint16), image=np.arange(2000, dtype=np.uint16).reshape(40, 50)
    )
    (sample,) = list_samples(tmp_path / "data", "train")
    with pytest.raises(DataError, match=r"a rectangle of 25.0% of the area must hold cells and background, found none"):
        crop_sample(sample, 0.25, tmp_path / "part", np.random.default_rng(0))
    assert not (tmp_path / "part").exists()


def test_of_an_image_that_is_annotated_in_part_the_share_is_of_this_part(tmp_path):
    label = np.zeros((60, 80), np.uint16)
    label[22:38:2, 42:58:3] = 1
    write_sample(tmp_path, "a", label, image=np.arange(4800, dtype=np.uint16).reshape(60, 80))
    ignored = np.ones(label.shape, np.uint8)
    ignored[20:40, 40:60] = 0
    ignored[25:28] = 1
    (tmp_path / "train/ignore").mkdir()
    tifffile.imwrite(tmp_path / "train/ignore/a.tif", ignored)
    (sample,) = list_samples(tmp_path, "train")
    part = crop_sample(sample, 0.25, tmp_path / "part", np.random.default_rng(0))
    image, found = tifffile.imread(part.image), tifffile.imread(part.label)
    assert image.shape == (10, 10)
    top, left = np.divmod(int(image[0, 0]), 80)
    assert 20 <= top <= 30
    assert 40 <= left <= 50
    assert part.ignore is None
    expected = np.where(ignored > 0, -1, label)[top : top + 10, left : left + 10]
    np.testing.assert_array_equal(found, expected)
