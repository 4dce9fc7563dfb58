"""Steps of a described model: each is what its formula in the format says, on whole images and on parts."""

import json

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from livecell_monai.transforms.described import DescribedStepsd, apply_step, check_step, is_measured, measure_step

AXES = ["batch", "channel", "y", "x"]
IMAGE = np.random.default_rng(3).gamma(2.0, 30.0, (1, 40, 50)).astype(np.float32)
LOW, HIGH = np.percentile(IMAGE, (5, 99.8))
MEAN, STD = IMAGE.mean(dtype=float), IMAGE.std(dtype=float)
#: name, options, what the format defines
FORMULAS = [
    ("scale_range", {}, (IMAGE - IMAGE.min()) / (np.ptp(IMAGE) + 1e-6)),
    ("scale_range", {"min_percentile": 5, "max_percentile": 99.8, "eps": 0.1}, (IMAGE - LOW) / (HIGH - LOW + 0.1)),
    ("scale_range", {"mode": "per_sample", "axes": "xy"}, (IMAGE - IMAGE.min()) / (np.ptp(IMAGE) + 1e-6)),
    ("zero_mean_unit_variance", {"axes": ["channel", "y", "x"]}, (IMAGE - MEAN) / (STD + 1e-6)),
    ("zero_mean_unit_variance", {"mode": "per_dataset", "axes": "yx", "eps": 0.05}, (IMAGE - MEAN) / (STD + 0.05)),
    ("zero_mean_unit_variance", {"mode": "fixed", "mean": 50, "std": [4], "axes": "yx"}, (IMAGE - 50) / (4 + 1e-6)),
    ("fixed_zero_mean_unit_variance", {"mean": 50.5, "std": 4}, (IMAGE - 50.5) / 4),
    ("fixed_zero_mean_unit_variance", {"mean": [50], "std": [4], "axis": "channel"}, (IMAGE - 50) / 4),
    ("scale_linear", {"gain": 2.5, "offset": -3}, IMAGE * 2.5 - 3),
    ("scale_linear", {"offset": [7.0], "axis": "channel"}, IMAGE + 7),
    ("clip", {"min": 20, "max": 90.0}, np.clip(IMAGE, 20, 90)),
    ("clip", {"max": 90.0}, np.minimum(IMAGE, 90)),
    ("clip", {"min_percentile": 5, "max_percentile": 99.8}, np.clip(IMAGE, LOW, HIGH)),
    ("binarize", {"threshold": 60}, (IMAGE > 60).astype(float)),
    ("sigmoid", None, 1 / (1 + np.exp(-IMAGE))),
    ("ensure_dtype", {"dtype": "uint8"}, np.minimum(np.trunc(IMAGE), 255)),
    ("ensure_dtype", {"dtype": "float32"}, IMAGE),
]


@pytest.mark.parametrize(("name", "options", "expected"), FORMULAS)
def test_a_step_is_what_the_format_defines(name, options, expected):
    step = check_step(name, options, AXES, 1)
    changed = apply_step(measure_step(step, IMAGE), IMAGE)
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed, expected, rtol=2e-5, atol=1e-5)


