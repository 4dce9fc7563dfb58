"""Random looks: each change does what its setting says, none when it is off, and no pixel changes its place."""

from itertools import pairwise

import pytest
import torch

from livecell_monai.transforms import Appearance

OFF = {
    "contrast": 1.0,
    "brightness": 0.0,
    "gamma": 1.0,
    "illumination": 0.0,
    "shading": 0.0,
    "blur": 0.0,
    "noise": 0.0,
}
ON = {"contrast": 1.5, "brightness": 0.5, "gamma": 1.5, "illumination": 0.5, "shading": 0.4, "blur": 1.5, "noise": 0.3}
each_change = pytest.mark.parametrize("name", ON)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(count=8, size=(40, 48)):
    """Patches whose background lies near 0 and whose spread is near 1."""
    return torch.randn(count, 1, *size, generator=seeded())


def step_edge(count=16, size=(40, 48)):
    """Patches that are -1 left of column 20 and 1 from there on, as an image made of a label."""
    images = torch.full((count, 1, *size), -1.0)
    images[..., 20:] = 1.0
    return images


def change(images, *names, probability=1.0, seed=0):
    return Appearance(probability, **{**OFF, **{name: ON[name] for name in names}})(images, seeded(seed))


class TestOffAndOn:
    def test_every_change_is_tested(self):
        assert set(ON) == set(OFF) == set(Appearance.__dataclass_fields__) - {"probability"}

    @pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
    def test_off_leaves_every_bit(self, probability):
        assert torch.equal(change(noise(), probability=probability), noise())

    @each_change
    def test_each_changes_every_patch_where_it_is_certain(self, name):
        images = noise(200)
        share = float(((change(images, name) - images).abs().amax(dim=(1, 2, 3)) > 1e-4).float().mean())
        assert share > (0.8 if name == "blur" else 0.99)  # a Gaussian far narrower than a pixel changes nothing

    @each_change
    def test_none_where_it_is_impossible(self, name):
        torch.testing.assert_close(change(noise(), name, probability=0.0), noise(), atol=1e-5, rtol=0)

    @each_change
    def test_as_many_patches_as_the_probability_says(self, name):
        images = noise(2000, (12, 12))
        changed = (change(images, name, probability=0.3) - images).abs().amax(dim=(1, 2, 3))
        expected = 0.3 * (0.87 if name == "blur" else 1)  # 0.2 of 1.5 pixels are a Gaussian far narrower than a pixel
        # four sigma of a share of 2000 patches are 0.04
        assert float((changed > 1e-4).float().mean()) == pytest.approx(expected, abs=0.04)

    def test_changes_happen_each_by_itself(self):
        images = step_edge(4000, (6, 48))
        both = change(images, "contrast", "brightness", probability=0.5)
        moved = (both.mean(dim=(1, 2, 3)) - images.mean(dim=(1, 2, 3))).abs() > 1e-3  # contrast keeps the mean
        spread = (both.amax(dim=(1, 2, 3)) - both.amin(dim=(1, 2, 3)) - 2).abs() > 1e-3  # brightness keeps the spread
        shares = [float((moved & spread).float().mean()), float((moved & ~spread).float().mean())]
        assert shares == pytest.approx([0.25, 0.25], abs=0.03)


