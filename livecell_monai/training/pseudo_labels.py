"""Learning from images without labels: the averaged network labels them where it is sure, and the network learns from it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import nn

from livecell_monai.data.dataset.items import Item
from livecell_monai.sample import IMAGE
from livecell_monai.settings import check_values
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
        transform: reads and prepares one, to (1, Y, X) at the working size.
        network: the averaged network.
        inferer: runs it over an image.
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
        transform: Callable[[Item], Mapping[Any, Any]],
        network: nn.Module,
        inferer: Callable[..., torch.Tensor],
        loader: PatchLoader,
        budget: Budget,
        times: Sequence[float] = (0.4, 0.7),
        gate: float = 0.8,
        share: float = 0.5,
    ) -> None:
        own = {"pseudo_label_confidence": gate, "pseudo_label_fraction": share}
        check_values({"pseudo_label_schedule": list(times), **own})
        self.items = list(items)
        self.transform = transform
        self.network = network
        self.inferer = inferer
        self.loader = loader
        self.budget = budget
        self.waiting = list(times)
        self.chosen: list[Item] = []
        self.gate = gate
        loader.share = share

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

    @torch.no_grad()
    def label(self, item: Item) -> torch.Tensor:
        """Image, label of 0 and 1 and weight of 0 and 1 of one item, as (3, Y, X) float32."""
        image = self._read(item)
        probability = torch.sigmoid(self.inferer(image[None], self.network)[0])
        is_sure = (probability >= self.gate) | (probability <= 1 - self.gate)
        return torch.cat([image, (probability > 0.5).to(image), is_sure.to(image)])

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
                self.loader.taught.append(torch.cat([image, _unpack(bits, shape).to(image)]))

    def _read(self, item: Item) -> torch.Tensor:
        """(1, Y, X) float32 at the working size."""
        read = self.transform(dict(item))[IMAGE]
        image: torch.Tensor = (read.as_tensor() if hasattr(read, "as_tensor") else read).float().to(self.loader.device)
        return image


def _pack(stack: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """Label and weight of a stack (3, Y, X), both 0 or 1, as bits; and (Y, X)."""
    return torch.from_numpy(np.packbits(stack[1:].cpu().numpy() > 0)), list(stack.shape[1:])


def _unpack(bits: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """(2, Y, X) of 0 and 1."""
    count = 2 * shape[0] * shape[1]
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=count).reshape(2, *shape))
