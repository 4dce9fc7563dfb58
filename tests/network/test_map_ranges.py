"""Ranges of a network's maps: of the right maps, and 256 values in them of which 0 is one."""

import pytest
import torch
from torch import nn

from livecell_monai.network import UNet, measure_ranges
from livecell_monai.network.map_ranges import is_rounded, step_of


class Scaled(nn.Module):
    """Two convolutions, the second of which sees what the first one gives."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(17, 17, 3, padding=1, bias=False)
        self.second = nn.Conv2d(17, 2, 3)
        with torch.no_grad():
            self.first.weight.zero_()
            self.first.weight[:, :, 1, 1] = 2 * torch.eye(17)

    def forward(self, maps):
        return self.second(self.first(maps))


def ramp(low, high):
    """Maps of every value from one to another."""
    return torch.linspace(low, high, 17 * 64).reshape(1, 17, 8, 8)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Conv2d(17, 4, 3), True),
        (nn.ConvTranspose2d(17, 4, 2), False),
        (nn.Conv2d(16, 64, 3), False),
        (nn.Conv2d(64, 64, 1), False),
        (nn.ReLU(), False),
    ],
)
def test_which_convolutions_are_worth_it(module, expected):
    assert is_rounded(module) is expected


@torch.no_grad()
def test_the_ranges_are_of_what_enters():
    network = Scaled()
    ranges = measure_ranges(network, lambda: network(ramp(-1, 3)))
    assert list(ranges) == ["first", "second"]
    assert ranges["first"] == pytest.approx((-1, 3), abs=1e-5)
    assert ranges["second"] == pytest.approx((-2, 6), abs=1e-5)


@torch.no_grad()
def test_all_images_count():
    network = Scaled()
    ranges = measure_ranges(network, lambda: [network(image) for image in (ramp(0, 1), ramp(-2, 0))])
    assert ranges["first"] == pytest.approx((-2, 1), abs=1e-5)


@torch.no_grad()
def test_nothing_is_left_behind_in_the_network():
    network = Scaled()

    def fail():
        network(ramp(0, 1))
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        measure_ranges(network, fail)
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_narrow_networks_have_none():
    network = UNet([4, 8]).eval()
    assert measure_ranges(network, lambda: network(torch.rand(1, 1, 16, 16))) == {}


@pytest.mark.parametrize("ends", [(-1.0, 3.0), (0.0, 5.0), (2.0, 5.0), (-4.0, -1.0), (0.0, 0.0)])
def test_zero_is_one_of_the_values(ends):
    low, step = step_of(ends)
    assert step > 0
    assert low / step == pytest.approx(round(low / step))
    assert low <= 0 <= low + 255 * step + 1e-9
