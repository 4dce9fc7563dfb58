"""One pass of the network: what it sees, in which arithmetic, over which views."""

import pytest
import torch
from monai.data import MetaTensor
from torch import nn
from torch.nn import functional

from livecell_monai.errors import SettingError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.forward_pass import PatchInferer
from livecell_monai.prediction.window_inferer import WindowInferer

FP32 = Accelerator("cpu-fp32")
SIZES = [(96, 112), (97, 113), (31, 65), (5, 200), (64, 64), (1, 1), (63, 3)]
every_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))


@pytest.fixture
def local():
    """A network whose every output pixel hangs on the one input pixel."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 1), nn.Tanh(), nn.Conv2d(3, 1, 1)).eval()


def dihedral(kernel, views):
    """The mean of a kernel (1, 1, k, k) and of what the views turn it into: what a convolution gives over all of them."""
    flipped = kernel.flip(3)
    turned = {
        1: [kernel],
        2: [kernel, flipped],
        4: [torch.rot90(kernel, turns, (2, 3)) for turns in range(4)],
        8: [torch.rot90(each, turns, (2, 3)) for each in (kernel, flipped) for turns in range(4)],
    }
    return torch.stack(turned[views]).mean(0)


class TestViews:
    @every_size
    @pytest.mark.parametrize("views", [2, 4, 8])
    def test_one_view_is_enough_for_a_network_that_does_not_care(self, local, size, views):
        image = torch.rand(1, 1, *size)
        with torch.no_grad():
            one, all_of_them = (WindowInferer(FP32, [32, 64], 8, tta_views=count)(image, local) for count in (1, views))
        torch.testing.assert_close(all_of_them, one, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("views", [1, 2, 4, 8])
    def test_is_the_mean_of_the_turned_ones(self, views):
        generator = torch.Generator().manual_seed(0)
        image, kernel = torch.rand(2, 1, 48, 64, generator=generator), torch.randn(1, 1, 5, 5, generator=generator)

        def network(part):
            return functional.conv2d(part, kernel, padding=2)

        logits = WindowInferer(FP32, [64, 64], 8, tta_views=views)(image, network)
        torch.testing.assert_close(
            logits, functional.conv2d(image, dihedral(kernel, views), padding=2), atol=1e-5, rtol=1e-5
        )
        for other in {1, 2, 4, 8} - {views}:
            assert (dihedral(kernel, other) - dihedral(kernel, views)).abs().max() > 0.1

    @pytest.mark.parametrize("views", [1, 2, 4, 8])
    def test_each_is_another_pass_over_another_image(self, views):
        seen = []
        WindowInferer(FP32, [64, 64], 8, tta_views=views)(torch.rand(1, 1, 48, 48), lambda part: seen.append(part) or part)
        assert len(seen) == views
        assert len({part.numpy().tobytes() for part in seen}) == views

    @pytest.mark.parametrize("views", [0, 3, 16, -1, None, "8", True, [1]], ids=repr)
    def test_a_number_of_views_that_is_not_known_is_refused(self, views):
        with pytest.raises(SettingError, match="setting tta_views must be 1, 2, 4 or 8, got ") as refusal:
            WindowInferer(FP32, [64, 64], 8, tta_views=views)
        assert repr(views) in str(refusal.value)


def test_a_training_gets_the_logits_as_they_were_computed():
    logits = PatchInferer(FP32, convert=False)(torch.rand(1, 1, 32, 40), lambda part: part.bfloat16())
    assert logits.dtype == torch.bfloat16


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

    def test_further_arguments_reach_the_network(self, build):
        seen = []

        def network(part, *args, **kwargs):
            seen.append((args, kwargs))
            return part

        build(FP32)(torch.rand(1, 1, 32, 32), network, 7, condition="a")
        assert seen == [((7,), {"condition": "a"})]
