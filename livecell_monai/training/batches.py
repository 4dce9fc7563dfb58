"""Batches of a training: sampled, cut from stacks in memory, prepared for the network, and turned into masks for metrics."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from ignite import distributed as idist
from torch.utils.data import RandomSampler

from livecell_monai.network.heads import Head
from livecell_monai.prediction.evaluation_step import note_truth
from livecell_monai.prediction.prepared import without_metadata
from livecell_monai.sample import IMAGE, LABEL, PRED, TARGET, WEIGHT
from livecell_monai.transforms import Appearance, Obstacles, Warp, draw_patches

NO_OBSTACLES = Obstacles(0.0)


@dataclass(eq=False)
class PatchLoader:
    """Batches of random patches, augmented as whole batches in the training process, so that workers do not matter.

    The samples have `image` (1, Y, X), `target` (C, Y, X) and optional `weight` (1, Y, X), at the working scale. The first
    batch reads them all into stacks of these channels. Patches of an image that is annotated in part have their centre in an
    annotated pixel.
    """

    dataset: Sequence[Any]
    warp: Warp
    appearance: Appearance
    head: Head
    batch_size: int  #: number of patches of all processes together; each process makes its part
    samples_per_epoch: int
    seed: int = 0
    device: torch.device | str = "cpu"  #: of the stacks and patches
    obstacles: Obstacles = NO_OBSTACLES
    stacks: list[torch.Tensor] = field(default_factory=list, init=False)
    centres: dict[int, torch.Tensor] = field(default_factory=dict, init=False)  #: as in `draw_patches`
    pseudo_labelled: list[torch.Tensor] = field(default_factory=list, init=False)  #: stacks with targets of a network
    pseudo_label_fraction: float = field(default=0.5, init=False)  #: fraction of the patches that come from these
    has_weights: bool = field(default=False, init=False)  #: patches have a weight per pixel even if no sample has one

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def __len__(self) -> int:
        return math.ceil(self.samples_per_epoch / self.batch_size)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        if not self.stacks:
            self.stacks = self._read()
            found = ((number, _find_centres(stack[1])) for number, stack in enumerate(self.stacks))
            self.centres = {number: pixels for number, pixels in found if pixels is not None}
        for _ in range(len(self)):
            yield self._draw()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The state for a checkpoint."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue with the patch that would have followed."""
        self.generator.set_state(state["generator"])

    def _draw(self) -> dict[str, torch.Tensor]:
        stacks, probabilities = self.stacks, None
        if self.pseudo_labelled:
            stacks = [*self.stacks, *self.pseudo_labelled]
            share = self.pseudo_label_fraction
            kinds = ((self.stacks, 1 - share), (self.pseudo_labelled, share))
            probabilities = [fraction / len(kind) for kind, fraction in kinds for _ in kind]
        generator = self._pick_generator()
        count = self.batch_size // idist.get_world_size()
        patches = draw_patches(stacks, count, self.warp, generator, probabilities, self.centres)
        patches = self.obstacles(patches, len(self.head), generator)
        images = self.appearance(patches[:, :1], generator)
        weight_channel = 1 + len(self.head)
        batch = {IMAGE: images, TARGET: self.head.round_target(patches[:, 1:weight_channel])}
        if patches.shape[1] > weight_channel:
            batch[WEIGHT] = patches[:, weight_channel:]
        return batch

    def _pick_generator(self) -> torch.Generator:
        """The generator of the next batch: the common one, or for several processes torch's own, which it seeds."""
        if idist.get_world_size() == 1:
            return self.generator
        # patches and dropout differ between processes, and only the common generator needs a checkpoint
        seed = torch.randint(2**40, (), generator=self.generator)
        return torch.manual_seed(int(seed) + idist.get_rank())

    def _read(self) -> list[torch.Tensor]:
        samples = [self.dataset[index] for index in range(len(self.dataset))]
        has_weights = self.has_weights or any(WEIGHT in sample for sample in samples)
        stacks = []
        for sample in samples:
            planes = [without_metadata(sample[key]).float() for key in (IMAGE, TARGET, WEIGHT) if key in sample]
            if has_weights and WEIGHT not in sample:
                planes.append(torch.ones_like(planes[0]))
            stacks.append(torch.cat(planes).to(self.device))
        return stacks


def _find_centres(target: torch.Tensor) -> torch.Tensor | None:
    """The pixels (N,) int32 of a target (Y, X) that are annotated, not below 0, as flat indices; None if all or none are."""
    pixels = (target.flatten() >= 0).nonzero().flatten()
    return None if len(pixels) in (0, target.numel()) else pixels.int().cpu()


class ResumableSampler(RandomSampler):
    """Torch's `RandomSampler` with the same draws, and a position within the epoch that can be saved and restored."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.order: list[int] = []
        self.used = 0
        self.rest: list[int] = []

    def __iter__(self) -> Iterator[int]:
        self.order, self.rest = self.rest or list(super().__iter__()), []
        for used, index in enumerate(self.order, start=1):
            self.used = used
            yield index

    def state_dict(self) -> dict[str, Any]:
        """The remaining indices of the epoch."""
        return {"rest": self.order[self.used :]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Make the next epoch the rest of the interrupted one."""
        self.rest = list(state["rest"])


def prepare_batch(
    batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **kwargs: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image (B, 1, Y, X) and target (B, C or C + 1, Y, X) on a device; an optional weight per pixel is the last channel."""
    target = without_metadata(batch[TARGET])
    if WEIGHT in batch:
        target = torch.cat([target, without_metadata(batch[WEIGHT])], dim=1)
    return (
        batch[IMAGE].to(device, non_blocking=non_blocking, **kwargs),
        target.to(device, non_blocking=non_blocking, **kwargs),
    )


@dataclass
class ToMasks:
    """Turns the trainer's output, logits and targets (B, C, Y, X), into masks (B, 1, Y, X) for its metrics."""

    head: Head
    threshold: float

    def __call__(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """The output with masks as `pred`, true masks as `label`, and the `labelled` pixels if some are not."""
        foreground = self.head.take_foreground(output[PRED]).float()  # bf16 in training
        mask = self.head.to_mask(self.head.to_foreground(foreground), self.threshold).float()
        truth, weight = self.head.take_foreground(output[LABEL]), output[LABEL][:, len(self.head) :]
        return {**output, PRED: mask, **note_truth(truth, weight if weight.shape[1] else None)}
