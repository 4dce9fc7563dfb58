"""Measurements of drawn images with known diameter, contrast, light and noise."""

import math
from dataclasses import astuple, replace

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from livecell_monai.plan.image_statistics import PERCENTILES, measure_border_cells, measure_image
from tests.support.worlds import picture_of, some_cells

SHAPE = (160, 192)
GENERATOR_SEED = 3


def disc(at, diameter, shape=SHAPE):
    """A mask (Y, X) of one disc, `at` its centre in pixels."""
    rows, columns = np.indices(shape)
    return np.hypot(rows - at[0], columns - at[1]) <= diameter / 2


def discs(*diameters, shape=SHAPE):
    """Instance ids (Y, X) of discs in a row, apart from each other and from the border."""
    label = np.zeros(shape, np.uint16)
    for cell, diameter in enumerate(diameters, start=1):
        label[disc((shape[0] / 2, shape[1] * (cell - 0.5) / len(diameters)), diameter, shape)] = cell
    return label


def noise(sigma=1.0, shape=SHAPE):
    return np.random.default_rng(GENERATOR_SEED).normal(0, sigma, shape)


def exposed(label, contrast, sigma=1.0, background=100.0):
    """An image (Y, X) float64: cells lie `contrast` above the background, both with noise."""
    return background + contrast * (label > 0) + noise(sigma, label.shape)


def numbers_of(found):
    fields = astuple(replace(found, name=""))
    values = [value for field in fields for value in (field if isinstance(field, tuple) else (field,))]
    return [value for value in values if isinstance(value, int | float)]


class TestCells:
    def diameters(self, label):
        return measure_image(exposed(label, 20), label).diameters

    def test_diameters_are_those_drawn(self):
        assert self.diameters(discs(20, 40, 30)) == pytest.approx((20, 30, 40), rel=0.02)

    def test_cells_at_the_border_have_no_diameter(self):
        label = discs(20)
        for cell, at in enumerate([(0, 30), (SHAPE[0] - 1, 30), (60, 0), (60, SHAPE[1] - 1)], start=2):
            label[disc(at, 30) & (label == 0)] = cell
        found = measure_image(exposed(label, 20), label)
        assert found.cells == 5
        assert found.diameters == pytest.approx((20,), rel=0.02)

    def test_if_all_cells_touch_the_border_all_count(self):
        label = disc((0, 30), 30).astype(np.uint16)
        label[disc((0, 100), 40)] = 2
        label[80, 80] = 3  # a crumb
        half = math.sqrt(0.5)
        assert self.diameters(label) == pytest.approx((30 * half, 40 * half), rel=0.05)

    def test_a_cell_of_one_id_can_have_several_parts(self):
        label = discs(20, 20, 30)
        apart = self.diameters(label)
        label[label == 2] = 1
        assert len(apart) == 3
        assert self.diameters(label) == pytest.approx((20 * math.sqrt(2), 30), rel=0.02)

    def test_of_a_binary_label_are_its_components(self):
        label = discs(20, 40)
        assert self.diameters(255 * (label > 0).astype(np.uint8)) == self.diameters(label)

    def test_that_touch_at_a_corner_are_one_component(self):
        label = np.zeros(SHAPE, np.uint8)
        label[20:30, 20:30] = label[30:40, 30:40] = 1
        assert self.diameters(label) == pytest.approx((2 * math.sqrt(200 / math.pi),))

    @pytest.mark.parametrize("binary", [True, False])
    def test_tiny_regions_have_no_diameter_but_count_as_cells(self, binary):
        label = discs(20, 30)
        label[5:7, 5:9], label[5:8, 20:23] = 3, 4  # 8 and 9 pixels
        found = measure_image(exposed(label, 20), (label > 0).astype(np.uint8) if binary else label)
        assert found.cells == 4
        assert found.diameters == pytest.approx((2 * math.sqrt(9 / math.pi), 20, 30), rel=0.02)

    def test_if_all_regions_are_tiny_all_count(self):
        label = np.zeros(SHAPE, np.uint8)
        label[50, 60] = 1
        found = measure_image(exposed(label, 20), label)
        assert (found.cells, found.diameters) == (1, pytest.approx((2 / math.sqrt(math.pi),)))

    def test_none(self):
        found = measure_image(noise(), np.zeros(SHAPE, np.uint8))
        assert (found.cells, found.diameters, found.foreground) == (0, (), 0.0)
        assert (found.polarity, found.polarity_word) == (0.0, "mixed")

    def test_nothing_but_one(self):
        found = measure_image(noise(), np.ones(SHAPE, np.uint8))
        assert (found.cells, found.foreground, found.polarity) == (1, 1.0, 0.0)

    def test_high_ids_are_ids(self):
        label = discs(20, 30, 40).astype(np.uint32)
        high = np.where(label > 0, 4_294_967_290 + label, 0).astype(np.uint32)
        assert measure_image(noise(), high) == measure_image(noise(), label)

    def test_high_ids_without_background(self):
        label = np.full((30, 40), 4_000_000_000, np.uint32)
        label[:, 20:] += 1
        found = measure_image(noise(shape=(30, 40)), label)
        assert (found.cells, found.diameters) == (2, pytest.approx([2 * math.sqrt(600 / math.pi)] * 2))

    def test_foreground_is_a_fraction(self):
        label = np.zeros((10, 20), np.int32)
        label[:, :3] = 7
        assert measure_image(noise(shape=(10, 20)), label).foreground == pytest.approx(0.15)


