"""Which samples a report shows."""

import shutil

import numpy as np
import pytest
import torch

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.items import partition
from livecell_monai.data.dataset.split import given_split
from livecell_monai.errors import DataError
from livecell_monai.sample import IMAGE, TARGET, Region
from livecell_monai.training.shown_samples import draw_samples, pick_test_samples, pick_unseen, show_split
from tests.support.worlds import SHAPE


class TestPicking:
    def test_as_many_as_there_are_by_name(self, folder):
        assert [sample.name for sample in pick_test_samples(folder, 6, 0)] == ["test_00", "test_01"]

    def test_which_ones_hangs_on_the_seed(self, folder):
        drawn = [pick_test_samples(folder, 1, seed)[0].name for seed in range(12)]
        assert drawn == [pick_test_samples(folder, 1, seed)[0].name for seed in range(12)]
        assert set(drawn) == {"test_00", "test_01"}

    def test_without_test_images_there_are_none(self, folder):
        shutil.rmtree(folder / "test")
        assert pick_test_samples(folder, 6, 0) == []

    def test_a_training_never_looks_at_test_labels(self, folder):
        for label in (folder / "test" / "labels").iterdir():
            label.write_bytes(b"not to be read")
        assert [sample.label for sample in pick_unseen(folder, 6, 0)] == [None, None]

    def test_test_images_that_break_a_rule_stop_no_training(self, folder):
        (folder / "test/labels/test_00.tif").unlink()
        with pytest.raises(DataError, match="test_00"):
            pick_test_samples(folder, 6, 0)
        assert pick_unseen(folder, 6, 0) == []


class TestShowSplit:
    def test_by_region(self, folder):
        split = partition(folder)
        for one, trained, held in zip(show_split(split), split.train, split.validation, strict=True):
            assert (one.name, one.training, one.validation) == (trained.name, trained.region, held.region)
            assert one.image.shape == one.truth.shape == SHAPE
            assert one.truth.dtype == bool

    def test_whole_images_are_on_one_side(self, folder):
        samples = list_samples(folder, "train")
        sides = show_split(given_split(samples[:2], samples[2:]))
        whole = Region(0, 0, *SHAPE)
        assert [(one.training, one.validation) for one in sides] == [(whole, None), (whole, None), (None, whole)]

    def test_of_a_split_that_leaks_they_are_on_both(self, folder):
        whole = Region(0, 0, *SHAPE)
        assert {(one.training, one.validation) for one in show_split(partition(folder, "original"))} == {(whole, whole)}

    def test_no_more_than_asked_for(self, folder):
        assert len(show_split(partition(folder), most=2)) == 2


def test_samples_are_a_batch_as_the_network_sees_it():
    images = torch.arange(40.0).reshape(20, 1, 1, 2)
    found, labels = draw_samples([{IMAGE: images, TARGET: (images > 7).float()}, {}])
    assert found.tolist() == images[:16, 0].tolist()
    assert labels.dtype == np.bool_
    assert labels.tolist() == (images[:16, 0] > 7).tolist()
