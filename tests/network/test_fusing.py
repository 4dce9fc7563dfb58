"""Folding batch norms: the same logits from a faster network."""

import copy

import pytest
import torch
from torch import nn

from livecell_monai.network import UNet, fuse_batch_norms
from tests.network.test_unet import every_network


def as_trained(network):
    """The network in evaluation mode, its batch norms as a training leaves them, far from doing nothing."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in batch_norms(network):
            norm.weight.uniform_(0.5, 1.5, generator=generator)
            norm.bias.uniform_(-0.5, 0.5, generator=generator)
            norm.running_mean.uniform_(-0.5, 0.5, generator=generator)
            norm.running_var.uniform_(0.2, 1.5, generator=generator)
    return network.eval()


def batch_norms(network):
    return [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]


@pytest.fixture
def small():
    torch.manual_seed(0)
    return as_trained(UNet([4, 8]))


@every_network
@torch.no_grad()
def test_gives_the_same_logits_without_a_batch_norm(world):
    torch.manual_seed(0)
    network = UNet(**world)
    image = torch.randn(2, 1, 2 * network.multiple, 3 * network.multiple)
    fresh = network.eval()(image)
    before = as_trained(network)(image)
    if "norm" in world:  # instance norms are left alone
        assert torch.equal(before, fresh)
    else:
        assert (before - fresh).abs().max() > 1e-2  # the batch norms have a say
        assert len(batch_norms(network)) >= len(world["filters"])
    folded = fuse_batch_norms(network)
    assert batch_norms(folded) == []
    torch.testing.assert_close(folded(image), before, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_folding_that_forgets_the_statistics_would_be_noticed(small):
    image = torch.randn(1, 1, 16, 24)
    before = small(image)
    for part in small.modules():
        if hasattr(part, "N"):
            part.N = nn.Identity()
    assert (small(image) - before).abs().max() > 1e-2


def test_changes_the_network_in_place(small):
    assert fuse_batch_norms(small) is small


@torch.no_grad()
def test_folding_again_changes_nothing(small):
    image = torch.randn(1, 1, 16, 24)
    once = fuse_batch_norms(small)(image)
    assert torch.equal(fuse_batch_norms(small)(image), once)


@torch.no_grad()
def test_keeps_channels_last(small):
    image = torch.randn(1, 1, 16, 24)
    before = small(image)
    folded = fuse_batch_norms(small.to(memory_format=torch.channels_last))
    torch.testing.assert_close(folded(image.contiguous(memory_format=torch.channels_last)), before, atol=1e-4, rtol=1e-4)
    wide = [part for part in folded.modules() if isinstance(part, nn.Conv2d) and part.weight.shape[1] > 1]
    assert all(part.weight.is_contiguous(memory_format=torch.channels_last) for part in wide)


def test_a_network_in_training_mode_is_refused_and_left(small):
    before = copy.deepcopy(small.train().state_dict())
    with pytest.raises(ValueError, match=r"must be in evaluation mode .* got one in training mode"):
        fuse_batch_norms(small)
    assert len(batch_norms(small)) > 0
    assert all(torch.equal(before[name], value) for name, value in small.state_dict().items())


def test_the_state_no_longer_fits(small):
    state = copy.deepcopy(small.state_dict())
    small.load_state_dict(state)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        fuse_batch_norms(small).load_state_dict(state)