class TestPolarity:
    @pytest.mark.parametrize(("contrast", "word"), [(20, "bright"), (-20, "dark"), (0.2, "mixed"), (-0.2, "mixed")])
    def test_is_contrast_over_the_sigma_of_the_background(self, contrast, word):
        label = discs(50, 60)
        found = measure_image(exposed(label, contrast, sigma=2), label)
        assert found.polarity == pytest.approx(contrast / 2, rel=0.03, abs=0.05)
        assert found.polarity_word == word

    def test_of_cells_with_a_bright_and_a_dark_side_is_mixed(self):
        label = discs(50, 60)
        image = exposed(label, 0)
        image[label > 0] += np.where(np.indices(SHAPE)[0] < SHAPE[0] / 2, 20, -20)[label > 0]
        found = measure_image(image, label)
        assert found.polarity_word == "mixed"
        image[label > 0] = 120
        assert measure_image(image, label).polarity_word == "bright"

    def test_with_a_constant_background_it_is_finite(self):
        label = discs(50)
        found = measure_image(np.where(label > 0, 30, 10).astype(np.uint8), label)
        assert found.polarity == pytest.approx(math.sqrt(12))  # a sigma of rounding to the one step that there is
        assert found.polarity_word == "bright"

    def test_does_not_jump_where_quartiles_meet(self):
        label = discs(50)
        found = [measure_image(np.round(exposed(label, 40, sigma)).astype(np.uint8), label) for sigma in (0.4, 0.6)]
        assert 40 / 0.7 < found[1].polarity < found[0].polarity < 40 / 0.28


