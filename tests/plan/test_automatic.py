"""Settings that are `auto` or `balanced`: the step of the learning rate, the weight of foreground pixels."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from livecell_monai.data.dataset.split import split_samples
from livecell_monai.errors import SettingError
from livecell_monai.plan import choose_lr_step, choose_pos_weight
from livecell_monai.sample import Region, Sample


@pytest.mark.parametrize("epochs", range(5, 201))
def test_auto_reduces_the_learning_rate_twice(epochs):
    step = choose_lr_step("auto", epochs)
    assert len([epoch for epoch in range(1, epochs) if epoch % step == 0]) == 2


@pytest.mark.parametrize(("epochs", "step"), [(1, 1), (2, 1), (3, 1), (4, 2), (20, 8), (100, 40)])
def test_auto_lr_step(epochs, step):
    assert choose_lr_step("auto", epochs) == step


@pytest.mark.parametrize("step", [1, 5, 9])
def test_a_fixed_lr_step_is_kept(step):
    assert choose_lr_step(step, 10) == step


@pytest.mark.parametrize("step", [10, 11, 1000])
def test_a_step_that_never_reduces_the_rate(step):
    with pytest.raises(SettingError, match=rf"lr_step must be below epochs \(10\), .*never falls.*, got {step}; lower it"):
        choose_lr_step(step, 10)


@pytest.mark.parametrize("step", [0, -1, 2.5, "often", None, True, [2]])
def test_rejects_invalid_steps(step):
    with pytest.raises(SettingError, match="setting lr_step must be a whole number of at least 1 or auto, got"):
        choose_lr_step(step, 10)


@pytest.mark.parametrize("epochs", [0, -3, 1.5, "auto"])
def test_rejects_invalid_epochs(epochs):
    with pytest.raises(SettingError, match=f"setting epochs must be a whole number of at least 1, got {epochs!r}"):
        choose_lr_step("auto", epochs)


@pytest.fixture
def sample(tmp_path):
    """A label of 4 x 6 whose first two columns are foreground, by instance ids."""
    label = np.zeros((4, 6), np.uint16)
    label[:, 0], label[:, 1] = 1, 300
    tifffile.imwrite(tmp_path / "a.tif", label)
    return Sample("a", tmp_path / "a.tif", tmp_path / "a.tif")


def test_balanced_is_background_over_foreground(sample):
    assert choose_pos_weight("balanced", [sample]) == 16 / 8


def test_balanced_gives_images_the_same_weight(sample, tmp_path):
    tifffile.imwrite(tmp_path / "b.tif", np.eye(10, dtype=np.uint8))
    other = Sample("b", tmp_path / "b.tif", tmp_path / "b.tif")
    assert choose_pos_weight("balanced", [sample, other]) == pytest.approx((2 / 3 + 0.9) / (1 / 3 + 0.1))


@pytest.mark.parametrize(
    ("region", "weight"), [(Region(0, 1, 4, 6), 4.0), (Region(0, 0, 2, 2), 0.0), (Region(1, 0, 3, 4), 1.0)]
)
def test_balanced_counts_the_region_only(sample, region, weight):
    assert choose_pos_weight("balanced", [replace(sample, region=region)]) == weight


def test_balanced_without_foreground(sample):
    assert choose_pos_weight("balanced", [replace(sample, region=Region(0, 2, 4, 6))]) == 15.0


def test_balanced_skips_images_without_label(sample):
    assert choose_pos_weight("balanced", [sample, replace(sample, label=None)]) == 2.0


def test_held_out_pixels_do_not_count(sample, tmp_path):
    label = np.zeros((10, 20), np.uint8)
    label[::2] = 1
    tifffile.imwrite(tmp_path / "b.tif", label)
    before = split_samples([Sample("b", tmp_path / "b.tif", tmp_path / "b.tif")], "region", guard=2)
    weight = choose_pos_weight("balanced", before.train)
    before.validation[0].region.crop(label)[:] = 1
    tifffile.imwrite(tmp_path / "b.tif", label)
    assert choose_pos_weight("balanced", before.train) == weight
    assert choose_pos_weight("balanced", [replace(before.train[0], region=None)]) != weight


@pytest.mark.parametrize("weight", [0.5, 1, 20])
def test_a_fixed_pos_weight_is_kept(weight):
    kept = choose_pos_weight(weight, [])
    assert kept == weight
    assert isinstance(kept, float)


@pytest.mark.parametrize("weight", [0, -1.0, float("nan"), float("inf"), "much", None, [1.0, 2.0]])
def test_rejects_invalid_pos_weights(weight):
    with pytest.raises(
        SettingError, match=r"setting pos_weight must be a number above 0, auto or balanced, got .*; correct it"
    ):
        choose_pos_weight(weight, [])


def test_auto_is_half_way_between_balanced_and_no_weight(sample):
    auto = choose_pos_weight("auto", [sample])
    assert auto**2 == pytest.approx(choose_pos_weight("balanced", [sample]))
    assert auto / 1 == pytest.approx(2.0 / auto)


def test_balanced_counts_annotated_pixels_only(sample):
    before = choose_pos_weight("balanced", [sample])
    label = tifffile.imread(sample.label).astype(np.int16)
    foreground = (label > 0).sum()
    label[np.unravel_index(np.flatnonzero(label == 0)[: foreground // 2], label.shape)] = -1
    tifffile.imwrite(sample.label, label)
    assert choose_pos_weight("balanced", [sample]) == pytest.approx(before - 0.5, abs=1 / foreground)
