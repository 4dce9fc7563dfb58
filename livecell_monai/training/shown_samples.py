"""Which samples a report shows: test images, the split, augmented patches."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from livecell_monai.data.dataset.folder import has_role, list_samples
from livecell_monai.data.dataset.split import Split
from livecell_monai.data.readers.kinds import read_image, read_label
from livecell_monai.errors import LiveCellError
from livecell_monai.prediction.prepared import without_metadata
from livecell_monai.sample import IMAGE, TARGET, Pixels, Region, Sample, SplitPreview

PATCHES = 16  # augmented samples that are shown


def pick_test_samples(dataset_dir: str | Path, most: int, seed: int) -> list[Sample]:
    """Some of the test images of a data folder or datalist, drawn at random, in the order of their names.

    Args:
        dataset_dir: data folder or datalist.
        most: greatest number of images.
        seed: of the draw.

    Returns:
        The samples with their labels, where they have some; an empty list where there are no test images.

    Raises:
        DataError: the list of test images breaks a rule.
    """
    if not has_role(dataset_dir, "test"):
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


def show_split(split: Split, most: int = 12) -> list[SplitPreview]:
    """The first images of a split, each with the parts that either side has.

    Args:
        split: the two sides.
        most: greatest number of images.
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
    images, labels = (np.asarray(without_metadata(batch[key])[:PATCHES, 0].cpu()) for key in (IMAGE, TARGET))
    return images, labels > 0


def _show_sides(name: str, trained: Sample | None, held: Sample | None) -> SplitPreview:
    sample = trained or held
    assert sample is not None
    assert sample.label is not None
    image, truth = read_image(sample.image).pixels, read_label(sample.label) > 0
    whole = Region(0, 0, *truth.shape)
    regions = [None if side is None else side.region or whole for side in (trained, held)]
    return SplitPreview(name, image, truth, regions[0], regions[1])