class TestIllumination:
    def light(self, height, bend=lambda y, x: 0.75 * x + 0.25 * y**2):
        rows, columns = np.indices(SHAPE)
        return height * bend(rows / (SHAPE[0] - 1), columns / (SHAPE[1] - 1))  # from 0 to height

    @pytest.mark.parametrize("height", [0.0, 3.0, 12.0])
    def test_is_the_range_of_the_light_over_the_spread(self, height):
        label = discs(30, 20, 30, 20)
        image = exposed(label, 15) + self.light(height)
        spread = np.subtract(*np.percentile(image, [99, 1]))
        assert measure_image(image, label).illumination * spread == pytest.approx(height, abs=0.35)

    @pytest.mark.parametrize(
        "bend",
        [
            lambda y, x: y,
            lambda y, x: 4 * y * (1 - y),
            lambda y, x: 4 * x * (1 - x),
            lambda y, x: y * x,
            lambda y, x: 1 - 2 * ((y - 0.5) ** 2 + (x - 0.5) ** 2),
        ],
    )
    def test_bends_as_the_light_does(self, bend):
        image = self.light(20, bend)
        spread = np.subtract(*np.percentile(image, [99, 1]))
        assert measure_image(image, discs(20)).illumination * spread == pytest.approx(20, rel=0.02)

    def test_uses_the_background_only(self):
        label = (np.indices(SHAPE).sum(axis=0) % 5 < 3).astype(np.uint8)  # stripes: cells are the most of every block
        image = exposed(label, 0)
        image += np.where(label > 0, self.light(40), 0)
        assert measure_image(image, label).illumination < 0.05
        assert measure_image(image, 1 - label).illumination > 0.8

    def test_with_few_grey_values_it_is_not_0(self):
        image = (10.8 + self.light(2, lambda y, x: x**2)).round().astype(np.uint8)
        spread = np.subtract(*np.percentile(image, [99, 1]))
        assert np.mean(image == 11) > 0.5  # most blocks are alike
        assert measure_image(image, np.zeros(SHAPE, np.uint8)).illumination * spread == pytest.approx(2, abs=0.5)

    def test_a_wall_does_not_count(self):
        label = discs(30, 20, 30, 20)
        image = exposed(label, 15) + self.light(6)
        image[:20] += 30
        spread = np.subtract(*np.percentile(image, [99, 1]))
        assert measure_image(image, label).illumination * spread == pytest.approx(6, abs=0.6)

    def test_is_0_with_too_little_background(self):
        image, label = 100 + self.light(50), np.ones(SHAPE, np.uint8)
        label[:10, :20] = 0
        assert measure_image(image, label).illumination == 0
        scattered = (np.indices(SHAPE).sum(axis=0) % 5 > 0).astype(np.uint8)  # a fifth of every block
        assert measure_image(image, scattered).illumination == 0
        spread = np.subtract(*np.percentile(image, [99, 1]))
        assert measure_image(image, 0 * label).illumination * spread == pytest.approx(50, rel=0.02)

    def test_is_measured_at_blocks_with_background(self):
        image, label = 100 + self.light(50), np.zeros(SHAPE, np.uint8)
        whole = measure_image(image, label).illumination
        label[:, SHAPE[1] // 2 :] = 1
        assert measure_image(image, label).illumination == pytest.approx(whole * (0.375 + 0.25), rel=0.05)


class TestNoise:
    @pytest.mark.parametrize("sigma", [0.5, 2.0, 8.0])
    def test_is_its_sigma_over_the_spread(self, sigma):
        label = discs(50, 60)
        image = exposed(label, 60, sigma) + 40 * np.indices(SHAPE)[1] / SHAPE[1]  # light does not count
        spread = np.subtract(*np.percentile(image, [99, 1]))
        assert measure_image(image, label).noise * spread == pytest.approx(sigma, rel=0.05)

    def test_none(self):
        label = discs(50, 60)
        assert measure_image(np.where(label > 0, 30, 10).astype(np.uint8), label).noise == 0

    def test_hot_pixels_do_not_count(self):
        label = discs(50, 60)
        image = exposed(label, 20)
        before = measure_image(image, label)
        image[np.random.default_rng(0).random(SHAPE) < 0.002] = 60_000
        after = measure_image(image, label)
        for name in ("noise", "illumination", "polarity"):
            assert getattr(after, name) == pytest.approx(getattr(before, name), rel=0.05, abs=0.01)


class TestSaturated:
    """A tenth of the pixels, three columns of thirty, cut off."""

    def share(self, image):
        return measure_image(image, np.zeros(image.shape, np.uint8)).saturated

    def image(self, top, low=0.5, dtype=np.uint16):
        image = np.random.default_rng(1).normal(low * top, top / 50, (40, 30)).round()
        return image.clip(1, top - 1).astype(dtype)

    @pytest.mark.parametrize(("top", "dtype"), [(255, np.uint8), (4095, np.uint16), (65_535, np.uint16), (4095, np.int32)])
    def test_at_the_top(self, top, dtype):
        image = self.image(top, dtype=dtype)
        assert self.share(image) == 0
        image[:, :3] = top
        assert self.share(image) == pytest.approx(0.1)

    @pytest.mark.parametrize("bottom", [0, 100])
    def test_at_the_bottom(self, bottom):
        image = self.image(4095)
        image[:, :3] = bottom
        assert self.share(image) == pytest.approx(0.1)

    @pytest.mark.parametrize("end", [0, 65_535])
    def test_an_end_of_the_type_needs_no_plateau(self, end):
        image = self.image(65_535)
        image.flat[:3] = end
        assert self.share(image) == 3 / image.size

    def test_at_both_ends(self):
        image = self.image(4095)
        image[:, :3], image[:, 3:6] = 4095, 20
        assert self.share(image) == pytest.approx(0.2)

    def test_of_floats(self):
        image = self.image(4095) / 4095
        assert self.share(image) == 0
        image[:, :3] = 1.0
        assert self.share(image.astype(np.float32)) == pytest.approx(0.1)

    def test_lone_hot_pixels_are_no_plateau(self):
        image = self.image(4095)
        image.flat[:9] = 4095
        assert self.share(image) == 0
        image.flat[:10] = 4095
        assert self.share(image) == 10 / image.size

    def test_a_background_of_few_grey_values_is_no_plateau(self):
        image = np.random.default_rng(1).poisson(3, SHAPE).astype(np.uint8) + 2
        assert (image == image.min()).sum() > 100
        assert self.share(image) == 0


class TestPercentiles:
    @given(
        hnp.arrays(
            st.sampled_from([np.uint8, np.uint16, np.int32, np.float32]),
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
            elements=st.integers(0, 255),
        )
    )
    def test_are_those_of_numpy(self, image):
        found = measure_image(image, np.zeros(image.shape, np.uint8)).percentiles
        assert found == pytest.approx(np.percentile(image.astype(float), PERCENTILES))


@given(factor=st.floats(1e-3, 1e3), offset=st.floats(-1e4, 1e4), seed=st.integers(0, 5), dark=st.booleans())
def test_gain_and_offset_change_no_relative_measure(factor, offset, seed, dark):
    label = some_cells(seed=seed)
    image = exposed(label, -9.0 if dark else 9.0) + np.linspace(0, 5, label.shape[1])
    image[:3, :9] = image.max() + 1
    before, after = measure_image(image, label), measure_image(factor * image + offset, label)
    assert (before.saturated, before.polarity_word) == (27 / image.size, "dark" if dark else "bright")
    for name in ("polarity", "illumination", "noise"):
        assert abs(getattr(before, name)) > 0.01
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-3)
    for name in ("cells", "diameters", "foreground", "saturated", "polarity_word"):
        assert getattr(after, name) == getattr(before, name)
    assert after.percentiles == pytest.approx([factor * grey + offset for grey in before.percentiles], abs=1e-9)


