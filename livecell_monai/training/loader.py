"""Batches of random patches, cut from stacks that are read once and stay in memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from ignite import distributed as idist
from monai.data import MetaTensor

from livecell_monai.network.heads import Head
from livecell_monai.sample import IMAGE, TARGET, WEIGHT
from livecell_monai.transforms import Appearance, Warp, draw_patches

Batch = dict[str, torch.Tensor]


class PatchLoader:
    """What the trainer iterates over: an epoch of batches, each drawn anew.

    Everything random is done on the whole batch by the process that trains: a worker would only take the cores that the
    network needs, and the seed would give other patches with another number of workers.

    Args:
        dataset: samples with `image` (1, Y, X) and `target` (C, Y, X), perhaps `weight` (1, Y, X), at the working scale;
            read at the first batch.
        warp: how a patch is cut.
        appearance: how its looks are changed.
        head: of the network, whose targets are resampled.
        batch_size: number of patches, those of all processes together; each process makes its part.
        samples_per_epoch: number of patches in an epoch.
        seed: of every draw.
        device: where the stacks lie and the patches are made.

    Attributes:
        stacks: (1 + C or 2 + C, Y, X) tensors of image, target and perhaps weight per pixel, as annotated.
        taught: such stacks whose targets a network has made, with a weight.
        weighted: whether patches have a weight per pixel even where no sample has one.
        share: of the patches that come from the taught ones, where there are some.
    """

    def __init__(
        self,
        dataset: Sequence[Any],
        warp: Warp,
        appearance: Appearance,
        head: Head,
        batch_size: int,
        samples_per_epoch: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.dataset = dataset
        self.warp = warp
        self.appearance = appearance
        self.head = head
        self.batch_size = batch_size // idist.get_world_size()
        self.batches = -(-samples_per_epoch // batch_size)
        self.generator = torch.Generator().manual_seed(seed)
        self.device = device
        self.weighted = False
        self.stacks: list[torch.Tensor] = []
        self.taught: list[torch.Tensor] = []
        self.share = 0.5

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Batch]:
        if not self.stacks:
            self.stacks = self._read()
        for _ in range(self.batches):
            yield self._draw()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Where the draws are."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Have the next patch be the one that would have followed."""
        self.generator.set_state(state["generator"])

    def _draw(self) -> Batch:
        sources = [*self.stacks, *self.taught]
        generator = self._pick_generator()
        patches = draw_patches(sources, self.batch_size, self.warp, generator, self._weights())
        images = self.appearance(patches[:, :1], generator)
        behind = 1 + len(self.head)
        batch = {IMAGE: images, TARGET: self.head.round_target(patches[:, 1:behind])}
        if patches.shape[1] > behind:
            batch[WEIGHT] = patches[:, behind:]
        return batch

    def _pick_generator(self) -> torch.Generator:
        """The generator of the next batch.

        Several processes draw a seed from their common generator, add their rank and seed torch's own generator with it:
        patches and dropout differ between processes, and the common generator alone is the state of a checkpoint.
        """
        if idist.get_world_size() == 1:
            return self.generator
        seed = torch.randint(2**40, (), generator=self.generator)
        return torch.manual_seed(int(seed) + idist.get_rank())

    def _weights(self) -> list[float] | None:
        """How often each stack is drawn: all of its kind alike."""
        if not self.taught:
            return None
        kinds = ((self.stacks, 1 - self.share), (self.taught, self.share))
        return [share / len(stacks) for stacks, share in kinds for _ in stacks]

    def _read(self) -> list[torch.Tensor]:
        samples = [self.dataset[index] for index in range(len(self.dataset))]
        has_weights = self.weighted or any(WEIGHT in sample for sample in samples)
        keys = [IMAGE, TARGET, *([WEIGHT] if has_weights else [])]
        return [torch.cat([_plane(sample, key) for key in keys]).to(self.device) for sample in samples]


def _plane(sample: dict[str, Any], key: str) -> torch.Tensor:
    """(C, Y, X) float32; a sample without a weight weighs 1 everywhere."""
    value = sample.get(key)
    if value is None:
        return torch.ones_like(_plane(sample, IMAGE))
    plane: torch.Tensor = (value.as_tensor() if isinstance(value, MetaTensor) else value).float()
    return plane
