"""An exported model is compared with its bundle, and must agree."""

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import BundleError
from livecell_monai.packaging.model import run_torch
from livecell_monai.packaging.parity import ODD, Parity, check_parity, measure_parity


@pytest.fixture(scope="module")
def image(picture):
    return tifffile.imread(picture).astype(np.float32)


def test_the_same_model_agrees_on_the_image_and_on_a_part_of_odd_size(model, segmenter, image):
    seen = []

    def run(part):
        seen.append(part.shape)
        return run_torch(model.traced)(part)

    parity = measure_parity(run, segmenter, image)
    assert parity.iou == 1.0
    assert parity.largest_difference < 1e-5
    assert seen == [(96, 112), (96 - ODD[0], 112 - ODD[1])]
    check_parity(parity, 0.999, "bundle")


def test_the_worst_image_counts(model, segmenter, image):
    def run(part):
        maps = run_torch(model.traced)(part)
        return maps if part.shape == image.shape else np.roll(maps, 1, axis=2)

    parity = measure_parity(run, segmenter, image)
    assert 0 < parity.iou < 0.9
    assert parity.largest_difference > 0.1
    with pytest.raises(
        BundleError, match=r"^bundle, --format onnx: .* at IoU 0.999 or more, got 0\.\d{4} .*nothing was written"
    ):
        check_parity(parity, 0.999, "bundle, --format onnx")


@pytest.mark.parametrize("found", [np.zeros((1, 5, 5), np.float32), np.full((2, 96, 112), np.nan, np.float32)])
def test_maps_of_another_shape_or_without_a_value_do_not_agree(segmenter, image, found):
    parity = measure_parity(
        lambda part: found if found.shape[0] == 1 else found[:, : part.shape[0], : part.shape[1]], segmenter, image
    )
    with pytest.raises(BundleError):
        check_parity(parity, 0.99, "bundle")


@pytest.mark.parametrize(("threshold", "what"), [(1.1, "empty"), (-0.1, "full")])
def test_a_mask_without_cells_or_without_background_says_nothing(model, segmenter, image, monkeypatch, threshold, what):
    monkeypatch.setattr(segmenter, "threshold", threshold)
    with pytest.raises(BundleError, match=f"its mask is {what}; name an image with cells by --image FILE"):
        measure_parity(run_torch(model.traced), segmenter, image)


def test_figures_are_rounded():
    assert Parity(0.99912345678, 1.23456789e-4).facts() == {"iou": 0.999123, "largest_difference": 0.000123}