def test_eight_bit_stretched_to_sixteen_is_the_same():
    label = some_cells()
    narrow = picture_of(label, dtype=np.uint8)
    before, after = measure_image(narrow, label), measure_image(narrow.astype(np.uint16) * 257, label)
    assert before.saturated > 0
    assert replace(after, percentiles=before.percentiles) == before


def odd_worlds():
    one = np.zeros((40, 50), np.uint8)
    one[20, 25] = 1
    hot = np.full((40, 50), 7, np.uint16)
    hot[3, 4] = 60_000
    grey = np.random.default_rng(0).random((40, 50))
    lone = np.zeros((40, 50))
    lone[8:12, 8:12] = 1
    return {
        "constant": (np.full((40, 50), 7, np.uint16), one),
        "constant floats": (np.full((40, 50), -0.1), one),
        "one hot pixel": (hot, one),
        "one hot pixel, one cell there": (hot, (hot > 7).astype(np.uint8)),
        "one cell on nothing": (lone, lone.astype(np.uint8)),
        "huge": (grey.astype(np.float32) * 3e38, one),
        "tiny": (grey * 1e-310, one),
        "tiny beside a hot pixel": (np.where(hot > 7, 1e30, grey * 1e-300), one),
        "all types' ends": (np.where(grey > 0.5, -(2**31), 2**31 - 1).astype(np.int32), one),
        "one pixel": (np.array([[5]], np.uint8), np.array([[1]], np.uint8)),
        "one row": (grey[:1], one[20:21]),
        "two columns": (grey[:, :2], one[:, 24:26]),
        "no background": (grey, np.ones((40, 50), np.uint8)),
        "no foreground": (grey, 0 * one),
        "label of truths": (grey, one.astype(bool)),
    }


