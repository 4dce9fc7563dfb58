"""Robust grey values: the same for every gain and offset, whatever a few hot pixels say."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from monai.data import MetaTensor
from worlds import picture_of, some_cells

from livecell_monai.errors import SettingError
from livecell_monai.transforms import StandardiseRobust, StandardiseRobustd, intensity

UNCLIPPED = (0, 100)


@pytest.fixture
def cells():
    """An image (1, Y, X) float32 from 8,114 to 65,535."""
    return torch.from_numpy(picture_of(some_cells()).astype("float32"))[None]


def with_hot_pixels(image, value=1e6):
    """The image with 10 hot pixels, all apart."""
    hot = image.clone()
    hot.flatten()[torch.arange(10) * 997 + 13] = value
    return hot


def rms(first, second, but=None):
    """Root mean square of the difference, over all pixels but those."""
    apart = (first - second).square()
    return float((apart if but is None else apart[~but]).mean().sqrt())


class TestStandardiseRobust:
    @pytest.mark.parametrize("percentiles", [(0.1, 99.9), (2, 98), UNCLIPPED])
    def test_mean_0_and_standard_deviation_1(self, cells, percentiles):
        assert cells.mean() > 1e4
        standard = StandardiseRobust(percentiles)(cells)
        assert standard.shape == cells.shape
        assert standard.dtype == torch.float32
        assert float(standard.mean()) == pytest.approx(0, abs=1e-4)
        assert float(standard.std(correction=0)) == pytest.approx(1, abs=1e-4)

    def test_clips_at_the_percentiles_and_keeps_the_order_between(self):
        image = torch.arange(1001.0)[torch.randperm(1001, generator=torch.Generator().manual_seed(0))][None, None]
        standard = StandardiseRobust((10, 80))(image)
        ordered = standard.flatten()[image.flatten().argsort()]
        assert (ordered[:101] == ordered[0]).all()
        assert (ordered[800:] == ordered[-1]).all()
        assert (ordered[100:801].diff() > 0).all()

    @pytest.mark.parametrize("value", [1e6, -1e6])
    def test_hot_pixels_do_not_matter(self, cells, value):
        hot = with_hot_pixels(cells, value)
        but = hot != cells
        assert int(but.sum()) == 10
        unclipped, robust = StandardiseRobust(UNCLIPPED), StandardiseRobust((0.1, 99.9))
        assert rms(unclipped(hot), unclipped(cells), but) > 0.3
        assert rms(robust(hot), robust(cells), but) < 0.02
        assert robust(hot).abs().max() < 4 < unclipped(hot).abs().max()

    @settings(deadline=None, max_examples=40, database=None)
    @given(
        gain=st.floats(0.01, 1000),
        offset=st.floats(-1, 1),
        seed=st.integers(0, 2**32),
        size=st.tuples(st.integers(2, 30), st.integers(2, 30)),
    )
    def test_gain_and_offset_do_not_matter(self, gain, offset, seed, size):
        image = torch.rand(1, *size, generator=torch.Generator().manual_seed(seed)) ** 2
        standardise = StandardiseRobust((1, 99))
        brighter = gain * (image + offset)
        assert gain == 1 or not torch.equal(brighter, image)
        torch.testing.assert_close(standardise(brighter), standardise(image), atol=2e-3, rtol=0)

    def test_a_negative_gain_would_be_noticed(self, cells):
        standardise = StandardiseRobust()
        assert rms(standardise(-cells), standardise(cells)) > 1

    @pytest.mark.parametrize("value", [0.0, 1.0, -7.3, 65_535.0, 1e6])
    @pytest.mark.parametrize("size", [(1, 1), (40, 50), (301, 303)])
    def test_an_image_of_one_value_becomes_0(self, value, size):
        assert torch.equal(StandardiseRobust()(torch.full((1, *size), value)), torch.zeros(1, *size))

    def test_two_close_values_are_no_constant(self):
        image = torch.full((1, 40, 50), 1000.0)
        image[:, 10:] += 1
        assert sorted(StandardiseRobust()(image).unique().tolist()) == pytest.approx(
            [-math.sqrt(3), 1 / math.sqrt(3)], abs=1e-3
        )

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.float64, torch.bfloat16])
    def test_takes_every_kind_of_number(self, dtype):
        standard = StandardiseRobust()(torch.arange(100).reshape(1, 10, 10).to(dtype))
        assert standard.dtype == torch.float32
        assert float(standard.std(correction=0)) == pytest.approx(1, abs=1e-4)

    def test_the_image_given_is_left_as_it_is(self, cells):
        before = cells.clone()
        StandardiseRobust()(cells)
        StandardiseRobust(UNCLIPPED)(cells)
        assert torch.equal(cells, before)

    def test_a_metatensor_keeps_its_meta(self, cells):
        image = MetaTensor(cells, meta={"filename_or_obj": "a.tif", "spatial_shape": (96, 112)})
        standard = StandardiseRobust()(image)
        assert isinstance(standard, MetaTensor)
        assert standard.meta["filename_or_obj"] == "a.tif"
        assert standard.meta["spatial_shape"] == (96, 112)
        assert torch.equal(standard.as_tensor(), StandardiseRobust()(cells))
        assert type(StandardiseRobust()(cells)) is torch.Tensor


class TestManyPixels:
    def test_a_large_image_is_looked_at_on_a_grid(self, cells, monkeypatch):
        looked_at, quantile = [], torch.quantile

        def counted(values, *args):
            looked_at.append(values.numel())
            return quantile(values, *args)

        monkeypatch.setattr(torch, "quantile", counted)
        whole = StandardiseRobust()(cells)
        monkeypatch.setattr(intensity, "MOST_PIXELS", 1000)
        some = StandardiseRobust()(cells)
        assert looked_at[0] == cells.numel() == 96 * 112
        assert 500 < looked_at[1] <= 1000
        assert not torch.equal(whole, some)
        torch.testing.assert_close(whole, some, atol=0.1, rtol=0.1)

    def test_only_the_percentiles_come_from_the_grid(self, monkeypatch):
        """The grid meets every second column, of which the others are half as bright: mean and deviation are of all."""
        image = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(0))
        image[:, :, 1::2] *= 0.5
        monkeypatch.setattr(intensity, "MOST_PIXELS", 400)
        standard = StandardiseRobust(UNCLIPPED)(image)
        assert float(standard.mean()) == pytest.approx(0, abs=1e-5)
        assert float(standard.std(correction=0)) == pytest.approx(1, abs=1e-4)

    def test_an_image_larger_than_torch_takes_at_once(self):
        image = torch.arange(4000.0 * 4500).reshape(1, 4000, 4500)
        with pytest.raises(RuntimeError, match="input tensor is too large"):
            torch.quantile(image, 0.5)
        assert float(StandardiseRobust()(image).std(correction=0)) == pytest.approx(1, abs=1e-3)


class TestPercentiles:
    @pytest.mark.parametrize(
        "percentiles",
        [(99, 1), (50, 50), (-1, 99), (0.1, 100.1), (1,), (1, 50, 99), (), 5, None, "auto", (math.nan, 99), (1, math.nan)],
        ids=repr,
    )
    @pytest.mark.parametrize("build", [StandardiseRobust, lambda percentiles: StandardiseRobustd("image", percentiles)])
    def test_what_is_no_rising_pair_is_refused(self, build, percentiles):
        with pytest.raises(SettingError, match="setting percentiles must be two rising numbers in") as refusal:
            build(percentiles)
        assert repr(percentiles) in str(refusal.value)

    @pytest.mark.parametrize("percentiles", [["low", "high"], [None, 99], [[1], [99]], "ab"], ids=repr)
    def test_what_are_no_numbers_is_refused(self, percentiles):
        with pytest.raises(SettingError, match="setting percentiles must be two rising numbers in"):
            StandardiseRobust(percentiles)

    @pytest.mark.parametrize("percentiles", [(0, 100), [1, 99], (0.1, 99.9)])
    def test_taken(self, percentiles):
        StandardiseRobust(percentiles)


class TestStandardiseRobustd:
    def test_changes_its_keys_alone(self, cells):
        sample = {"image": cells, "label": cells, "name": "a"}
        standard = StandardiseRobustd("image", (1, 99))(sample)
        assert torch.equal(standard["image"], StandardiseRobust((1, 99))(cells))
        assert not torch.equal(standard["image"], StandardiseRobust((5, 95))(cells))
        assert standard["label"] is cells
        assert standard["name"] == "a"
        assert sample["image"] is cells

    def test_changes_every_key(self, cells):
        standard = StandardiseRobustd(["image", "label"])({"image": cells, "label": 2 * cells})
        torch.testing.assert_close(standard["image"], standard["label"])

    def test_not_enabled_leaves_it(self, cells):
        assert StandardiseRobustd("image", enabled=False)({"image": cells})["image"] is cells
        assert StandardiseRobustd("image", enabled=True)({"image": cells})["image"] is not cells

    def test_a_missing_key_is_not_passed_over(self, cells):
        with pytest.raises(KeyError, match="border"):
            StandardiseRobustd(["image", "border"])({"image": cells})
