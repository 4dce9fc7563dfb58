"""Splits without shared pixels, and the one that leaks."""

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import hypothesis.strategies as st
import numpy as np
import pytest
import tifffile
from hypothesis import assume, given

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.split import SPLITS, Split, split_samples
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Region, Sample
from livecell_monai.settings.training import Split as SplitSettings
from tests.support.worlds import some_cells


def sample_of(folder: Path, label, name="a", group=None):
    path = folder / f"{name}.tif"
    tifffile.imwrite(path, label)
    return Sample(name, path, path, group=group)  # splitting reads the label alone


def paint(region, shape, margin=0):
    """A mask (Y, X), true in a region widened by a margin."""
    mask = np.zeros(shape, bool)
    mask[max(0, region.top - margin) : region.bottom + margin, max(0, region.left - margin) : region.right + margin] = True
    return mask


def share_pixels(split, shape, margin=0):
    """Whether a training region, widened by a margin, reaches into the validation region of the same image."""
    held = {sample.name: sample.region or Region(0, 0, *shape) for sample in split.validation}
    pairs = [(sample.region or Region(0, 0, *shape), held[sample.name]) for sample in split.train if sample.name in held]
    return any(bool(np.any(paint(train, shape, margin) & paint(other, shape))) for train, other in pairs)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("split")


@pytest.fixture(scope="module")
def ten(place):
    """Ten samples of one label, each a group of its own."""
    return [replace(sample_of(place, some_cells()), name=f"{index}") for index in range(10)]


class TestRegion:
    @given(
        shapes=st.lists(st.tuples(st.integers(1, 70), st.integers(1, 70)), min_size=1, max_size=3),
        groups=st.lists(st.sampled_from([None, "a", "b"]), min_size=3, max_size=3),
        mode=st.sampled_from(["auto", "region"]),
        fraction=st.floats(0.01, 0.5),
        guard=st.integers(0, 30),
        density=st.sampled_from([0.01, 0.2, 0.9]),
        seed=st.integers(0, 2**32),
    )
    def test_the_sides_never_meet(self, place, shapes, groups, mode, fraction, guard, density, seed):
        generator = np.random.default_rng(seed)
        labels = {f"random_{i}": (generator.random(shape) < density).astype(np.uint8) for i, shape in enumerate(shapes)}
        samples = [sample_of(place, *one, group=group) for group, *one in zip(groups, labels.values(), labels, strict=False)]
        try:
            split = split_samples(samples, mode, fraction, guard, seed)
        except DataError as error:
            assert re.search(r"random_\d\.tif: a strip of \d+% along one side must leave foreground and", str(error))  # noqa: PT017
            assume(False)
        assert split.mode == "region"
        for train, held in zip(split.train, split.validation, strict=True):
            assert train.name == held.name
            label, own = labels[train.name], Split("region", (train,), (held,))
            assert not share_pixels(own, label.shape)
            assert not share_pixels(own, label.shape, margin=guard)
            for side in (train.region, held.region):
                assert 0 <= side.top < side.bottom <= label.shape[0]
                assert 0 <= side.left < side.right <= label.shape[1]
                assert set(np.unique(side.crop(label))) == {0, 1}

    def test_the_band_is_as_wide_as_said_and_no_wider(self, ten):
        split = split_samples(ten[:3], "region", guard=9)
        assert not share_pixels(split, (96, 112), margin=9)
        assert share_pixels(split, (96, 112), margin=10)

    @pytest.mark.parametrize("fraction", [0.1, 0.15, 0.5])
    def test_a_strip_of_the_size_requested(self, ten, fraction):
        region = split_samples(ten[:1], "region", fraction, 0).validation[0].region
        height, width = region.bottom - region.top, region.right - region.left
        assert (height, width) in {(round(96 * fraction), 112), (96, round(112 * fraction))}

    def test_every_image_is_on_both_sides(self, ten):
        split = split_samples(ten, "region")
        assert [sample.name for sample in split.train] == [sample.name for sample in split.validation]
        assert len(split.train) == 10

    def test_takes_the_side_most_like_the_image(self, place):
        label = np.zeros((40, 40), np.uint8)
        label[:, ::2] = 1  # half is foreground ...
        label[:20] = 0
        label[:2, 0] = 1  # ... but next to nothing at the top
        split = split_samples([sample_of(place, label, "stripes")], "region", 0.1, 2)
        region = split.validation[0].region
        assert region.crop(label).mean() == pytest.approx(label.mean(), abs=0.02)
        assert region != Region(0, 0, 4, 40)

    def test_where_no_side_is_possible(self, place):
        label = np.zeros((40, 50), np.uint8)
        label[20, 25] = 1  # one pixel cannot be on both sides
        with pytest.raises(DataError, match=r"dot\.tif: a strip of 15% along one side must .*got none in 40 x 50 pixels"):
            split_samples([sample_of(place, label, "dot")], "region")

    def test_a_guard_wider_than_the_image(self, ten):
        with pytest.raises(DataError, match="a guard of 200; lower guard or raise validation_fraction"):
            split_samples(ten, "region", guard=200)


