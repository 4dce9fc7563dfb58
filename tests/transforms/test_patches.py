"""Random patches: where each pixel comes from, that channels stay together, what is drawn how often."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from livecell_monai.transforms import Warp, draw_patches

STILL = {"rotation": 0.0, "zoom": (1.0, 1.0), "flip_probability": 0.0}
WARPS = {
    "still": STILL,
    "flip": {**STILL, "flip_probability": 1.0},
    "rotation": {**STILL, "rotation": 3.14159},
    "zoom": {**STILL, "zoom": (0.5, 2.0)},
    "stretch": {**STILL, "stretch": 1.5},
    "shear": {**STILL, "shear": 0.3},
    "elastic": {**STILL, "elastic": 3.0},
    "all": {"rotation": 3.14159, "zoom": (0.7, 1.4), "stretch": 1.3, "shear": 0.2, "elastic": 2.0, "flip_probability": 0.5},
}
every_warp = pytest.mark.parametrize("warp", [Warp((24, 30), **warp) for warp in WARPS.values()], ids=list(WARPS))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random((height, width), np.float32))  # `chance` is not asked


def with_places(height, width, seed=0):
    """A stack (3, Y, X): noise, and the row and the column that a pixel lies in, over 100."""
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return torch.stack([noise(height, width, seed), rows / 100, columns / 100])


@pytest.fixture
def chance(monkeypatch):
    """Every even draw gives one value: a centre lies at that share of the source, an angle at that share of its range."""

    def fix(value):
        monkeypatch.setattr(torch, "rand", lambda *size, generator=None: torch.full(size, value))

    return fix


class TestWhereAPixelComesFrom:
    def cut(self, size=9, edge=81, **warp):
        source = noise(edge, edge)
        return source, draw_patches([source[None]], 1, Warp((size, size), **{**STILL, **warp}), seeded())[0, 0]

    def test_a_still_patch_is_a_part_of_the_source(self, chance):
        chance(0.75)
        source, patch = self.cut()
        torch.testing.assert_close(patch, source[56:65, 56:65], atol=1e-4, rtol=0)

    def test_rows_and_columns_are_not_swapped(self, chance):
        chance(0.75)
        source = noise(41, 81)
        patch = draw_patches([source[None]], 1, Warp((5, 11), **STILL), seeded())[0, 0]
        torch.testing.assert_close(patch, source[28:33, 55:66], atol=1e-4, rtol=0)

    @pytest.mark.parametrize(("radians", "turns"), [(np.pi, 1), (-np.pi, -1), (2 * np.pi, 2)])
    def test_a_rotation_by_quarter_turns(self, chance, radians, turns):
        chance(0.75)  # half of the range
        source, patch = self.cut(rotation=radians)
        torch.testing.assert_close(patch, torch.rot90(source[56:65, 56:65], turns), atol=1e-4, rtol=0)

    def test_a_flip_on_both_axes(self, chance):
        chance(0.75)
        source, patch = self.cut(flip_probability=1.0)
        torch.testing.assert_close(patch, source[56:65, 56:65].flip(0, 1), atol=1e-4, rtol=0)

    def test_beyond_the_rim_it_is_mirrored(self, chance):
        chance(0.0)
        source, patch = self.cut()
        torch.testing.assert_close(patch, functional.pad(source[None], [4] * 4, "reflect")[0, :9, :9], atol=1e-4, rtol=0)

    def test_twice_the_zoom_takes_every_half_pixel(self, chance):
        chance(0.75)
        source, patch = self.cut(zoom=(2.0, 2.0))
        torch.testing.assert_close(patch[::2, ::2], source[58:63, 58:63], atol=1e-4, rtol=0)

    @every_warp
    def test_all_channels_come_from_one_place(self, warp):
        """Row and column come back as values; the noise is then looked up there by another library."""
        source = with_places(50, 70)
        patches = draw_patches([source], 12, warp, seeded())
        assert patches.shape == (12, 3, 24, 30)
        seen, rows, columns = patches.unbind(1)
        expected = ndimage.map_coordinates(source[0].numpy(), [100 * rows.numpy(), 100 * columns.numpy()], order=1)
        off = np.abs(expected - seen.numpy())
        assert np.quantile(off, 0.95) < 2e-3  # but where the way turns around at the rim, between two pixels
        shifted = ndimage.map_coordinates(source[0].numpy(), [100 * rows.numpy(), 100 * columns.numpy() + 0.1], order=1)
        assert np.median(np.abs(shifted - seen.numpy())) > 5e-3

    def test_a_label_stays_on_its_image(self):
        label = (ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(80, 90)), 6) > 0).astype(np.float32)
        stack = torch.from_numpy(np.stack([2 - 5 * label, label]))
        patches = draw_patches([stack], 20, Warp((32, 40), **WARPS["all"]), seeded())
        assert 0.1 < patches[:, 1].mean() < 0.9
        torch.testing.assert_close(patches[:, 0], 2 - 5 * patches[:, 1], atol=1e-4, rtol=0)


class TestSizeOfCells:
    """A disc 30 pixels across at the source's centre, where `chance(0.5)` puts the patch's."""

    def disc(self, **warp):
        rows, columns = np.indices((101, 101)) - 50
        source = torch.from_numpy((np.hypot(rows, columns) <= 15).astype(np.float32))
        return draw_patches([source[None]], 1, Warp((81, 81), **{**STILL, **warp}), seeded())[0, 0]

    @pytest.mark.parametrize("zoom", [0.5, 1.0, 1.3, 2.0])
    @pytest.mark.parametrize("rotation", [0.0, 1.0])
    def test_a_disc_has_its_diameter_times_the_zoom(self, chance, zoom, rotation):
        chance(0.5)
        area = float(self.disc(zoom=(zoom, zoom), rotation=rotation).sum())
        assert 2 * (area / np.pi) ** 0.5 == pytest.approx(30 * zoom, rel=0.02)

    def test_zoom_is_drawn_evenly_on_a_logarithmic_axis(self, chance):
        chance(0.5)
        assert torch.equal(self.disc(zoom=(0.5, 2.0)), self.disc())
        assert not torch.equal(self.disc(zoom=(0.5, 1.9)), self.disc())

    def test_stretch_is_the_factor_between_the_axes_and_keeps_the_area(self, chance):
        chance(1.0)  # the end of the range
        matrices, _ = Warp((8, 8), **{**STILL, "stretch": 1.5}).draw(1, seeded())
        width, height = 1 / matrices[0].diagonal()
        assert float(height / width) == pytest.approx(1.5)
        assert float(height * width) == pytest.approx(1.0)

    def test_shear_is_the_tangent_of_the_angle(self, chance):
        chance(1.0)
        matrices, _ = Warp((8, 8), **{**STILL, "shear": 0.3}).draw(1, seeded())
        torch.testing.assert_close(matrices[0], torch.tensor([[1, 0.3], [0, 1]]))

    def test_ranges_are_kept_and_used(self):
        matrices, _ = Warp((8, 8), rotation=0.0, zoom=(0.5, 2.0), flip_probability=0.0).draw(2000, seeded())
        zoom = 1 / matrices[:, 0, 0]
        assert 0.5 <= zoom.min() < 0.51
        assert 1.95 < zoom.max() <= 2.0
        assert zoom.log().mean().abs() < 0.05

    def test_each_axis_is_mirrored_by_itself(self):
        matrices, _ = Warp((8, 8), **{**STILL, "flip_probability": 0.3}).draw(4000, seeded())
        mirrored = matrices.diagonal(dim1=1, dim2=2) < 0
        # four sigma of a share of 4000 draws are 0.03
        assert mirrored.float().mean(0).tolist() == pytest.approx([0.3, 0.3], abs=0.03)
        assert float(mirrored.all(1).float().mean()) == pytest.approx(0.09, abs=0.03)


class TestElastic:
    def places(self, elastic, chance):
        """Rows and columns (60, 2, 64, 64) that the pixels of patches about the middle of a large source come from."""
        chance(0.5)
        return 100 * draw_patches([with_places(161, 181)[1:]], 60, Warp((64, 64), **STILL | {"elastic": elastic}), seeded())

    def test_none_bends_nothing(self, chance):
        still, bent = (self.places(elastic, chance) for elastic in (0.0, 3.0))
        for axis in (2, 3):
            assert still.diff(n=2, dim=axis).abs().max() < 1e-2 < bent.diff(n=2, dim=axis).abs().mean()

    def test_a_smooth_displacement_of_the_size_given(self, chance):
        away = self.places(3.0, chance) - self.places(0.0, chance)
        assert float(away.square().sum(1).mean().sqrt()) == pytest.approx(3.0, rel=0.06)
        assert away.diff(dim=3).abs().max() < 1.5  # neighbours stay neighbours
        assert (away[0] - away[1]).abs().max() > 1  # each patch has its own

    def test_grows_with_its_setting_alone(self):
        generators = seeded(), seeded()
        (_, little), (_, much) = (
            Warp((32, 32), elastic=size).draw(5, generator) for size, generator in zip((1, 4), generators, strict=True)
        )
        torch.testing.assert_close(4 * little, much)
        assert Warp((32, 32)).draw(5, seeded())[1].numel() == 0


class TestSources:
    @every_warp
    @pytest.mark.parametrize("size", [(50, 70), (200, 33), (7, 9), (1, 40), (2, 2), (1, 1)], ids=str)
    def test_values_stay_in_the_range_of_the_source(self, warp, size):
        source = torch.rand(2, *size, generator=seeded()) * torch.tensor([5.0, -3.0])[:, None, None] - 1
        patches = draw_patches([source], 8, warp, seeded(1))
        assert torch.isfinite(patches).all()
        for channel in (0, 1):
            assert patches[:, channel].min() >= source[channel].min() - 1e-5
            assert patches[:, channel].max() <= source[channel].max() + 1e-5

    def test_a_source_smaller_than_the_patch_is_mirrored_again_and_again(self, chance):
        chance(0.0)
        source = noise(4, 5)
        patch = draw_patches([source[None]], 1, Warp((21, 31), **STILL), seeded())[0, 0]
        expected = np.pad(source.numpy(), ((10, 17), (15, 26)), mode="reflect")[:21, :31]
        np.testing.assert_allclose(patch, expected, atol=1e-4)

    def test_sources_are_drawn_alike_however_large_they_are(self):
        sources = [torch.zeros(1, 10, 30), torch.ones(1, 30, 30)]
        share = float(draw_patches(sources, 4000, Warp((2, 2)), seeded()).mean())
        # four sigma are 0.032
        assert share == pytest.approx(0.5, abs=0.035)

    @pytest.mark.parametrize("weights", [[3.0, 1.0], [3, 1], (0.3, 0.1)])
    def test_weights_say_how_often(self, weights):
        sources = [torch.zeros(1, 10, 30), torch.ones(1, 30, 30)]
        share = float(draw_patches(sources, 4000, Warp((2, 2)), seeded(), weights).mean())
        assert share == pytest.approx(0.25, abs=0.03)

    def test_equal_weights_change_nothing_and_0_leaves_a_source_out(self):
        sources = [torch.zeros(1, 10, 30), torch.ones(1, 30, 30)]
        plain, same, none = (
            draw_patches(sources, 50, Warp((2, 2)), seeded(), each) for each in (None, [7.0, 7.0], [1.0, 0.0])
        )
        assert torch.equal(plain, same)
        assert plain.max() == 1
        assert none.max() == 0

    def test_centres_lie_anywhere_in_a_source(self):
        rows, columns = 100 * draw_patches([with_places(41, 81)[1:]], 2000, Warp((1, 1), **STILL), seeded())[..., 0, 0].T
        for places, last in ((rows, 40), (columns, 80)):
            assert places.min() < 0.02 * last
            assert places.max() > 0.98 * last
            assert float(places.mean()) == pytest.approx(last / 2, rel=0.06)

    def test_each_source_is_resampled_once(self, monkeypatch):
        sources = [torch.full((1, 20 + index, 30), float(index)) for index in range(3)]
        calls, grid_sample = [], functional.grid_sample

        def counted(source, grid, **kwargs):
            calls.append((float(source[0, 0, 0, 0]), len(grid)))
            return grid_sample(source, grid, **kwargs)

        monkeypatch.setattr(functional, "grid_sample", counted)
        never = torch.full((1, 1, 1), 9.0)
        patches = draw_patches([*sources, never], 40, Warp((4, 4)), seeded(), [1, 1, 1, 0])
        assert [which for which, _ in calls] == [0, 1, 2]
        assert [count for _, count in calls] == [int((patches[:, 0, 0, 0] == value).sum()) for value in range(3)]

    def test_sources_are_left_as_they_are(self):
        source = with_places(40, 50)
        before = source.clone()
        draw_patches([source], 4, Warp((16, 16), **WARPS["all"]), seeded())
        assert torch.equal(source, before)


class TestChance:
    @every_warp
    def test_a_seed_repeats_the_patches_and_another_gives_others(self, warp):
        sources = [with_places(50, 70, 1), with_places(40, 60, 2)]
        first, again, other = (draw_patches(sources, 6, warp, seeded(seed)) for seed in (3, 3, 4))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert len({patch.numpy().tobytes() for patch in first}) == 6

    def test_no_number_comes_from_elsewhere(self):
        torch.manual_seed(0)
        before = torch.get_rng_state()
        draw_patches([with_places(50, 70)], 6, Warp((24, 30), **WARPS["all"]), seeded())
        assert torch.equal(before, torch.get_rng_state())


class TestCentres:
    def test_are_the_given_pixels(self):
        source = with_places(41, 81)[1:]
        chosen = torch.tensor([5 * 81 + 70, 39 * 81 + 2], dtype=torch.int32)
        warp = Warp((1, 1), **STILL)
        rows, columns = 100 * draw_patches([source], 200, warp, seeded(), centres={0: chosen})[..., 0, 0].T
        found = {(round(float(row)), round(float(column))) for row, column in zip(rows, columns, strict=True)}
        assert found == {(5, 70), (39, 2)}
        assert len({round(float(row)) for row in 100 * draw_patches([source], 200, warp, seeded())[:, 0, 0, 0]}) > 20

    def test_of_one_source_do_not_change_the_patches_of_another(self):
        sources, warp = [with_places(40, 50), with_places(60, 30)], Warp((12, 12), **WARPS["all"])
        before = draw_patches(sources, 8, warp, seeded(3))
        after = draw_patches(sources, 8, warp, seeded(3), centres={1: torch.tensor([0], dtype=torch.int32)})
        same = [bool(torch.equal(one, other)) for one, other in zip(before, after, strict=True)]
        assert True in same
        assert False in same
