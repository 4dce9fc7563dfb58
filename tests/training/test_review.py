import shutil

import numpy as np
import pytest

from livecell_monai.data.dataset.items import partition
from livecell_monai.errors import BundleError, DataError
from livecell_monai.metrics import score_mask
from livecell_monai.tasks import evaluate
from livecell_monai.training.review import open_review
from tests.support.worlds import some_cells, write_sample


@pytest.fixture
def data(trained, tmp_path):
    return shutil.copytree(trained[0], tmp_path / "data")


def test_a_bundle_beside_its_own_data(trained, tmp_path):
    data, bundle = trained
    shown = open_review(bundle, data)
    assert shown.data_sha256 is not None
    judged = list(shown.predictions)
    assert len(judged) == shown.expected == 5
    assert [one.role for one in judged] == ["validation"] * 3 + ["test"] * 2
    split = partition(data)
    assert [one.validation for one in shown.sides] == [sample.region for sample in split.validation]
    images, labels = shown.samples
    assert images.shape == labels.shape == (4, 64, 64)
    assert labels.any()
    assert shown.diameter_px > 5
    assert shown.left_out == 0
    summary = evaluate(bundle, data, tmp_path / "scores", {"show_progress": False})
    tests = [score_mask(one.mask, one.truth).iou for one in judged if one.role == "test"]
    assert np.mean(tests) == pytest.approx(summary["iou"]["mean"])


def test_the_digest_is_that_of_the_training_and_of_no_other_data(trained, data):
    import json

    training = json.loads((trained[1] / "configs" / "metadata.json").read_text())["training"]
    assert open_review(trained[1], data).data_sha256 == training["data_sha256"]
    write_sample(data, "train_01", some_cells(seed=77))
    assert open_review(trained[1], data).data_sha256 != training["data_sha256"]


def test_data_without_annotated_images_are_test_images_alone(trained, data):
    shutil.rmtree(data / "train")
    shown = open_review(trained[1], data)
    assert (shown.data_sha256, shown.sides, shown.samples, shown.diameter_px) == (None, (), None, 0)
    assert [one.role for one in shown.predictions] == ["test", "test"]


def test_data_without_labels_of_the_test_images(trained, data):
    shutil.rmtree(data / "test" / "labels")
    assert [one.truth is None for one in open_review(trained[1], data).predictions] == [False] * 3 + [True] * 2


def test_of_many_test_images_some_are_drawn(trained, data):
    shown = open_review(trained[1], data, most_tests=1)
    assert (shown.left_out, shown.expected) == (1, 4)
    assert len(list(shown.predictions)) == 4


def test_what_is_wrong_is_told_before_anything_is_judged(trained, data, tmp_path):
    with pytest.raises(DataError, match="nowhere: the data folder does not exist"):
        open_review(trained[1], tmp_path / "nowhere")
    (data / "test/images/test_01.tif").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"test_01\.tif"):
        open_review(trained[1], data)
    with pytest.raises(BundleError, match="must have a folder configs/"):
        open_review(tmp_path, data)
