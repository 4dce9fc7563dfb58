"""Images judged one at a time by a network as it stands, beside the engines: for reports, which look at each once."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import Inferer
from monai.networks.utils import eval_mode
from monai.transforms import CenterSpatialCrop
from torch import nn
from torch.nn.functional import interpolate

from livecell_monai.data.dataset.folder import list_samples, names_role
from livecell_monai.data.dataset.items import Item
from livecell_monai.data.dataset.split import Split
from livecell_monai.data.readers.kinds import read_image, read_label
from livecell_monai.errors import LiveCellError
from livecell_monai.network import Range, measure_ranges
from livecell_monai.prediction.datasets import ReadableDataset
from livecell_monai.sample import IMAGE, LABEL, NAME, PRED, Judged, Pixels, Region, Sample, Sides

PROBABILITY = "probability"  #: key that postprocessing leaves the network's output under, before the threshold
PATCHES = 16  # augmented samples that are shown
MEASURED = 8  # images whose maps are looked at
MIDDLE = 1024  # pixels of its edges: time and memory must not grow with the images


class Judge:
    """A network with what stands around it in the bundle.

    Args:
        network: gives logits.
        inferer: how a whole image goes through the network.
        device: where the network lies.
        preprocessing: from the paths of an item to what the network sees.
        postprocessing: from logits to probability and mask on the original grid.
    """

    def __init__(
        self,
        network: nn.Module,
        inferer: Inferer,
        device: torch.device,
        preprocessing: Callable[[Item], Any],
        postprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        self.network = network
        self.inferer = inferer
        self.device = device
        self.preprocessing = preprocessing
        self.postprocessing = postprocessing

    def judge(self, prepared: Iterable[Mapping[str, Any]], role: str) -> Iterator[Judged]:
        """Judge samples that are preprocessed already, one after the other as they are asked for.

        Args:
            prepared: with `image` (1, Y, X), perhaps `label` (1, Y, X) on the original grid, perhaps a name.
            role: what the results say of themselves.
        """
        for number, sample in enumerate(prepared, start=1):
            with eval_mode(self.network):
                logits = self.inferer(sample[IMAGE][None].to(self.device), self.network)[0]
                output = self.postprocessing({**sample, PRED: logits})
            probability, mask = _plane(output[PROBABILITY]), _plane(output[PRED]) > 0
            image = interpolate(_plain(sample[IMAGE])[None].float(), mask.shape, mode="bilinear")[0]
            truth = _plane(sample[LABEL]) > 0 if LABEL in sample else None
            yield Judged(str(sample.get(NAME, f"{role} {number}")), role, _plane(image), probability, mask, truth)

    def predict(self, items: Iterable[Item], role: str) -> Iterator[Judged]:
        """Read and judge images; one that cannot be read is passed over.

        Args:
            items: one dictionary of paths an image.
            role: as for `judge`.
        """
        yield from self.judge(ReadableDataset(list(items), self.preprocessing), role)

    def measure_ranges(self, items: Sequence[Item]) -> dict[str, Range]:
        """What values the network's maps take in the middle of some images, spread evenly over all, for engines that round.

        Args:
            items: one dictionary of paths an image.
        """
        step = max(1, len(items) / MEASURED)
        some = [items[int(index * step)] for index in range(min(MEASURED, len(items)))]

        middle = CenterSpatialCrop((MIDDLE, MIDDLE))

        def look() -> None:
            for sample in ReadableDataset(some, self.preprocessing):
                self.inferer(middle(sample[IMAGE])[None].to(self.device), self.network)

        with eval_mode(self.network):
            return measure_ranges(self.network, look)


def pick_test_samples(dataset_dir: str | Path, most: int, seed: int) -> list[Sample]:
    """Some of the test images of a data folder or datalist, drawn at random, in the order of their names.

    Args:
        dataset_dir: data folder or datalist.
        most: number of images that is not to be passed.
        seed: of the draw.

    Returns:
        The samples with their labels, where they have some; an empty list where there are no test images.

    Raises:
        DataError: the list of test images breaks a rule.
    """
    if not names_role(dataset_dir, "test"):
        return []
    samples = list_samples(dataset_dir, "test")
    drawn = random.Random(seed).sample(samples, min(most, len(samples)))
    return sorted(drawn, key=lambda sample: sample.name)


def pick_unseen(dataset_dir: str | Path, most: int, seed: int) -> list[Sample]:
    """As `pick_test_samples`, without their labels, for a training: it must not look at them.

    Nothing here stops a training that has come to its end: test images that break a rule are none.
    """
    try:
        return [replace(sample, label=None, border=None) for sample in pick_test_samples(dataset_dir, most, seed)]
    except LiveCellError:
        return []


def show_split(split: Split, most: int = 12) -> list[Sides]:
    """The first images of a split, each with the parts that it has given to either side.

    Args:
        split: the two sides.
        most: number of images that is not to be passed.
    """
    trained = {sample.name: sample for sample in split.train}
    held = {sample.name: sample for sample in split.validation}
    return [_show_sides(name, trained.get(name), held.get(name)) for name in sorted({*trained, *held})[:most]]


def draw_samples(batches: Iterable[Mapping[str, torch.Tensor]]) -> tuple[Pixels, Pixels]:
    """Augmented samples as the network sees them.

    Args:
        batches: what the trainer iterates over.

    Returns:
        Images (B, Y, X) float32 and labels (B, Y, X) bool of the next batch, 16 at most.
    """
    batch = next(iter(batches))
    images, labels = (np.asarray(_plain(batch[key])[:PATCHES, 0].cpu()) for key in (IMAGE, LABEL))
    return images, labels > 0


def _show_sides(name: str, trained: Sample | None, held: Sample | None) -> Sides:
    sample = trained or held
    assert sample is not None
    assert sample.label is not None
    image, truth = read_image(sample.image).pixels, read_label(sample.label) > 0
    whole = Region(0, 0, *truth.shape)
    regions = [None if side is None else side.region or whole for side in (trained, held)]
    return Sides(name, image, truth, regions[0], regions[1])


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor without MONAI's metadata, which every operation would carry along."""
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor


def _plane(tensor: torch.Tensor) -> Pixels:
    """(Y, X) of a tensor (1, Y, X)."""
    return np.asarray(_plain(tensor)[0].cpu())
