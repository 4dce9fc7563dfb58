"""Learning from images without labels: the averaged network labels them where it is sure, and the network learns from it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from livecell_monai.data.dataset.items import Item
from livecell_monai.errors import SettingError
from livecell_monai.prediction.prepared import ImageInMemory, without_metadata
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import IMAGE
from livecell_monai.training.budget import Budget
from livecell_monai.training.loader import PatchLoader

MOST_IMAGES = 32  # in memory at a time; from more, others are drawn at the next time


class PseudoLabeller:
    """Puts images without labels among those that patches are drawn from, with labels that are made anew now and then.

    A pixel teaches where the averaged network gives one of the classes at least a certain probability; others have weight 0.
    The patches are changed as all others are, so the network has to find in a turned, blurred, badly lit patch what the
    average of its past has found in the image as it is.

    Args:
        items: the images, a dictionary each; none leaves training as it is.
        segmenter: of the averaged network.
        loader: draws the patches.
        budget: tells how far the training is.
        times: parts of the training, in [0, 1), at which the images are labelled, rising.
        gate: least probability of a class for a pixel to teach, in [0.5, 1).
        share: of the patches that come from these images, in (0, 1).

    Raises:
        SettingError: where a value is out of range.

    Source: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017; Sohn et al., "FixMatch: Simplifying
    Semi-Supervised Learning with Consistency and Confidence", NeurIPS 2020.
    """

    def __init__(
        self,
        items: Sequence[Item],
        segmenter: Segmenter,
        loader: PatchLoader,
        budget: Budget,
        times: Sequence[float] = (0.4, 0.7),
        gate: float = 0.8,
        share: float = 0.5,
    ) -> None:
        rules = [
            (
                len(times) > 0 and all(0 <= time < 1 for time in times) and list(times) == sorted(times),
                "pseudo_label_schedule",
                "rising numbers, at least 0 and below 1",
                list(times),
            ),
            (0.5 <= gate < 1, "pseudo_label_confidence", "at least 0.5 and below 1", gate),
            (0 < share < 1, "pseudo_label_fraction", "above 0 and below 1", share),
        ]
        for holds, setting, rule, value in rules:
            if not holds:
                raise SettingError(f"setting {setting} must be {rule}, got {value!r}; correct it")
        self.items = list(items)
        self.segmenter = segmenter
        self.loader = loader
        self.budget = budget
        self.waiting = list(times)
        self.chosen: list[Item] = []
        self.gate = gate
        loader.share, loader.weighted = share, bool(self.items)

    def attach(self, trainer: Engine) -> None:
        """Follow a trainer; without images there is nothing to follow."""
        if self.items:
            trainer.add_event_handler(Events.ITERATION_COMPLETED, self._label_in_time)

    def _label_in_time(self) -> None:
        if self.waiting and self.budget.done >= self.waiting[0]:
            self.waiting = [time for time in self.waiting if time > self.budget.done]
            self.chosen = self._choose()
            self.loader.taught = [self.label(item) for item in self.chosen]

    def _choose(self) -> list[Item]:
        order = torch.randperm(len(self.items), generator=self.loader.generator).tolist()
        return [self.items[index] for index in sorted(order[:MOST_IMAGES])]

    def label(self, item: Item) -> torch.Tensor:
        """Image, target of 0 and 1 and weight of 0 and 1 of one item, as (1 + C + 1, Y, X) float32."""
        image = self._read(item)
        maps = self.segmenter.maps_of(ImageInMemory(image)).to(image)  # at the working scale
        is_sure = ((maps >= self.gate) | (maps <= 1 - self.gate)).all(dim=0, keepdim=True)
        return torch.cat([image, (maps > 0.5).to(image), is_sure.to(image)])

    def state_dict(self) -> dict[str, Any]:
        """What is still to be labelled when, and the labels that teach: two bits a pixel, the images are read again."""
        taught = [(str(item[IMAGE]), *_pack(stack)) for item, stack in zip(self.chosen, self.loader.taught, strict=True)]
        return {"waiting": self.waiting, "taught": taught}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Teach what was taught; an image that is gone, or has another size, teaches no more."""
        self.waiting = list(state["waiting"])
        there = {str(item[IMAGE]): item for item in self.items}
        self.chosen, self.loader.taught = [], []
        for path, bits, shape in state["taught"]:
            image = self._read(there[path]) if path in there else None
            if image is not None and list(image.shape[1:]) == shape:
                self.chosen.append(there[path])
                planes = (1 + len(self.segmenter.head), *shape)
                self.loader.taught.append(torch.cat([image, _unpack(bits, planes).to(image)]))

    def _read(self, item: Item) -> torch.Tensor:
        """(1, Y, X) float32 at the working size."""
        return without_metadata(self.segmenter.prepare(item)[IMAGE]).float().to(self.loader.device)


def _pack(stack: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """Target and weight of a stack (1 + C + 1, Y, X), all 0 or 1, as bits; and (Y, X)."""
    return torch.from_numpy(np.packbits(stack[1:].cpu().numpy() > 0)), list(stack.shape[1:])


def _unpack(bits: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """An array of 0 and 1 of a shape."""
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=math.prod(shape)).reshape(*shape))
