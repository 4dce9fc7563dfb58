"""What looks at a whole batch, shared by several processes that a test plays one after the other."""

import copy

import pytest
import torch
from torch import nn

from livecell_monai.network import UNet, share_network
from livecell_monai.network.ddp import SharedDropout


def build(**settings):
    torch.manual_seed(0)
    return UNet([4, 8], norm="instance", dropout=0.5, **settings)


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_all_rows_are_those_that_one_process_gives(world, dtype):
    network, images = build().to(dtype), torch.rand(4, 1, 16, 24).to(dtype)
    torch.manual_seed(1)
    whole = network(images)
    torch.manual_seed(2)
    assert not torch.allclose(network(images), whole)  # dropout has a say
    for rank in range(world):
        shared = share_network(copy.deepcopy(network), rank, world, synchronise=False)
        torch.manual_seed(1)
        torch.testing.assert_close(shared(images[rank::world]), whole[rank::world])


def test_processes_of_one_seed_would_else_drop_the_same_channels():
    ones, dropped = torch.ones(2, 64, 3, 3), []
    for rank in (0, 1):
        torch.manual_seed(0)
        dropped.append(SharedDropout(0.5, rank, 2)(ones)[:, :, 0, 0])
    assert not torch.equal(*dropped)
    assert set(torch.cat(dropped).unique().tolist()) == {0.0, 2.0}


def test_nothing_is_dropped_in_use():
    network, images = build(), torch.rand(4, 1, 16, 24)
    shared = share_network(copy.deepcopy(network), 1, 2, synchronise=False).eval()
    assert torch.equal(shared(images), network.eval()(images))


def test_weights_keep_their_names_and_batch_norms_are_synchronised_where_that_is_asked():
    network = UNet([4, 8])
    names = list(network.state_dict())
    first = next(network.parameters())
    shared = share_network(network, 0, 2, synchronise=True)
    assert list(shared.state_dict()) == names
    assert next(shared.parameters()) is first  # an optimiser may have it already
    kinds = {type(part) for part in shared.modules()}
    assert nn.SyncBatchNorm in kinds
    assert {nn.BatchNorm2d, nn.Dropout2d}.isdisjoint(kinds)


def test_alone_nothing_changes():
    network = UNet([4, 8])
    assert share_network(network, 0, 1, synchronise=True) is network
    assert nn.BatchNorm2d in {type(part) for part in network.modules()}
