"""Splits into training and validation that share no pixel, and their text on model cards and report pages.

- `auto`: `region` with fewer than seven images or with one group only, otherwise `images`.
- `images`: whole images are held out, all images of a group together.
- `region`: a strip along one side of every image is held out, with an unused guard band between it and the rest. Of an image
  that is annotated in part, the strip holds the fraction of its annotated pixels.
- `original`: the report's split, augmented copies of the same images in both parts. It leaks; it shows by how much its
  score is too high.
- `none`: nothing is held out, and the training images are scored: for a final training after a cross-validation.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.ignored import measure_foreground
from livecell_monai.data.readers.kinds import read_annotation
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region, Sample
from livecell_monai.settings import check_values

ENOUGH_IMAGES = 7  # with fewer, holding out whole images costs the training too much


@dataclass(frozen=True)
class SplitDescription:
    """What was held out, what the validation score was measured on, and what it does not show."""

    split: str
    measured_on: str
    limit: str


_NEW_IMAGES = SplitDescription(
    "whole images were held out; the network was not trained on them",
    "held-out whole images, on their original grid",
    "The held-out images are few and from the same experiment as the others; images of another experiment are likely to "
    "score lower.",
)
SPLITS = {
    "images": _NEW_IMAGES,
    "given": replace(_NEW_IMAGES, split="the validation images of the datalist; the network was not trained on them"),
    "region": SplitDescription(
        "a strip along one side of each training image was held out, with an unused guard band beside it",
        "the held-out strips, on the original grid of the images",
        "The strips are parts of the training images and share their illumination, focus and density, so a new image is "
        "likely to score lower.",
    ),
    "original": SplitDescription(
        "augmented copies of the training images themselves, as in the report",
        "augmented patches of the training images, at the working scale",
        "The network was trained on the images that it was scored on.",
    ),
    "none": SplitDescription(
        "nothing was held out; the network was trained on every annotated pixel",
        "the training images themselves, on their original grid",
        "The network was trained on the images that it was scored on; a cross-validation estimates the score of new images.",
    ),
}


@dataclass(frozen=True)
class Split:
    """Training samples, and validation samples that are scored after each epoch."""

    mode: str  #: `images`, `region`, `original`, `none`, or `given` for a split made by a datalist
    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]

    @property
    def leaks(self) -> bool:
        """Whether validation samples are trained on."""
        return self.mode in ("original", "none")


def split_samples(
    samples: Sequence[Sample],
    mode: str = "auto",
    fraction: float = 0.15,
    guard: int = 16,
    seed: int = 0,
    empty: Collection[str] = (),
) -> Split:
    """Split samples into training and validation.

    Args:
        samples: all samples, with labels.
        mode: as the setting `split`.
        fraction: held out, of the images or of each image's rows or columns, in (0, 0.5].
        guard: width in pixels of the unused band between training and validation region.
        seed: of the choice of images.
        empty: names of the samples without cells.

    Raises:
        SettingError: a value is out of range.
        DataError: too few images, or an image is too small.
    """
    check_values({"split": mode, "validation_fraction": fraction, "guard": guard})
    groups = sorted({group_of(sample) for sample in samples})
    shuffled = random.Random(seed).sample(groups, len(groups))
    count = max(1, round(fraction * len(groups)))
    if mode == "auto":
        by_images = _hold_out(samples, shuffled, count, empty) if len(samples) >= ENOUGH_IMAGES and len(groups) > 1 else None
        mode = "region" if by_images is None else "images"
    if mode in ("original", "none"):
        return Split(mode, tuple(samples), tuple(samples))
    if mode == "region":
        sides = [_split_region(sample, fraction, guard) for sample in samples]
        return Split(mode, tuple(train for train, _ in sides), tuple(held for _, held in sides))
    if len(groups) < 2:
        raise DataError(f"a split by images needs 2 or more images or groups, got {len(groups)}; set split to region")
    split = _hold_out(samples, shuffled, count, empty)
    if split is None:
        raise DataError("a split by images needs cells in 2 or more images or groups, got one; set split to region")
    return split


def _hold_out(samples: Sequence[Sample], groups: Sequence[str], count: int, empty: Collection[str]) -> Split | None:
    """Hold out `count` groups, the first for which both parts have an image with cells; None if there are none."""
    for start in range(len(groups)):
        held = {*[*groups[start:], *groups[:start]][:count]}
        train = tuple(sample for sample in samples if group_of(sample) not in held)
        validation = tuple(sample for sample in samples if group_of(sample) in held)
        if all(any(sample.name not in empty for sample in side) for side in (train, validation)):
            return Split("images", train, validation)
    return None


def given_split(train: Sequence[Sample], validation: Sequence[Sample]) -> Split:
    """The split made by a datalist; an image or group in both lists raises a DataError."""
    trained = {hash_file(sample.image) for sample in train}
    groups = {sample.group for sample in train if sample.group is not None}
    for sample in validation:
        if hash_file(sample.image) in trained:
            raise DataError(f"{sample.image}: an image must be in one list, got training and validation; remove it from one")
        if sample.group in groups:
            raise DataError(
                f"{sample.image}: a group must be in one list, got {sample.group!r} in training and validation; move it"
            )
    names = {sample.name for sample in train}  # names identify samples in hashes, card and panels
    apart = (replace(sample, name=f"validation_{sample.name}") if sample.name in names else sample for sample in validation)
    return Split("given", tuple(train), tuple(apart))


def group_of(sample: Sample) -> str:
    """The group of a sample; an image without one is its own group, never the same as a named one."""
    return f"image {sample.name}" if sample.group is None else f"group {sample.group}"


def _split_region(sample: Sample, fraction: float, guard: int) -> tuple[Sample, Sample]:
    """The training and the validation part of one image.

    Of the strips along the four sides that leave both classes in both parts, the one whose foreground fraction is nearest to
    the image's own; of an image without cells, the first. Only annotated pixels count.
    """
    label = read_annotation(sample)
    height, width = label.shape
    share = measure_foreground(label)
    sides = [
        (train, held)
        for train, held in _strips(label, fraction, guard)
        if all(has_classes(part.crop(label), share > 0) for part in (train, held))
    ]
    if not sides:
        raise DataError(
            f"{sample.image}: a strip of {fraction:.0%} along one side must leave foreground and background in both parts, "
            f"got none in {height} x {width} pixels with a guard of {guard}; lower guard or raise validation_fraction, or "
            "with several images set split to images"
        )
    train, held = min(sides, key=lambda side: abs(measure_foreground(side[1].crop(label)) - share))
    return replace(sample, region=train), replace(sample, region=held)


def _strips(label: Pixels, fraction: float, guard: int) -> list[tuple[Region, Region]]:
    """(training, validation) for a strip at the top, bottom, left and right of a label (Y, X)."""
    height, width = label.shape
    (top, bottom), (left, right) = (_depths(label >= 0, axis, fraction) for axis in (0, 1))
    sides = [
        (Region(top + guard, 0, height, width), Region(0, 0, top, width)),
        (Region(0, 0, height - bottom - guard, width), Region(height - bottom, 0, height, width)),
        (Region(0, left + guard, height, width), Region(0, 0, height, left)),
        (Region(0, 0, height, width - right - guard), Region(0, width - right, height, width)),
    ]
    return [side for side in sides if side[0].bottom > side[0].top and side[0].right > side[0].left]


def _depths(labelled: Pixels, axis: int, fraction: float) -> tuple[int, int]:
    """How many rows (axis 0) or columns from both ends hold a fraction of the annotated pixels (Y, X), at least one each."""
    length = labelled.shape[axis]
    if labelled.all():
        return (max(1, round(fraction * length)),) * 2
    counts = labelled.sum(axis=1 - axis)
    reached = [np.searchsorted(np.cumsum(each), fraction * counts.sum()) + 1 for each in (counts, counts[::-1])]
    return min(int(reached[0]), length), min(int(reached[1]), length)


def has_classes(label: Pixels, both: bool) -> bool:
    """Whether a part of a label has annotated pixels, and with `both` those of foreground and of background."""
    return bool((label >= 0).any()) and (not both or bool((label > 0).any() and (label == 0).any()))
