"""The stream of procedural fields as a training needs them: normalised, with targets, drawn by worker processes."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from livecell_monai.data.stream.fields import StreamField, iterate_fields
from livecell_monai.network import Head
from livecell_monai.transforms import NormaliseContrast

CLIPPED = (0.1, 0.1, 0.4, 1.0)  #: % of the grey values clipped at either end, in turn: plans choose it by saturation


class StreamDataset(IterableDataset[torch.Tensor]):
    """Stacks (1 + C, Y, X) float32 of fields number `first` and on: the image, then the target of each map of the head.

    Several workers take turns, so that a loader gives the same stacks in the same order for any number of them.
    """

    def __init__(self, head: Head, seed: int, first: int = 0, domains: Mapping[str, float] | None = None) -> None:
        self.head, self.seed, self.first, self.domains = head, seed, first, domains

    def __iter__(self) -> Iterator[torch.Tensor]:
        worker = get_worker_info()
        offset, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for turn, field in enumerate(iterate_fields(self.seed, self.first + offset, step, self.domains)):
            yield to_stack(field, self.head, CLIPPED[(offset + turn * step) % len(CLIPPED)])

    def load(self, workers: int) -> Iterator[torch.Tensor]:
        """The stacks, drawn by this process in turn, or ahead by so many others."""
        ahead: dict[str, Any] = {"prefetch_factor": 4, "multiprocessing_context": "fork"} if workers else {}
        return iter(DataLoader(self, batch_size=None, num_workers=workers, **ahead))


def to_stack(field: StreamField, head: Head, clipped: float = 0.1) -> torch.Tensor:
    """A field as (1 + C, Y, X) float32: the image normalised as in a training, then the target.

    `clipped` is the part of the grey values that are clipped at either end, in %.
    """
    # a training first brings the image to [0, 1], which does not change what follows
    normal = NormaliseContrast((clipped, 100 - clipped))(torch.from_numpy(field.image.astype("float32"))[None])
    return torch.cat([normal, head.derive_target(torch.from_numpy(field.label.astype("int32"))[None])])
