"""The part of every batch that one of several processes makes, while all draw the random numbers of the whole batch."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class RankSlice:
    """Which rows of a batch are this process's own: every `world`th one, from the `rank`th on.

    Attributes:
        rank: number of the process, from 0.
        world: number of processes; each batch divides by it.
    """

    rank: int = 0
    world: int = 1

    @property
    def rows(self) -> slice:
        """The process's own rows of what has one row for each sample of the whole batch."""
        return slice(self.rank, None, self.world)


WHOLE_BATCH = RankSlice()


@dataclass(frozen=True)
class BatchRng:
    """Random numbers for every sample of a batch, of which the rows of a share are given.

    The numbers of the others are drawn and thrown away, so that all processes stay at the same place of one stream. For all
    but the grain of the noise that is a handful of numbers a sample; the grain costs a process what it costs for the batch.

    Attributes:
        generator: of every number.
        count: number of samples in the whole batch.
        share: the rows that are given.
    """

    generator: torch.Generator
    count: int
    share: RankSlice = WHOLE_BATCH

    def uniform(self, *shape: int) -> torch.Tensor:
        """Numbers (rows, *shape) in [0, 1)."""
        return torch.rand(self.count, *shape, generator=self.generator)[self.share.rows]

    def signed(self, *shape: int) -> torch.Tensor:
        """Numbers (rows, *shape) in [-1, 1)."""
        return 2 * self.uniform(*shape) - 1

    def normal(self, *shape: int) -> torch.Tensor:
        """Numbers (rows, *shape) of mean 0 and standard deviation 1."""
        return torch.randn(self.count, *shape, generator=self.generator)[self.share.rows]
