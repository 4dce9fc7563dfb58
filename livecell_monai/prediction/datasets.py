"""Data sets that MONAI lacks: images of which some cannot be read, and the leaking validation of the report."""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import CacheDataset, Dataset, MetaTensor
from torch.utils.data import IterableDataset

from livecell_monai.data.checks.limits import MEMORY_ADVICE
from livecell_monai.data.dataset.items import Item, to_items
from livecell_monai.data.dataset.split import Split
from livecell_monai.data.readers import find_file
from livecell_monai.errors import DataError, TooLargeError, find_user_error, is_out_of_memory
from livecell_monai.prediction.prepared import without_metadata
from livecell_monai.sample import FRAMES, IMAGE, NAME

Transform = Callable[[Item], Any]


class ReadableDataset(IterableDataset[Any]):
    """Images one after the other; one that cannot be read is recorded and skipped, with all later frames of its movie."""

    def __init__(self, data: Sequence[Item], transform: Transform) -> None:
        self.data = data
        self.transform = transform
        self.failures: dict[Path, str] = {}  #: the message for each image or movie that could not be read, by its path

    def __iter__(self) -> Iterator[Any]:
        failed = None
        for item in self.data:
            if FRAMES in item and item[NAME] == failed:
                continue
            try:
                yield self.transform(dict(item))
            except Exception as error:
                failure = find_user_error(error)
                if failure is None:
                    raise
                path = find_file(item[IMAGE])
                if is_out_of_memory(error) and not isinstance(failure, DataError):
                    failure = TooLargeError(f"{path}: must fit into memory to be prepared, it does not; {MEMORY_ADVICE}")
                self.skip(path, str(failure))
                failed = item[NAME]

    def skip(self, path: Path, failure: str) -> None:
        """Record why an image has no mask."""
        self.failures[path] = failure
        logging.getLogger(__name__).info("skipped: %s", failure)  # all that monai.bundle run shows of it


def build_validation_dataset(
    split: Split, transform: Transform, augmented: Iterable[Any], samples_per_epoch: int, most: int | None = None
) -> Dataset:
    """The samples that the network is validated on after each epoch: the validation samples, once each.

    Only the leaking split of the report takes patches instead: 15 % of the
    samples of an epoch, but no more than `most`, drawn once from the augmented batches of training.
    """
    if split.mode != "original":
        return CacheDataset(to_items(split.validation), transform, num_workers=None, progress=False)
    draws = max(1, round(0.15 * samples_per_epoch))
    draws = draws if most is None else min(draws, most)
    batches = itertools.chain.from_iterable(itertools.repeat(augmented))
    samples = (_take_sample(batch, i) for batch in batches for i in range(len(batch[IMAGE])))
    return Dataset(list(itertools.islice(samples, draws)))


def _take_sample(batch: Mapping[str, Any], index: int) -> Item:
    """One sample of a batch, as on a grid of its own: an augmented patch has no original grid."""
    tensors = {key: value[index] for key, value in batch.items() if isinstance(value, torch.Tensor)}
    sample = {key: MetaTensor(without_metadata(value).clone()) for key, value in tensors.items()}
    return {**sample, "grid": torch.tensor(sample[IMAGE].shape[-2:])}