class TestImages:
    @given(
        groups=st.lists(st.sampled_from([None, "a", "b", "c", "d"]), min_size=2, max_size=20),
        fraction=st.floats(0.01, 0.5),
        seed=st.integers(0, 2**32),
    )
    def test_groups_stay_together(self, groups, fraction, seed):
        samples = [Sample(f"{i}", Path(f"{i}.tif"), Path(f"{i}.tif"), group=group) for i, group in enumerate(groups)]
        own = {sample.group or sample for sample in samples}
        assume(len(own) > 1)
        split = split_samples(samples, "images", fraction, seed=seed)
        train, held = ({sample.group or sample for sample in side} for side in (split.train, split.validation))
        assert train
        assert held
        assert not train & held
        assert train | held == own
        assert len(held) == max(1, round(fraction * len(own)))
        assert sorted([*split.train, *split.validation], key=lambda s: int(s.name)) == samples
        assert {sample.region for sample in samples} == {None}

    def test_an_image_named_like_a_group_is_not_of_it(self):
        samples = [Sample("a", Path("a.tif"), group=None), Sample("b", Path("b.tif"), group="a")]
        split = split_samples(samples, "images")
        assert len(split.train) == len(split.validation) == 1

    def test_seeds(self, ten):
        held = [tuple(s.name for s in split_samples(ten, "images", seed=seed).validation) for seed in (1, 1, 2, 3, 4)]
        assert held[0] == held[1]
        assert len(set(held)) > 1

    def test_one_image_cannot_be_split(self, ten):
        with pytest.raises(DataError, match="needs 2 or more images or groups, got 1; set split to region"):
            split_samples(ten[:1], "images")

    def test_one_group_cannot_be_split(self, ten):
        with pytest.raises(DataError, match="needs 2 or more images or groups, got 1"):
            split_samples([replace(sample, group="dish") for sample in ten], "images")


class TestMode:
    @pytest.mark.parametrize(("images", "mode"), [(1, "region"), (6, "region"), (7, "images"), (10, "images")])
    def test_auto(self, ten, images, mode):
        assert split_samples(ten[:images]).mode == mode

    @pytest.mark.parametrize(("groups", "mode"), [(1, "region"), (2, "images"), (6, "images")])
    def test_auto_holds_groups_out_where_there_are_several(self, ten, groups, mode):
        grouped = [replace(sample, group=f"{index % groups}") for index, sample in enumerate(ten)]
        assert split_samples(grouped).mode == mode

    @pytest.mark.parametrize(
        ("mode", "leaks"), [("auto", False), ("images", False), ("region", False), ("original", True), ("none", True)]
    )
    def test_a_split_that_leaks_says_so(self, ten, mode, leaks):
        split = split_samples(ten, mode)
        assert split.leaks is leaks
        assert share_pixels(split, (96, 112)) is leaks

    @pytest.mark.parametrize("mode", ["original", "none"])
    def test_all_on_both_sides(self, ten, mode):
        assert split_samples(ten, mode) == Split(mode, tuple(ten), tuple(ten))

    def test_reproducible_from_disk(self, folder):
        first, second = (split_samples(list_samples(folder, "train")) for _ in range(2))
        assert first == second

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"mode": "random"}, "split must be auto, images, region, original or none, got 'random'; correct it"),
            ({"fraction": 0}, "validation_fraction must be a number above 0 and at most 0.5, got 0"),
            ({"fraction": 0.51}, "at most 0.5, got 0.51"),
            ({"fraction": float("nan")}, "at most 0.5, got nan"),
            ({"fraction": "auto"}, "at most 0.5, got 'auto'"),
            ({"guard": -1}, "guard must be a whole number of at least 0, got -1"),
            ({"guard": 2.5}, "got 2.5"),
            ({"guard": "auto"}, "got 'auto'"),
        ],
    )
    def test_rejected(self, ten, values, message):
        with pytest.raises(SettingError, match=rf"setting .*{message}"):
            split_samples(ten, **values)


