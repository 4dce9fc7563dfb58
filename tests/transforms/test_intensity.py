"""Grey values: the same for every gain, offset and number of cells, whatever a few hot pixels say."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from monai.data import MetaTensor

from livecell_monai.errors import SettingError
from livecell_monai.transforms import NormaliseContrast, NormaliseContrastd, intensity
from tests.support.worlds import picture_of, some_cells

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


class TestNormaliseContrast:
    @pytest.mark.parametrize("percentiles", [(0.1, 99.9), (2, 98), UNCLIPPED])
    def test_median_0_and_contrast_3(self, cells, percentiles):
        assert cells.median() > 1e4
        normal = NormaliseContrast(percentiles)(cells)
        assert normal.shape == cells.shape
        assert normal.dtype == torch.float32
        assert float(normal.median()) == pytest.approx(0, abs=1e-3)
        far = normal.square()[normal.abs() >= 3].sum()
        assert float(far / normal.square().sum()) == pytest.approx(0.5, abs=0.01)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_cells_lie_as_far_from_the_background_be_they_few_or_many(self, sign):
        """What a standard deviation does not give: 2 % of cells would lie at 7, 40 % at 1.2."""
        level = {}
        for share in (0.02, 0.4):
            image = torch.zeros(1, 100, 100)
            image[:, : round(100 * share)] = sign * 50
            image += torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
            level[share] = float(NormaliseContrast()(image)[:, : round(100 * share)].mean())
        assert level[0.02] == pytest.approx(3 * sign, rel=0.03)
        assert level[0.4] == pytest.approx(3 * sign, rel=0.03)

    def test_a_cell_smaller_than_the_share_that_is_clipped_stays(self):
        image = torch.full((1, 100, 100), 200.0)
        image[:, 40:42, 40:42] = 900
        assert sorted(NormaliseContrast()(image).unique().tolist()) == [0, 3]

    def test_clips_at_the_percentiles_and_keeps_the_order_between(self):
        image = torch.arange(1001.0)[torch.randperm(1001, generator=torch.Generator().manual_seed(0))][None, None]
        normal = NormaliseContrast((10, 80))(image)
        ordered = normal.flatten()[image.flatten().argsort()]
        assert (ordered[:101] == ordered[0]).all()
        assert (ordered[800:] == ordered[-1]).all()
        assert (ordered[100:801].diff() > 0).all()

    @pytest.mark.parametrize("value", [1e6, -1e6])
    def test_hot_pixels_do_not_matter(self, cells, value):
        hot = with_hot_pixels(cells, value)
        but = hot != cells
        assert int(but.sum()) == 10
        unclipped, robust = NormaliseContrast(UNCLIPPED), NormaliseContrast((0.1, 99.9))
        assert rms(unclipped(hot), unclipped(cells), but) > 0.3
        assert rms(robust(hot), robust(cells), but) < 0.02
        assert unclipped(hot).abs().median() < 0.02 < robust(hot).abs().median()  # all contrast is that of the hot pixels

    @given(
        gain=st.floats(0.01, 1000),
        offset=st.floats(-1, 1),
        seed=st.integers(0, 2**32),
        size=st.tuples(st.integers(2, 30), st.integers(2, 30)),
    )
    def test_gain_and_offset_do_not_matter(self, gain, offset, seed, size):
        image = torch.rand(1, *size, generator=torch.Generator().manual_seed(seed)) ** 2
        normalise = NormaliseContrast((1, 99))
        brighter = gain * (image + offset)
        assert gain == 1 or not torch.equal(brighter, image)
        torch.testing.assert_close(normalise(brighter), normalise(image), atol=2e-3, rtol=0)

    def test_a_negative_gain_would_be_noticed(self, cells):
        normalise = NormaliseContrast()
        assert rms(normalise(-cells), normalise(cells)) > 1

    @pytest.mark.parametrize("value", [0.0, 1.0, -7.3, 65_535.0, 1e6])
    @pytest.mark.parametrize("size", [(1, 1), (40, 50), (301, 303)])
    def test_an_image_of_one_value_becomes_0(self, value, size):
        assert torch.equal(NormaliseContrast()(torch.full((1, *size), value)), torch.zeros(1, *size))

    def test_two_close_values_are_no_constant(self):
        image = torch.full((1, 40, 50), 1000.0)
        image[:, 10:] += 1
        assert sorted(NormaliseContrast()(image).unique().tolist()) == [-3, 0]

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.float64, torch.bfloat16])
    def test_takes_every_kind_of_number(self, dtype):
        normal = NormaliseContrast()(torch.arange(100).reshape(1, 10, 10).to(dtype))
        assert normal.dtype == torch.float32
        # of an even spread of values half of the energy lies beyond 0.5 ** (1 / 3) of the greatest
        assert float(normal.max()) == pytest.approx(3 * 2 ** (1 / 3), rel=0.03)

    def test_the_image_given_is_left_as_it_is(self, cells):
        before = cells.clone()
        NormaliseContrast()(cells)
        NormaliseContrast(UNCLIPPED)(cells)
        assert torch.equal(cells, before)

    def test_a_metatensor_keeps_its_meta(self, cells):
        image = MetaTensor(cells, meta={"filename_or_obj": "a.tif", "spatial_shape": (96, 112)})
        normal = NormaliseContrast()(image)
        assert isinstance(normal, MetaTensor)
        assert normal.meta["filename_or_obj"] == "a.tif"
        assert normal.meta["spatial_shape"] == (96, 112)
        assert torch.equal(normal.as_tensor(), NormaliseContrast()(cells))
        assert type(NormaliseContrast()(cells)) is torch.Tensor


class TestManyPixels:
    def test_a_large_image_is_looked_at_on_a_grid(self, cells, monkeypatch):
        looked_at, quantile = [], np.quantile

        def counted(values, *args):
            looked_at.append(values.size)
            return quantile(values, *args)

        monkeypatch.setattr(np, "quantile", counted)
        whole = NormaliseContrast()(cells)
        monkeypatch.setattr(intensity, "MOST_PIXELS", 1000)
        some = NormaliseContrast()(cells)
        assert looked_at[0] == cells.numel() == 96 * 112
        assert 500 < looked_at[1] <= 1000
        assert not torch.equal(whole, some)
        torch.testing.assert_close(whole, some, atol=0.1, rtol=0.1)

    @pytest.mark.parametrize("percentiles", [(0.1, 99.9), UNCLIPPED])
    def test_a_scale_measured_of_the_whole_fits_every_part(self, cells, percentiles):
        normalise = NormaliseContrast(percentiles)
        scale = normalise.measure(cells.flatten(), lambda _: pytest.fail("nearly all pixels are not alike"))
        part = cells[0, 10:30, 5:60]
        kept = part.clone()
        assert torch.equal(scale(part), normalise(cells)[0, 10:30, 5:60])
        assert torch.equal(part, kept)
        assert not torch.equal(normalise(part[None])[0], scale(part))  # which a scale of its own does not

    def test_few_that_differ_may_be_given_by_their_number(self):
        image = torch.full((1, 100, 100), 200.0)
        image[:, 40:42, 40:42], image[:, 0, 0] = 900, 150
        values, counts = torch.tensor([150.0, 900.0]), torch.tensor([1, 4])
        scale = NormaliseContrast().measure(image.flatten(), lambda middle: (values, counts) if middle == 200 else None)
        assert torch.equal(scale(image), NormaliseContrast()(image))

    def test_an_image_larger_than_torch_takes_at_once(self):
        image = torch.arange(4000.0 * 4500).reshape(1, 4000, 4500)
        with pytest.raises(RuntimeError, match="input tensor is too large"):
            torch.quantile(image, 0.5)
        assert float(NormaliseContrast()(image).max()) == pytest.approx(3 * 2 ** (1 / 3), rel=0.01)


class TestPercentiles:
    @pytest.mark.parametrize(
        "percentiles",
        [(99, 1), (50, 50), (-1, 99), (0.1, 100.1), (1,), (1, 50, 99), (), 5, None, "auto", (math.nan, 99), (1, math.nan)],
        ids=repr,
    )
    @pytest.mark.parametrize("build", [NormaliseContrast, lambda percentiles: NormaliseContrastd("image", percentiles)])
    def test_what_is_no_rising_pair_is_refused(self, build, percentiles):
        with pytest.raises(
            SettingError, match="setting percentiles must be two increasing numbers from 0 to 100"
        ) as refusal:
            build(percentiles)
        assert repr(percentiles) in str(refusal.value)

    @pytest.mark.parametrize("percentiles", [["low", "high"], [None, 99], [[1], [99]], "ab"], ids=repr)
    def test_what_are_no_numbers_is_refused(self, percentiles):
        with pytest.raises(SettingError, match="setting percentiles must be two increasing numbers from 0 to 100"):
            NormaliseContrast(percentiles)

    @pytest.mark.parametrize("percentiles", [(0, 100), [1, 99], (0.1, 99.9)])
    def test_taken(self, percentiles):
        NormaliseContrast(percentiles)


class TestNormaliseContrastd:
    def test_changes_its_keys_alone(self, cells):
        sample = {"image": cells, "label": cells, "name": "a"}
        normal = NormaliseContrastd("image", (1, 99))(sample)
        assert torch.equal(normal["image"], NormaliseContrast((1, 99))(cells))
        assert not torch.equal(normal["image"], NormaliseContrast((5, 95))(cells))
        assert normal["label"] is cells
        assert normal["name"] == "a"
        assert sample["image"] is cells

    def test_changes_every_key(self, cells):
        normal = NormaliseContrastd(["image", "label"])({"image": cells, "label": 2 * cells})
        torch.testing.assert_close(normal["image"], normal["label"])

    def test_not_enabled_leaves_it(self, cells):
        assert NormaliseContrastd("image", enabled=False)({"image": cells})["image"] is cells
        assert NormaliseContrastd("image", enabled=True)({"image": cells})["image"] is not cells

    def test_a_missing_key_is_not_passed_over(self, cells):
        with pytest.raises(KeyError, match="border"):
            NormaliseContrastd(["image", "border"])({"image": cells})
