"""Data sets that MONAI lacks: images of which some cannot be read, and the leaking validation of the report."""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import CacheDataset, Dataset, MetaTensor
from torch.utils.data import IterableDataset

from livecell_monai.data.checks.limits import MEMORY_ADVICE
from livecell_monai.data.dataset.items import Item, to_items
from livecell_monai.data.dataset.split import Split
from livecell_monai.data.readers import find_file, open_stack, parse_address
from livecell_monai.errors import (
    DataError,
    LiveCellError,
    MissingFrameError,
    TooLargeError,
    find_user_error,
    is_out_of_memory,
)
from livecell_monai.prediction.prepared import without_metadata
from livecell_monai.sample import FRAMES, IMAGE, MISSING, NAME, POSITION, PROBLEM
from livecell_monai.transforms.scale import GRID

NONE_READ = "(no other frame can be read either)"  #: after the message of a movie's last frame
Transform = Callable[[Item], Any]


class ReadableDataset(IterableDataset[Any]):
    """Images one after the other; one that cannot be read is recorded and skipped.

    A frame that cannot be read comes without pixels and with its `problem`. A movie is recorded and skipped, or ends, if its
    file cannot be opened, it does not fit into memory, or no frame can be read.
    """

    def __init__(self, data: Sequence[Item], transform: Transform) -> None:
        self.data = data
        self.transform = transform
        self.failures: dict[Path, str] = {}  #: the message for each image or movie that could not be read, by its path
        self.is_part = (
            False  #: whether other processes read other frames of the movie, so that a frame may be without pixels
        )

    def __iter__(self) -> Iterator[Any]:
        failed = read = None  # names of the last movie that failed, and that has a frame which can be read
        for item in self.data:
            if FRAMES in item and item[NAME] == failed:
                continue
            try:
                sample = self.transform(dict(item))
                read = item[NAME]
            except Exception as error:
                failure = find_user_error(error)
                if failure is None:
                    raise
                path = find_file(item[IMAGE])
                if is_out_of_memory(error) and not isinstance(failure, DataError):
                    failure = TooLargeError(f"{path}: must fit into memory to be prepared, it does not; {MEMORY_ADVICE}")
                is_last = FRAMES in item and item[POSITION] == item[FRAMES] - 1 and not self.is_part
                is_none_read = is_last and read != item[NAME]
                sample = None if is_none_read else _without_pixels(item, failure)
                if sample is None:
                    self.skip(path, f"{failure} {NONE_READ}" if is_none_read else str(failure))
                    failed = item[NAME]
                    continue
            yield sample

    def skip(self, path: Path, failure: str) -> None:
        """Record why an image has no mask."""
        self.failures[path] = failure
        logging.getLogger(__name__).info("skipped: %s", failure)  # all that monai.bundle run shows of it


def _without_pixels(item: Item, problem: LiveCellError) -> Item | None:
    """The sample of a frame that cannot be read; None for an image, and if its file cannot be opened."""
    address = parse_address(item[IMAGE])
    if FRAMES not in item or address is None or isinstance(problem, TooLargeError):
        return None
    try:
        with open_stack(address.path, address.axes, address.allow_gaps) as stack:
            shape, size = stack.shape[-2:], stack.pixel_size_um or (np.nan, np.nan)
    except LiveCellError:
        return None
    image = MetaTensor(torch.zeros(1, 1, 1), meta={"filename_or_obj": item[IMAGE], "pixel_size_um": np.array(size)})
    return {
        **item,
        IMAGE: image,
        GRID: torch.tensor(shape),
        PROBLEM: MISSING if isinstance(problem, MissingFrameError) else str(problem),
    }


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