def test_every_split_has_its_text():
    assert set(SPLITS) == {*get_args(SplitSettings.model_fields["split"].annotation), "given"} - {"auto"}


class TestWithoutCells:
    """Images without cells are negatives: they may be on either side, but each side needs cells."""

    @pytest.fixture
    def one_of_eight(self, tmp_path):
        none = [sample_of(tmp_path, np.zeros((96, 112), np.uint8), f"none_{index}") for index in range(7)]
        return [*none, sample_of(tmp_path, some_cells(), "cells")]

    def test_a_region_of_a_negative_is_the_first(self, tmp_path):
        samples = [sample_of(tmp_path, some_cells()), sample_of(tmp_path, np.zeros((96, 112), np.uint8), "none")]
        split = split_samples(samples, "region")
        assert split.validation[1].region == Region(0, 0, 14, 112)

    @pytest.mark.parametrize("seed", range(8))
    def test_both_sides_have_cells(self, tmp_path, one_of_eight, seed):
        samples = [*one_of_eight, sample_of(tmp_path, some_cells(), "more")]
        split = split_samples(samples, "images", seed=seed, empty=[f"none_{index}" for index in range(7)])
        held = {sample.name for sample in split.validation}
        assert len(held & {"cells", "more"}) == 1

    def test_one_image_with_cells_is_split_by_region(self, one_of_eight):
        empty = [f"none_{index}" for index in range(7)]
        assert split_samples(one_of_eight, "auto", empty=empty).mode == "region"
        with pytest.raises(DataError, match="needs cells in 2 or more images or groups, got one; set split to region"):
            split_samples(one_of_eight, "images", empty=empty)


class TestAnnotatedInPart:
    """Only the rows 40 to 59 and columns 10 to 59 of an image are annotated, a sixth of it."""

    @pytest.fixture
    def sample(self, place):
        label = np.full((80, 75), -1, np.int16)
        label[40:60, 10:60] = 0
        label[42:58:3, 11:59] = np.arange(1, 49) % 3
        return sample_of(place, label, "part")

    @pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5])
    def test_the_strip_holds_the_fraction_of_the_annotated_pixels(self, sample, fraction):
        label = tifffile.imread(sample.image)
        split = split_samples([sample], "region", fraction, guard=2)
        train, held = (side[0].region.crop(label) for side in (split.train, split.validation))
        assert fraction <= (held >= 0).sum() / (label >= 0).sum() <= fraction + 1 / 20
        assert (train >= 0).sum() / (label >= 0).sum() >= 1 - fraction - 3 / 20
        assert (train > 0).any()
        assert (held > 0).any()
        assert not share_pixels(split, label.shape, margin=2)

    def test_an_image_without_cells_has_annotated_pixels_in_both_parts(self, place):
        label = np.full((30, 30), -1, np.int16)
        label[20:, 20:] = 0
        split = split_samples([sample_of(place, label, "empty")], "region", 0.2, guard=1)
        for side in (split.train, split.validation):
            assert (side[0].region.crop(label) == 0).any()

    def test_ten_regions_are_split_by_images(self, sample):
        split = split_samples([replace(sample, name=str(index)) for index in range(10)])
        assert (split.mode, len(split.train), len(split.validation)) == ("images", 8, 2)
