"""Windows that leave no trace: sizes, blending, what the network gets to see."""

from itertools import product

import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from livecell_monai.network import UNet
from livecell_monai.workflow import Accelerator, PatchInferer, WindowInferer

FP32 = Accelerator("cpu-fp32")
SIZES = [(96, 112), (97, 113), (31, 65), (5, 200), (64, 64), (1, 1), (63, 3)]
every_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))


@pytest.fixture
def local():
    """A network whose every output pixel hangs on the one input pixel."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 1), nn.Tanh(), nn.Conv2d(3, 1, 1)).eval()


class TestWindowInferer:
    @every_size
    @pytest.mark.parametrize(("overlap", "batch"), list(product((0.0, 0.25, 0.7), (1, 4))))
    def test_is_the_whole_image_at_once_for_a_local_network(self, local, size, overlap, batch):
        image = torch.rand(1, 1, *size)
        with torch.no_grad():
            logits = WindowInferer(FP32, [32, 64], 8, batch, overlap)(image, local)
            torch.testing.assert_close(logits, local(image), atol=1e-5, rtol=1e-5)

    @every_size
    def test_blends_a_constant_into_a_constant(self, size):
        logits = WindowInferer(FP32, [32, 64], 8)(torch.rand(1, 1, *size), lambda part: torch.full_like(part, -2.5))
        assert logits.shape == (1, 1, *size)
        torch.testing.assert_close(logits, torch.full_like(logits, -2.5))

    @every_size
    def test_every_window_is_one_that_the_network_takes(self, size):
        seen = set()

        def network(part):
            seen.add(tuple(part.shape[-2:]))
            return part

        WindowInferer(FP32, [32, 64], 8)(torch.rand(1, 1, *size), network)
        (window,) = seen
        assert all(edge % 8 == 0 for edge in window)
        assert window == tuple(min(most, -(-edge // 8) * 8) for most, edge in zip((32, 64), size, strict=True))

    def test_a_small_image_does_not_shrink_the_window_of_the_next(self, local):
        inferer = WindowInferer(FP32, [32, 64], 8)
        with torch.no_grad():
            for size in (SIZES[3], SIZES[0]):
                image = torch.rand(1, 1, *size)
                torch.testing.assert_close(inferer(image, local), local(image), atol=1e-5, rtol=1e-5)
        assert inferer.roi_size == [32, 64]

    def test_an_image_within_one_window_is_one_forward_pass(self):
        torch.manual_seed(0)
        network, image = UNet([4, 8]).eval(), torch.rand(1, 1, 60, 40)
        with torch.no_grad():
            torch.testing.assert_close(WindowInferer(FP32, [64, 64], 4)(image, network), network(image))

    @pytest.mark.parametrize("stem_stride", [1, 2])
    def test_takes_every_size_through_a_network(self, stem_stride):
        network = UNet([4, 8, 8], stem_stride=stem_stride).eval()
        inferer = WindowInferer(FP32, [32, 48], network.multiple)
        with torch.no_grad():
            for size in SIZES:
                assert inferer(torch.rand(1, 1, *size), network).shape == (1, 1, *size)

    @pytest.mark.parametrize("overlap", [1.0, -0.1])
    def test_an_overlap_that_cannot_be_is_not_passed_over(self, overlap):
        with pytest.raises(ValueError, match="overlap must be >= 0 and < 1"):
            WindowInferer(FP32, [32, 32], 8, overlap=overlap)(torch.rand(1, 1, 64, 64), lambda part: part)

    def test_a_window_that_the_network_does_not_take_is_not_passed_over(self):
        with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
            WindowInferer(FP32, [30, 30], 8)(torch.rand(1, 1, 64, 64), UNet([4, 8, 8, 8]).eval())


@pytest.mark.parametrize("build", [PatchInferer, lambda accelerator: WindowInferer(accelerator, [32, 32], 4)])
class TestEveryInferer:
    def test_gives_float32_whatever_the_network_computes_in(self, build):
        logits = build(FP32)(torch.rand(1, 1, 32, 40), lambda part: part.bfloat16())
        assert logits.dtype == torch.float32

    def test_the_network_sees_a_plain_tensor(self, build):
        def network(part):
            assert type(part) is torch.Tensor
            return part

        image = MetaTensor(torch.rand(2, 1, 32, 40))
        torch.testing.assert_close(torch.as_tensor(build(FP32)(image, network)), image.as_tensor())

    def test_the_network_runs_under_the_accelerators_autocast(self, build, monkeypatch):
        accelerator = Accelerator("cpu-fp32")
        seen = set()

        def network(part):
            seen.add(torch.is_autocast_enabled("cpu"))
            return part

        for accelerator.bf16 in (False, True):
            build(accelerator)(torch.rand(1, 1, 32, 40), network)
        assert seen == {False, True}