@pytest.mark.parametrize("world", odd_worlds())
def test_every_number_is_finite_whatever_the_image(world):
    found = measure_image(*odd_worlds()[world])
    numbers = numbers_of(found)
    assert len(numbers) >= 12
    assert all(math.isfinite(number) for number in numbers)
    assert 0 <= found.saturated <= 1
    assert found.illumination >= 0
    assert found.noise >= 0


def test_a_constant_image_is_all_plateau_and_has_nothing_else():
    found = measure_image(*odd_worlds()["constant"])
    assert (found.saturated, found.polarity, found.illumination, found.noise) == (1, 0, 0, 0)


def test_image_and_label_are_not_changed():
    label, image = some_cells(), picture_of(some_cells())
    copies = label.copy(), image.copy()
    measure_image(image, label)
    assert all(np.array_equal(*pair) for pair in zip(copies, (label, image), strict=True))


def test_name_size_and_pixel_size_are_copied():
    found = measure_image(noise(), discs(20), "dish", (0.5, 0.6))
    assert (found.name, found.size, found.pixel_size_um) == ("dish", SHAPE, (0.5, 0.6))


class TestBorderCells:
    def label(self):
        label = np.zeros((40, 50), np.int32)
        label[:5, 10:16] = 1  # at the first row
        label[20:30, 47:] = 2  # at the last column
        label[20:30, 20:30] = 3
        label[:2, 40:43] = 4  # smaller than any cell
        label[36:, :6] = 5  # at a corner
        return label

    def test_are_those_that_the_border_cuts(self):
        assert measure_border_cells(self.label(), (True, True, True, True)) == (24, 30, 30)
        assert measure_image(noise(shape=(40, 50)), self.label()).border_areas == (24, 30, 30)

    @pytest.mark.parametrize(("side", "areas"), [(0, (24, 30)), (1, (30, 30)), (2, (30, 30)), (3, (24, 30))])
    def test_what_a_part_of_the_image_cuts_does_not_count(self, side, areas):
        sides = [True] * 4
        sides[side] = False
        assert measure_border_cells(self.label(), tuple(sides)) == areas

    def test_what_ends_at_a_pixel_that_is_not_annotated_does_not_count(self):
        label = self.label()
        label[:, 16:18] = -1
        assert measure_border_cells(label, (True, True, True, True)) == (24, 30)


class TestAnnotatedInPart:
    """The right part of an image is not annotated; one cell is cut by it."""

    def worlds(self):
        whole = discs(30, 30, 40, 40)
        label = whole.astype(np.int32)
        cut = int(np.flatnonzero((whole == 2).any(axis=0)).mean())
        label[:, cut:] = -1
        return exposed(whole, 50), whole, label, cut

    def test_what_needs_the_annotation_is_that_of_the_annotated_part(self):
        image, whole, label, cut = self.worlds()
        found, part, all_ = (
            measure_image(*pair) for pair in ((image, label), (image[:, :cut], whole[:, :cut]), (image, whole))
        )
        for name in ("cells", "foreground"):
            assert getattr(found, name) == getattr(part, name) != getattr(all_, name)
        assert found.diameters == part.diameters
        assert found.polarity_word == part.polarity_word
        assert found.annotated == pytest.approx(cut / image.shape[1])
        assert found.extent == (image.shape[0], cut)
        assert (all_.annotated, all_.extent) == (1.0, image.shape)

    def test_grey_values_are_those_of_the_whole_image(self):
        image, whole, label, _ = self.worlds()
        found, all_ = measure_image(image, label), measure_image(image, whole)
        for name in ("percentiles", "saturated", "noise", "size"):
            assert getattr(found, name) == getattr(all_, name)

    def test_illumination_is_that_of_annotated_background(self):
        """The light rises from left to right."""
        image = np.random.default_rng(0).normal(0, 1, (256, 256)) + np.arange(256)
        label = np.where(np.arange(256) > 127, -1, 0) * np.ones((256, 1), int)
        assert measure_image(image, np.maximum(label, 0)).illumination == pytest.approx(1, abs=0.1)
        assert measure_image(image, label).illumination == pytest.approx(0.5, abs=0.1)
