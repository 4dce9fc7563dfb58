"""Batches of a training: sampled, cut from stacks in memory, prepared for the network, and turned into masks for metrics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from ignite import distributed as idist
from torch.utils.data import RandomSampler

from livecell_monai.network.heads import Head
from livecell_monai.prediction.evaluation_step import note_labelled
from livecell_monai.prediction.prepared import without_metadata
from livecell_monai.sample import IMAGE, LABEL, PRED, TARGET, WEIGHT
from livecell_monai.transforms import Appearance, Warp, draw_patches


class PatchLoader:
    """Batches of random patches, augmented as whole batches in the training process, so that workers do not matter.

    Args:
        dataset: samples with `image` (1, Y, X), `target` (C, Y, X) and optional `weight` (1, Y, X), at the working scale;
            read once, at the first batch.
        warp: cuts the patches.
        appearance: changes the patches' images.
        head: of the network, whose targets are resampled.
        batch_size: number of patches of all processes together; each process makes its part.
        samples_per_epoch: number of patches.
        seed: of all random draws.
        device: of the stacks and patches.

    Attributes:
        stacks: (1 + C or 2 + C, Y, X) image, target and optional weight of each sample.
        pseudo_labelled: further stacks, whose targets a network has made, with a weight.
        pseudo_label_fraction: fraction of the patches that come from these.
        has_weights: patches have a weight per pixel even if no sample has one.
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
        self.has_weights = False
        self.stacks: list[torch.Tensor] = []
        self.pseudo_labelled: list[torch.Tensor] = []
        self.pseudo_label_fraction = 0.5

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        if not self.stacks:
            self.stacks = self._read()
        for _ in range(self.batches):
            yield self._draw()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The state of the random generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue with the patch that would have followed."""
        self.generator.set_state(state["generator"])

    def _draw(self) -> dict[str, torch.Tensor]:
        stacks, probabilities = self.stacks, None
        if self.pseudo_labelled:
            stacks = [*self.stacks, *self.pseudo_labelled]
            kinds = (
                (self.stacks, 1 - self.pseudo_label_fraction),
                (self.pseudo_labelled, self.pseudo_label_fraction),
            )
            probabilities = [fraction / len(kind) for kind, fraction in kinds for _ in kind]
        generator = self._pick_generator()
        patches = draw_patches(stacks, self.batch_size, self.warp, generator, probabilities)
        images = self.appearance(patches[:, :1], generator)
        weight_channel = 1 + len(self.head)
        batch = {IMAGE: images, TARGET: self.head.round_target(patches[:, 1:weight_channel])}
        if patches.shape[1] > weight_channel:
            batch[WEIGHT] = patches[:, weight_channel:]
        return batch

    def _pick_generator(self) -> torch.Generator:
        """The generator of the next batch.

        Several processes draw a seed from their common generator, add their rank and seed torch's own generator with it:
        patches and dropout differ between processes, and only the common generator needs a checkpoint.
        """
        if idist.get_world_size() == 1:
            return self.generator
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
    target = torch.cat([without_metadata(batch[key]) for key in (TARGET, WEIGHT) if key in batch], dim=1)
    return (
        batch[IMAGE].to(device, non_blocking=non_blocking, **kwargs),
        target.to(device, non_blocking=non_blocking, **kwargs),
    )


class ToMasks:
    """Turns the trainer's output, logits and targets (B, C, Y, X), into masks and true masks (B, 1, Y, X) for its metrics.

    Args:
        head: of the network.
        threshold: least foreground value in the mask.
    """

    def __init__(self, head: Head, threshold: float) -> None:
        self.head, self.threshold = head, threshold

    def __call__(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """The output with masks as `pred`, true masks as `label`, and the `labelled` pixels if there are weights."""
        target = output[LABEL]
        masks = {
            PRED: self.head.to_mask(self.head.to_maps(output[PRED]), self.threshold).float(),
            LABEL: self.head.take_foreground(target),
        }
        weight = target[:, len(self.head) :]
        return {**output, **masks, **(note_labelled(weight) if weight.shape[1] else {})}
