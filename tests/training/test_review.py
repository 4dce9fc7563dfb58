"""Samples, split and predictions of a report."""

import shutil

import numpy as np
import pytest
import torch

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.items import partition
from livecell_monai.data.dataset.split import given_split
from livecell_monai.errors import BundleError, DataError
from livecell_monai.metrics import score_mask
from livecell_monai.sample import IMAGE, TARGET, Region
from livecell_monai.tasks import evaluate
from livecell_monai.training.review import draw_samples, open_review, pick_test_samples, pick_unseen, show_split
from tests.support.worlds import SHAPE, some_cells, write_sample


@pytest.fixture
def data(trained, tmp_path):
    return shutil.copytree(trained[0], tmp_path / "data")


def test_a_bundle_and_its_own_data(trained, tmp_path):
    data, bundle = trained
    shown = open_review(bundle, data)
    assert shown.data_sha256 is not None
    predictions = list(shown.predictions)
    assert len(predictions) == shown.expected == 5
    assert [one.role for one in predictions] == ["validation"] * 3 + ["test"] * 2
    split = partition(data)
    assert [one.validation for one in shown.sides] == [sample.region for sample in split.validation]
    images, labels = shown.samples
    assert images.shape == labels.shape == (4, 64, 64)
    assert labels.any()
    assert shown.diameter_px > 5
    assert shown.left_out == 0
    summary = evaluate(bundle, data, tmp_path / "scores", {"show_progress": False})
    tests = [score_mask(one.mask, one.truth).iou for one in predictions if one.role == "test"]
    assert np.mean(tests) == pytest.approx(summary["iou"]["mean"])


def test_the_digest_identifies_the_training_data(trained, data):
    import json

    training = json.loads((trained[1] / "configs" / "metadata.json").read_text())["training"]
    assert open_review(trained[1], data).data_sha256 == training["data_sha256"]
    write_sample(data, "train_01", some_cells(seed=77))
    assert open_review(trained[1], data).data_sha256 != training["data_sha256"]


def test_data_without_annotated_images(trained, data):
    shutil.rmtree(data / "train")
    shown = open_review(trained[1], data)
    assert (shown.data_sha256, shown.sides, shown.samples, shown.diameter_px) == (None, (), None, 0)
    assert [one.role for one in shown.predictions] == ["test", "test"]


def test_test_images_without_labels(trained, data):
    shutil.rmtree(data / "test" / "labels")
    assert [one.truth is None for one in open_review(trained[1], data).predictions] == [False] * 3 + [True] * 2


def test_some_test_images_without_labels(trained, data):
    assert open_review(trained[1], data).unlabelled is None
    (data / "test/labels/test_01.tif").unlink()
    shown = open_review(trained[1], data)
    assert [one.truth is None for one in shown.predictions] == [False] * 4 + [True]
    assert shown.unlabelled.startswith("1 of 2 test images has a label")


def test_some_of_many_test_images_are_drawn(trained, data):
    shown = open_review(trained[1], data, most_tests=1)
    assert (shown.left_out, shown.expected) == (1, 4)
    assert len(list(shown.predictions)) == 4


def test_errors_come_before_predictions(trained, data, tmp_path):
    with pytest.raises(DataError, match="nowhere: the data folder does not exist"):
        open_review(trained[1], tmp_path / "nowhere")
    (data / "test/images/test_01.tif").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"test_01\.tif"):
        open_review(trained[1], data)
    with pytest.raises(BundleError, match="must have a folder configs/"):
        open_review(tmp_path, data)


class TestPicking:
    def test_all_sorted_by_name(self, folder):
        assert [sample.name for sample in pick_test_samples(folder, 6, 0)] == ["test_00", "test_01"]

    def test_the_seed_determines_the_choice(self, folder):
        drawn = [pick_test_samples(folder, 1, seed)[0].name for seed in range(12)]
        assert drawn == [pick_test_samples(folder, 1, seed)[0].name for seed in range(12)]
        assert set(drawn) == {"test_00", "test_01"}

    def test_without_test_images_there_are_none(self, folder):
        shutil.rmtree(folder / "test")
        assert pick_test_samples(folder, 6, 0) == []

    def test_a_training_never_reads_test_labels(self, folder):
        for label in (folder / "test" / "labels").iterdir():
            label.write_bytes(b"not to be read")
        assert [sample.label for sample in pick_unseen(folder, 6, 0)] == [None, None]

    def test_those_with_a_label_come_first(self, folder):
        (folder / "test/labels/test_00.tif").unlink()
        assert {pick_test_samples(folder, 1, seed)[0].name for seed in range(12)} == {"test_01"}

    def test_invalid_test_images_do_not_stop_a_training(self, folder):
        (folder / "test/labels/test_00.tif").rename(folder / "test/labels/tset_00.tif")
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

    def test_by_image(self, folder):
        samples = list_samples(folder, "train")
        sides = show_split(given_split(samples[:2], samples[2:]))
        whole = Region(0, 0, *SHAPE)
        assert [(one.training, one.validation) for one in sides] == [(whole, None), (whole, None), (None, whole)]

    def test_a_split_that_leaks(self, folder):
        whole = Region(0, 0, *SHAPE)
        assert {(one.training, one.validation) for one in show_split(partition(folder, "original"))} == {(whole, whole)}

    def test_greatest_number(self, folder):
        assert len(show_split(partition(folder), most=2)) == 2


def test_augmented_samples():
    images = torch.arange(40.0).reshape(20, 1, 1, 2)
    found, labels = draw_samples([{IMAGE: images, TARGET: (images > 7).float()}, {}])
    assert found.tolist() == images[:16, 0].tolist()
    assert labels.tolist() == (images[:16, 0] > 7).int().tolist()
