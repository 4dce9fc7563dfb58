"""Pseudo-labels: the averaged network labels images without labels, and the network trains on its confident pixels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from livecell_monai.data.dataset.items import Item
from livecell_monai.prediction.prepared import ImageInMemory, without_metadata
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import IMAGE
from livecell_monai.settings import check_values
from livecell_monai.training.batches import PatchLoader
from livecell_monai.training.budget import Budget

_LEVELS = 255  # steps of a pseudo-label that is not binary
MOST_IMAGES = 32  # in memory at a time; with more images, each refresh draws others


@dataclass(eq=False)
class PseudoLabeller:
    """Adds images with pseudo-labels to the images that patches are drawn from.

    Their patches are augmented: the network learns to find in these what the averaged network found in the unchanged image.

    Source: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017; Sohn et al., "FixMatch: Simplifying
    Semi-Supervised Learning with Consistency and Confidence", NeurIPS 2020.
    """

    items: Sequence[Item]  #: the images; without any, training is not changed
    segmenter: Segmenter  #: of the averaged network
    loader: PatchLoader
    budget: Budget
    times: Sequence[float] = (0.4, 0.7)  #: training fractions in [0, 1) at which the pseudo-labels are refreshed, increasing
    confidence: float = 0.8  #: threshold in [0.5, 1) on the probability of a class; pixels below it have weight 0
    fraction: float = 0.5  #: fraction of the patches that come from pseudo-labelled images, in (0, 1)

    def __post_init__(self) -> None:
        given = {"schedule": self.times, "confidence": self.confidence, "fraction": self.fraction}
        check_values({f"pseudo_label_{name}": value for name, value in given.items()})
        self.remaining = list(self.times)
        self.chosen: list[Item] = []
        self.loader.pseudo_label_fraction, self.loader.has_weights = self.fraction, bool(self.items)

    def attach(self, trainer: Engine) -> None:
        """Follow a trainer if there are images."""
        if self.items:
            trainer.add_event_handler(Events.ITERATION_COMPLETED, self._refresh_when_due)

    def _refresh_when_due(self) -> None:
        if self.remaining and self.budget.done >= self.remaining[0]:
            self.remaining = [time for time in self.remaining if time > self.budget.done]
            order = torch.randperm(len(self.items), generator=self.loader.generator).tolist()
            self.chosen = [self.items[index] for index in sorted(order[:MOST_IMAGES])]
            self.loader.pseudo_labelled = [self.label(item) for item in self.chosen]

    def label(self, item: Item) -> torch.Tensor:
        """Image, target and weight of 0 and 1 of one item, as (1 + C + 1, Y, X) float32.

        The target of a binary channel is 0 or 1, of another the map in steps of 1 / 255; the weight follows the foreground.
        """
        image = self._read(item)
        maps = self.segmenter.maps_of(ImageInMemory(image)).to(image)  # at the working scale
        head = self.segmenter.head
        foreground = head.take_foreground(maps)
        is_sure = (foreground >= self.confidence) | (foreground <= 1 - self.confidence)
        steps = (maps * _LEVELS).round() / _LEVELS
        target = (maps > 0.5).to(image) if head.is_binary else head.round_target(steps)
        return torch.cat([image, target, is_sure.to(image)])

    def state_dict(self) -> dict[str, Any]:
        """Remaining refreshes, and path, target and weight in steps, and (Y, X) of each image; pixels are read again."""
        labels = []
        for item, stack in zip(self.chosen, self.loader.pseudo_labelled, strict=True):
            steps = np.rint(stack[1:].cpu().numpy() * _LEVELS).astype(np.uint8)
            packed = torch.from_numpy(np.packbits(steps > 0) if self.segmenter.head.is_binary else steps.ravel())
            labels.append((str(item[IMAGE]), packed, list(stack.shape[1:])))
        return {"remaining": self.remaining, "labels": labels}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the pseudo-labels, without images that are missing or have another size."""
        self.remaining = list(state["remaining"])
        by_path = {str(item[IMAGE]): item for item in self.items}
        self.chosen, self.loader.pseudo_labelled = [], []
        for path, packed, size in state["labels"]:
            image = self._read(by_path[path]) if path in by_path else None
            if image is not None and list(image.shape[1:]) == size:
                shape = (1 + len(self.segmenter.head), *size)
                steps = packed.numpy()
                if self.segmenter.head.is_binary:
                    steps = np.unpackbits(steps, count=math.prod(shape)) * np.uint8(_LEVELS)
                planes = torch.from_numpy(steps.reshape(shape)).to(image) / _LEVELS
                self.chosen.append(by_path[path])
                self.loader.pseudo_labelled.append(torch.cat([image, planes]))

    def _read(self, item: Item) -> torch.Tensor:
        """(1, Y, X) float32 at the working scale."""
        return without_metadata(self.segmenter.prepare(item)[IMAGE]).float().to(self.loader.device)
