"""A network made ready to be trained by several processes, each with its rows of every batch."""

import torch
from torch import nn
from torch.nn import functional


class SharedDropout(nn.Module):
    """Dropout of whole channels that drops in a process's rows what one process would drop there in the whole batch.

    Processes of one seed would else all drop the same channels.

    Args:
        p: probability in [0, 1) that a channel is dropped.
        rank: number of the process, from 0.
        world: number of processes; the process has every `world`th row of a batch, from the `rank`th on.
    """

    def __init__(self, p: float, rank: int, world: int) -> None:
        super().__init__()
        self.p = p
        self.rank = rank
        self.world = world

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (rows, C, Y, X) with some channels 0 and the others larger by as much."""
        if not self.training:
            return maps
        ones = maps.new_ones(len(maps) * self.world, maps.shape[1], 1, 1)  # channels are drawn as one process draws them
        return maps * functional.dropout2d(ones, self.p)[self.rank :: self.world]


def share_network(network: nn.Module, rank: int, world: int, synchronise: bool) -> nn.Module:
    """Make the parts of a network that look at a whole batch do so over all processes, in place; weights keep their names.

    Args:
        network: what is to be trained.
        rank: number of the process, from 0.
        world: number of processes.
        synchronise: whether batch norms take their statistics over all processes, which torch can do on GPUs alone.
    """
    if world == 1:
        return network
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.Dropout2d):
                setattr(module, name, SharedDropout(part.p, rank, world))
    if synchronise:
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return network