class TestAmounts:
    def test_contrast_keeps_the_mean_and_stays_within_its_factor(self):
        images = noise(400) + 3
        changed = change(images, "contrast")
        torch.testing.assert_close(changed.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)))
        factors = changed.std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
        assert 1 / 1.5 - 1e-4 <= factors.min() < 0.7
        assert 1.45 < factors.max() <= 1.5 + 1e-4
        assert float(factors.log().mean()) == pytest.approx(0, abs=0.05)

    def test_brightness_adds_one_number_up_to_its_own(self):
        added = change(noise(400), "brightness") - noise(400)
        assert float(added.std(dim=(1, 2, 3)).max()) < 1e-5
        assert 0.45 < added.max() <= 0.5
        assert -0.5 - 1e-6 <= added.min() < -0.45

    def test_gamma_bends_between_the_least_and_the_greatest_value(self):
        images = torch.linspace(-1, 2, 200).expand(300, 1, 4, 200)
        bent = change(images, "gamma")
        middle = (bent[:, 0, 0, 100] + 1) / 3
        assert 0.5**1.5 - 0.02 <= middle.min() < 0.4
        assert 0.6 < middle.max() <= 0.5 ** (1 / 1.5) + 0.02
        assert (bent.diff(dim=3) > 0).all()  # what was brighter stays brighter
        torch.testing.assert_close(bent.amax(dim=(1, 2, 3)), torch.full((300,), 2.0), atol=1e-4, rtol=0)
        # what keeps clear of powers of 0 lifts the least value by up to 4 % of the span
        assert (bent.amin(dim=(1, 2, 3)) + 1).abs().max() < 0.04 * 3

    def test_illumination_adds_a_smooth_field_and_shading_multiplies_by_one(self):
        light = change(torch.zeros(300, 1, 40, 48), "illumination")
        shade = change(torch.ones(300, 1, 40, 48), "shading") - 1
        assert torch.equal(change(torch.zeros(300, 1, 40, 48), "shading"), torch.zeros(300, 1, 40, 48))
        for field, most in ((light, 0.5), (shade, 0.4)):
            assert 0.9 * most < field.abs().max() < 1.3 * most  # cubic interpolation reaches beyond its nodes
            assert field.std(dim=(2, 3)).min() > 0.02 * most
            assert max(field.diff(dim=axis).abs().max() for axis in (2, 3)) < 0.25 * most

    def test_blur_keeps_the_mean_and_cuts_the_variance_of_noise(self):
        images = noise(100, (64, 64))
        blurred = change(images, "blur")
        torch.testing.assert_close(blurred.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)), atol=0.02, rtol=0)
        shares = blurred.var(dim=(1, 2, 3)) / images.var(dim=(1, 2, 3))
        # white noise keeps 1 / (4 pi sigma^2) of its variance under a Gaussian: 0.035 at sigma 1.5
        assert 0.03 < shares.min() < 0.05
        assert shares.max() > 0.9
        assert (shares < 1 + 1e-6).all()

    def test_blur_leaves_a_constant_as_it_is_up_to_the_rim(self):
        images = torch.full((20, 1, 30, 40), 5.0)
        torch.testing.assert_close(change(images, "blur"), images)

    def test_blur_is_an_even_gaussian(self):
        point = torch.zeros(50, 1, 31, 31)
        point[:, 0, 15, 15] = 1
        blurred = change(point, "blur")
        for turned in (blurred.flip(2), blurred.flip(3), blurred.transpose(2, 3)):
            torch.testing.assert_close(turned, blurred)
        offsets = torch.arange(31.0) - 15
        sigmas = (blurred.sum(dim=(1, 2)) * offsets**2).sum(1).sqrt()
        assert 1.3 < sigmas.max() <= 1.5
        assert sigmas.min() < 0.3

    def test_noise_has_at_most_the_sigma_set(self):
        grain = change(noise(300), "noise") - noise(300)
        sigmas = grain.std(dim=(1, 2, 3))
        # the deviation of 1920 numbers is known to 1.6 %
        assert 0.27 < sigmas.max() < 0.3 * 1.06
        assert float(sigmas.mean()) == pytest.approx(0.15, abs=0.02)
        assert grain.mean(dim=(1, 2, 3)).abs().max() < 0.05
        assert (grain[..., 1:] * grain[..., :-1]).mean().abs() < 1e-3  # neighbours share nothing


class TestPlaces:
    @each_change
    def test_an_edge_stays_where_it_is(self, name):
        changed = change(step_edge(), name)
        middle = changed[..., [5, 35]].mean(dim=(2, 3), keepdim=True)  # between the levels of both sides
        left, right = changed[..., 5:20] < middle, changed[..., 20:35] > middle
        assert left.all()
        assert right.all()
        shifted = torch.roll(changed, 1, 3)
        assert not (shifted[..., 20:35] > middle).all()

    @pytest.mark.parametrize("name", ["contrast", "brightness", "gamma"])
    def test_what_was_equal_stays_equal(self, name):
        images = torch.randint(0, 4, (8, 1, 32, 32), generator=seeded()).float()
        for image, changed in zip(images, change(images, name), strict=True):
            levels = [changed[image == level] for level in range(4)]
            assert all(level.max() == level.min() for level in levels)
            assert all(low[0] < high[0] for low, high in pairwise(levels))

    @each_change
    def test_a_patch_does_not_look_at_its_neighbours(self, name):
        """The first patches come out the same whatever the last one shows."""
        images, other = noise(), noise()
        other[-1] = 100 * other[-1] + 7
        first, second = change(images, name), change(other, name)
        torch.testing.assert_close(first[:-1], second[:-1])
        assert not torch.allclose(first[-1], second[-1])


class TestBatch:
    @each_change
    @pytest.mark.parametrize("value", [0.0, 5.0, -1e4])
    def test_a_constant_patch_stays_finite(self, name, value):
        changed = change(torch.full((4, 1, 16, 16), value), name)
        assert torch.isfinite(changed).all()
        assert (changed - value).abs().max() <= 2 + 0.6 * abs(value)

    @each_change
    def test_a_seed_repeats_it_and_another_does_not(self, name):
        first, again, other = (change(noise(), name, seed=seed) for seed in (3, 3, 4))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_the_batch_given_is_left_as_it_is(self):
        images = noise()
        changed = change(images, *ON)
        assert torch.equal(images, noise())
        assert changed.shape == images.shape
        assert changed.dtype == torch.float32

    def test_no_number_comes_from_elsewhere(self):
        torch.manual_seed(0)
        before = torch.get_rng_state()
        change(noise(), *ON)
        assert torch.equal(before, torch.get_rng_state())


def test_a_blur_wider_than_a_patch_is_cut_off_at_its_size():
    blur = Appearance(probability=1, contrast=1, brightness=0, gamma=1, illumination=0, shading=0, blur=200, noise=0)
    images = torch.rand(4, 1, 16, 24, generator=torch.Generator().manual_seed(0))
    blurred = blur(images, torch.Generator().manual_seed(1))
    assert blurred.shape == images.shape
    assert (blurred.std(dim=(2, 3)) < 0.3 * images.std(dim=(2, 3))).all()
