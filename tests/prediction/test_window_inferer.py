"""Windows that leave no trace: sizes, blending, views, what the network gets to see."""

from itertools import product

import pytest
import torch
from torch import nn

from livecell_monai.errors import SettingError
from livecell_monai.network import UNet
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.window_inferer import HaloInferer, WindowInferer

FP32 = Accelerator("cpu-fp32")
SIZES = [(96, 112), (97, 113), (31, 65), (5, 200), (64, 64), (1, 1), (63, 3)]
every_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))


@pytest.fixture
def local():
    """A network whose every output pixel hangs on the one input pixel."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 1), nn.Tanh(), nn.Conv2d(3, 1, 1)).eval()


class Seen:
    """A network that gives back what it gets and notes how large it was."""

    def __init__(self):
        self.sizes = []

    def __call__(self, part):
        self.sizes += [tuple(part.shape[-2:])] * len(part)
        return part.clone()  # MONAI weighs what comes back in place, and a window as wide as the image lies in the image

    @property
    def pixels(self):
        return sum(height * width for height, width in self.sizes)


class TestWindowInferer:
    @every_size
    @pytest.mark.parametrize(("overlap", "batch"), list(product((0, 8, 100), (1, 4))))
    def test_is_the_whole_image_at_once_for_a_local_network(self, local, size, overlap, batch):
        image = torch.rand(1, 1, *size)
        with torch.no_grad():
            logits = WindowInferer(FP32, [32, 64], 8, batch, overlap)(image, local)
            torch.testing.assert_close(logits, local(image), atol=1e-5, rtol=1e-5)

    @every_size
    @pytest.mark.parametrize("overlap", [0, 1, 10, 16, 64])
    def test_blends_a_constant_into_a_constant(self, size, overlap):
        inferer = WindowInferer(FP32, [32, 64], 8, overlap=overlap)
        logits = inferer(torch.rand(1, 1, *size), lambda part: torch.full_like(part, -2.5))
        assert logits.shape == (1, 1, *size)
        torch.testing.assert_close(logits, torch.full_like(logits, -2.5))

    @every_size
    def test_every_window_is_one_that_the_network_takes(self, size):
        seen = Seen()
        WindowInferer(FP32, [32, 64], 8)(torch.rand(1, 1, *size), seen)
        (window,) = set(seen.sizes)
        assert all(edge % 8 == 0 for edge in window)
        assert all(edge <= most for edge, most in zip(window, (32, 64), strict=True))
        assert all(edge >= min(most, whole) for edge, most, whole in zip(window, (24, 48), size, strict=True))

    def test_a_small_image_does_not_shrink_the_window_of_the_next(self, local):
        inferer = WindowInferer(FP32, [32, 64], 8)
        with torch.no_grad():
            for size in (SIZES[3], SIZES[0]):
                image, seen = torch.rand(1, 1, *size), Seen()
                torch.testing.assert_close(inferer(image, local), local(image), atol=1e-5, rtol=1e-5)
        inferer(image, seen)
        assert inferer.windows.largest == (32, 64)
        assert set(seen.sizes) == {(32, 64)}

    def test_an_image_within_one_window_is_one_forward_pass(self):
        torch.manual_seed(0)
        network, image = UNet([4, 8]).eval(), torch.rand(1, 1, 60, 40)
        with torch.no_grad():
            torch.testing.assert_close(WindowInferer(FP32, [64, 64], 4)(image, network), network(image))

    @pytest.mark.parametrize("stem_stride", [1, 2, 4])
    def test_takes_every_size_through_a_network(self, stem_stride):
        network = UNet([4, 8, 8], stem_stride=stem_stride).eval()
        inferer = WindowInferer(FP32, [32, 48], network.multiple)
        with torch.no_grad():
            for size in SIZES:
                assert inferer(torch.rand(1, 1, *size), network).shape == (1, 1, *size)

    @pytest.mark.parametrize("overlap", [-1, 0.25, 1.0, True, None, "64"], ids=repr)
    def test_an_overlap_that_cannot_be_is_refused(self, overlap):
        with pytest.raises(
            SettingError, match="setting overlap must be a whole number of at least 0 and at most 32,768, got "
        ) as refusal:
            WindowInferer(FP32, [32, 32], 8, overlap=overlap)
        assert repr(overlap) in str(refusal.value)

    def test_a_window_that_the_network_does_not_take_is_not_passed_over(self):
        with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
            WindowInferer(FP32, [30, 30], 8)(torch.rand(1, 1, 64, 64), UNet([4, 8, 8, 8]).eval())


class TestEqualWindows:
    def look(self, size, window, multiple=32, **settings):
        seen = Seen()
        image = torch.rand(1, 1, *size)
        torch.testing.assert_close(WindowInferer(FP32, window, multiple, **settings)(image, seen), image)
        assert len(set(seen.sizes)) == 1
        return seen

    @pytest.mark.parametrize("size", [(1500, 1700), (1100, 2100), (900, 3000), (1025, 1025)], ids=str)
    @pytest.mark.parametrize("window", [[1024, 1024], "auto"], ids=str)
    def test_a_large_image_is_looked_at_at_most_one_and_a_third_times(self, size, window):
        height, width = size
        seen = self.look(size, window, batch=1)
        assert height * width <= seen.pixels <= 1.3 * height * width
        if window == [1024, 1024]:  # full windows would take more than they must
            assert set(seen.sizes) != {(1024, 1024)}
            assert -(-height // 960) * -(-width // 960) * 1024**2 > seen.pixels

    @pytest.mark.parametrize(
        ("edge", "window", "overlap", "count"),
        [
            (64, 64, 16, 1),
            (65, 64, 16, 2),
            (112, 64, 16, 2),
            (113, 64, 16, 3),
            (128, 64, 0, 2),
            (129, 64, 0, 3),
            (96, 64, 32, 2),
            (97, 64, 32, 3),
            (97, 64, 99, 3),  # at most half a window is shared
            (76, 48, 20, 2),
            (604, 512, 100, 2),
        ],
    )
    def test_no_more_windows_than_of_the_largest(self, edge, window, overlap, count):
        assert len(self.look((edge, 8), [window, window], 8, overlap=overlap).sizes) == count
        assert len(self.look((8, edge), [window, window], 8, overlap=overlap).sizes) == count

    @pytest.mark.parametrize("overlap", [0, 8, 16])
    def test_neighbours_share_the_pixels_set(self, overlap):
        """Each column bears its number; those that two windows share come up twice."""
        columns = []

        def network(part):
            columns.append(part[:, 0, 0].flatten().clone())
            return part

        image = torch.arange(112.0).expand(1, 1, 32, 112)
        WindowInferer(FP32, [32, 64], 8, overlap=overlap)(image, network)
        counts = torch.cat(columns).long().bincount()
        assert len(counts) == 112
        assert set(counts.tolist()) <= {1, 2}
        assert overlap <= int((counts == 2).sum()) < overlap + 16  # windows are multiples of 8

    def test_one_window_goes_over_into_the_next_without_a_step(self):
        """The first window says 0 and the second 1: a plain mean would say a half all over what they share."""
        called = []

        def network(part):
            called.append(part)
            return torch.full_like(part, len(called) - 1.0)

        seam = WindowInferer(FP32, [32, 64], 8, batch=1, overlap=32)(torch.rand(1, 1, 32, 96), network)[0, 0, 16]
        assert len(called) == 2
        assert (seam[0], seam[-1]) == (0, 1)
        steps = seam.diff()
        assert (steps >= 0).all()
        assert steps.max() < 0.15

    @pytest.mark.parametrize("edges", [(64, 65), (112, 113), (1000, 1016)])
    def test_time_grows_with_the_pixels_and_not_in_steps(self, edges):
        few, many = (self.look((edge, 64), [64, 64], 8, overlap=8).pixels for edge in edges)
        assert few <= many < 1.3 * few


class TestAutoWindow:
    def window(self, memory_mb=256.0, multiple=32, **settings):
        seen = Seen()
        WindowInferer(FP32, "auto", multiple, memory_mb=memory_mb, **settings)(torch.zeros(1, 1, 1024, 1024), seen)
        return max(seen.sizes)

    def test_takes_fewer_pixels_with_less_memory(self):
        edges = [WindowInferer(FP32, "auto", 32, memory_mb=memory).windows.largest[0] for memory in (16, 64, 256, 1024)]
        assert edges == sorted(set(edges))
        assert edges[-1] == pytest.approx(8 * edges[0], abs=8 * 32)

    @pytest.mark.parametrize("settings", [{}, {"memory_mb": 100}, {"batch": 1}, {"batch": 16}, {"bytes_per_pixel": 500.0}])
    @pytest.mark.parametrize("multiple", [8, 32, 64])
    def test_fills_the_memory_and_no_more(self, settings, multiple):
        inferer = WindowInferer(FP32, "auto", multiple, **settings)
        height, width = inferer.windows.largest
        used = {"memory_mb": 100, "batch": 4, "bytes_per_pixel": 128, **settings}

        def needed(edge):
            return edge**2 * used["batch"] * used["bytes_per_pixel"] / 2**20

        assert height == width
        assert height % multiple == 0
        assert needed(height) <= used["memory_mb"] < needed(height + multiple)

    def test_half_precision_takes_half_the_memory(self):
        accelerator = Accelerator("cpu-fp32")
        full = WindowInferer(accelerator, "auto", 1).windows.largest[0]
        accelerator.bf16 = True
        assert WindowInferer(accelerator, "auto", 1).windows.largest[0] == pytest.approx(full * 2**0.5, abs=2)

    @pytest.mark.parametrize("memory", [1e-6, 0.01])
    def test_is_never_smaller_than_the_network_takes(self, memory):
        assert WindowInferer(FP32, "auto", 32, memory_mb=memory).windows.largest == (32, 32)

    def test_is_what_the_network_gets(self):
        height, width = self.window(4.0, bytes_per_pixel=64, batch=1)
        assert 0.9 * 256**2 < height * width <= 256**2

    def test_has_other_edges_where_they_part_the_image_better(self):
        seen = Seen()
        WindowInferer(FP32, "auto", 8, memory_mb=1, bytes_per_pixel=64, batch=1)(torch.zeros(1, 1, 88, 184), seen)
        assert seen.sizes == [(88, 184)]  # one window, and not two of at most 128 x 128

    def test_the_networks_own_need_tells_a_wide_network_from_a_narrow_one(self):
        narrow, wide = (
            WindowInferer(FP32, "auto", 4, bytes_per_pixel=UNet([width, 8], stem_stride=2).bytes_per_pixel).windows.largest
            for width in (4, 64)
        )
        assert narrow > wide


class TestHaloInferer:
    @pytest.mark.parametrize("size", [(200, 90), (97, 113), (40, 300), (31, 20)], ids=lambda size: "x".join(map(str, size)))
    @pytest.mark.parametrize(("halo", "window"), [(3, [32, 64]), (12, [32, 32]), (15, [32, 64])])
    def test_uses_no_logits_of_a_halo(self, size, halo, window):
        """A network that is right but in the halo, where it is wrong by far."""

        def spoil(part):
            spoilt = torch.full_like(part, 1e3)
            spoilt[..., halo:-halo, halo:-halo] = part[..., halo:-halo, halo:-halo]
            return spoilt

        image = torch.rand(1, 1, *size)
        options = {"accelerator": FP32, "window": window, "multiple": 8, "overlap": 0}
        logits = HaloInferer(halo, **options)(image, spoil)
        torch.testing.assert_close(logits, image, rtol=0, atol=2e-2)
        assert (WindowInferer(**options)(image, spoil) - image).abs().max() > 100  # without the halo

    def test_without_a_halo_nothing_changes(self, local):
        image = torch.rand(1, 1, 97, 113)
        options = {"accelerator": FP32, "window": [32, 64], "multiple": 8, "overlap": 10}
        with torch.no_grad():
            torch.testing.assert_close(HaloInferer(0, **options)(image, local), WindowInferer(**options)(image, local))

    def test_smaller_windows_keep_the_halo_when_memory_runs_out(self):
        inferer = HaloInferer(8, accelerator=FP32, window=[128, 128], multiple=8, overlap=0)
        assert inferer.forward.plan is inferer.windows
        assert (inferer.windows.overlap, inferer.windows.halo) == (16, 8)
