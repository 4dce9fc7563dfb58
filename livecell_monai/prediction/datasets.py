"""The data sets that MONAI has none for: images of which one may fail, and the report's leaking validation."""

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
from livecell_monai.data.readers import parse_address
from livecell_monai.errors import DataError, TooLargeError, find_user_error, is_out_of_memory
from livecell_monai.sample import FRAMES, IMAGE, NAME

Transform = Callable[[Item], Any]


class ReadableDataset(IterableDataset[Any]):
    """Images one after the other; one that cannot be read is recorded and skipped, so that it does not stop the others.

    Of a movie a frame that cannot be read ends it: the frames behind it are skipped too.

    Args:
        data: one dictionary an image.
        transform: what reads and prepares it.

    Attributes:
        failures: the message for each image that could not be read, by its path, of a movie that of the whole.
    """

    def __init__(self, data: Sequence[Item], transform: Transform) -> None:
        self.data = data
        self.transform = transform
        self.failures: dict[Path, str] = {}

    def __iter__(self) -> Iterator[Any]:
        ended = None
        for item in self.data:
            if FRAMES in item and item[NAME] == ended:
                continue
            try:
                yield self.transform(dict(item))
            except Exception as error:
                failure = find_user_error(error)
                if failure is None:
                    raise
                address = parse_address(item[IMAGE])
                path = Path(item[IMAGE]) if address is None else address.path
                if is_out_of_memory(error) and not isinstance(failure, DataError):
                    failure = TooLargeError(f"{path}: must fit into memory to be prepared, it does not; {MEMORY_ADVICE}")
                self.skip(path, str(failure))
                ended = item[NAME]

    def skip(self, path: Path, failure: str) -> None:
        """Note why an image has no mask."""
        self.failures[path] = failure
        logging.getLogger(__name__).info("skipped: %s", failure)  # all that monai.bundle run shows of it


def build_validation_dataset(
    split: Split, transform: Transform, augmented: Iterable[Any], samples_per_epoch: int, most: int | None = None
) -> Dataset:
    """What the network is validated on after each epoch.

    The validation samples, once each; but for the report's leaking split 15 % of the number of samples in an
    epoch, drawn once from the very augmentation of the very images that are trained on.

    Args:
        split: the two sides.
        transform: reads and prepares a sample without chance.
        augmented: batches of training.
        samples_per_epoch: number of samples in an epoch of training.
        most: number of draws that is not to be passed, where time is short; None for no limit.
    """
    if split.mode != "original":
        return CacheDataset(to_items(split.validation), transform, num_workers=None, progress=False)
    draws = max(1, round(0.15 * samples_per_epoch))
    draws = draws if most is None else min(draws, most)
    samples = (_plain(batch, i) for batch in _endless(augmented) for i in range(len(batch[IMAGE])))
    return Dataset(list(itertools.islice(samples, draws)))


def _endless(batches: Iterable[Any]) -> Iterator[Any]:
    while True:
        yield from batches


def _plain(batch: Mapping[str, Any], index: int) -> Item:
    """A sample whose grid is that of its augmented patch: there is no original one to restore."""
    planes = {key: value[index] for key, value in batch.items() if isinstance(value, torch.Tensor)}
    plain = {
        key: MetaTensor((value.as_tensor() if isinstance(value, MetaTensor) else value).clone())
        for key, value in planes.items()
    }
    return {**plain, "grid": torch.tensor(plain[IMAGE].shape[-2:])}