def test_a_step_may_have_a_number_for_each_channel():
    planes = np.stack([IMAGE[0], IMAGE[0] + 1])
    step = check_step("scale_linear", {"gain": [2, 3], "offset": [0, 1], "axis": "channel"}, AXES, 2)
    changed = apply_step(measure_step(step, planes), planes)
    np.testing.assert_allclose(changed, np.stack([planes[0] * 2, planes[1] * 3 + 1]), rtol=1e-6)
    step = check_step("softmax", {"axis": "channel"}, AXES, 2)
    np.testing.assert_allclose(apply_step(measure_step(step, planes), planes).sum(axis=0), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("stardist_postprocessing", {}, "has the step 'stardist_postprocessing', supported are scale_range, "),
        ("custom", {"source": "a.py"}, "has the step 'custom'"),
        (None, {}, "has the step 'None'"),
        (["clip"], {}, r"has the step \"\['clip'\]\""),
        ("clip", {"minimum": 3}, "has the step clip with 'minimum', supported are min, max"),
        ("sigmoid", [3], r"has the step sigmoid with '\[3\]', supported are no options"),
        ("scale_range", {"reference_tensor": "other"}, "has the step scale_range with 'reference_tensor'"),
        ("scale_range", {"axes": ["x"]}, "has the step scale_range over x, it must be over y and x"),
        ("scale_range", {"min_percentile": 101}, "expected a percentile from 0 to 100, got 101"),
        (
            "scale_range",
            {"min_percentile": 50, "max_percentile": 50},
            "min_percentile 50, it must be below max_percentile 50",
        ),
        ("zero_mean_unit_variance", {"mode": "fixed", "mean": 3}, "mode fixed, which must have mean and std"),
        ("fixed_zero_mean_unit_variance", {"mean": 3, "std": 0}, "expected numbers above 0, got 0"),
        ("fixed_zero_mean_unit_variance", {"mean": 3}, "without std"),
        ("scale_linear", {"gain": [1, 2, 3]}, "expected 1 numbers, got 3"),
        ("scale_linear", {"gain": float("nan")}, "expected a number, got 'nan'"),
        ("scale_linear", {"gain": True}, "expected a number, got 'True'"),
        ("scale_linear", {"gain": [1], "axis": "x"}, "along 'x', it must be along a channel axis"),
        ("binarize", {}, "has the step binarize without threshold"),
        ("ensure_dtype", {"dtype": "object"}, "expected one of float32, .*, got 'object'"),
    ],
)
def test_what_cannot_be_done_is_named(name, options, words):
    with pytest.raises(ValueError, match=words):
        check_step(name, options, AXES, 1)


def test_measured_steps_are_of_one_channel():
    with pytest.raises(ValueError, match="has the step scale_range over 2 channels, it must be over one"):
        check_step("scale_range", {}, AXES, 2)
    assert [is_measured(check_step(*each, AXES, 1)) for each in (("scale_range", {}), ("sigmoid", {}))] == [True, False]
    assert is_measured(check_step("clip", {"min_percentile": 3}, AXES, 1))


class TestDescribedStepsd:
    STEPS = (check_step("clip", {"max": 90}, AXES, 1), check_step("scale_range", {}, AXES, 1))

    def test_later_steps_are_measured_after_earlier_ones(self):
        sample = DescribedStepsd("image", self.STEPS)({"image": torch.from_numpy(IMAGE.copy()), "name": "a"})
        clipped = np.minimum(IMAGE, 90)
        np.testing.assert_allclose(sample["image"], (clipped - clipped.min()) / np.ptp(clipped), atol=1e-5)
        assert sample["name"] == "a"

    def test_keeps_the_metadata_and_takes_whole_numbers(self):
        image = MetaTensor(torch.from_numpy(IMAGE).to(torch.uint8), meta={"filename_or_obj": "a.tif"})
        changed = DescribedStepsd("image", self.STEPS)({"image": image})["image"]
        assert (changed.dtype, changed.meta["filename_or_obj"]) == (torch.float32, "a.tif")

    def test_a_part_has_the_values_of_the_whole(self):
        steps = DescribedStepsd("image", self.STEPS)
        whole = steps({"image": torch.from_numpy(IMAGE)})["image"]
        measured = json.loads(json.dumps(steps.measure(torch.from_numpy(IMAGE).flatten())))
        part = steps.apply(torch.from_numpy(IMAGE)[:, 3:9, 5:20], measured)
        torch.testing.assert_close(part, whole[:, 3:9, 5:20], rtol=0, atol=0)
        assert not torch.equal(part, steps({"image": torch.from_numpy(IMAGE)[:, 3:9, 5:20]})["image"])
