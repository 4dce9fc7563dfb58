"""Splits that do not leak: what the network learns from and what judges it share no pixel.

- `auto`: `region` with fewer than seven images or with one group only, otherwise `images`.
- `images`: whole images are held out, all images of a group together.
- `region`: a strip along one side of every image is held out, and between it and the rest a guard band is left unused.
- `original`: the report's split. Augmented copies of the same images stand on both sides: it leaks, and is here to show by
  how much its score is too good.
- `none`: nothing is held out, everything is trained on, and scored too: for a last training, after a cross-validation has
  told what to expect.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.readers.kinds import read_label
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region, Sample
from livecell_monai.settings import check_values

ENOUGH_IMAGES = 7  # with fewer, holding out whole images costs the training too much


@dataclass(frozen=True)
class Split:
    """The two sides of a split.

    Attributes:
        mode: `images`, `region`, `original`, `none`, or `given` where a datalist has split already.
        train: what the network learns from.
        validation: what judges it after each epoch.
    """

    mode: str
    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]

    @property
    def leaks(self) -> bool:
        """Whether training sees what validation scores."""
        return self.mode in ("original", "none")


def split_samples(
    samples: Sequence[Sample], mode: str = "auto", fraction: float = 0.15, guard: int = 16, seed: int = 0
) -> Split:
    """Split samples into training and validation.

    Args:
        samples: what there is, each with a label.
        mode: as the setting `split`.
        fraction: share to validate on, of the images or of each image's rows or columns, above 0 and at most 0.5.
        guard: width in pixels of the band between training and validation region that neither side sees.
        seed: what the choice of images depends on.

    Raises:
        SettingError: where a value is out of range.
        DataError: where there are too few images or an image is too small.
    """
    check_values({"split": mode, "validation_fraction": fraction, "guard": guard})
    groups = sorted({_group_of(sample) for sample in samples})
    if mode == "auto":
        mode = "images" if len(samples) >= ENOUGH_IMAGES and len(groups) > 1 else "region"
    if mode in ("original", "none"):
        return Split(mode, tuple(samples), tuple(samples))
    if mode == "region":
        sides = [_split_region(sample, fraction, guard) for sample in samples]
        return Split(mode, tuple(train for train, _ in sides), tuple(held for _, held in sides))
    if len(groups) < 2:
        raise DataError(f"a split by images must have 2 images or groups or more, got {len(groups)}; set split to region")
    shuffled = random.Random(seed).sample(groups, len(groups))
    held = set(shuffled[: max(1, round(fraction * len(groups)))])
    return Split(
        mode,
        tuple(sample for sample in samples if _group_of(sample) not in held),
        tuple(sample for sample in samples if _group_of(sample) in held),
    )


def given_split(train: Sequence[Sample], validation: Sequence[Sample]) -> Split:
    """The split that a datalist names.

    Raises:
        DataError: where an image stands on both sides.
    """
    trained = {hash_file(sample.image) for sample in train}
    groups = {sample.group for sample in train if sample.group is not None}
    for sample in validation:
        if hash_file(sample.image) in trained:
            raise DataError(f"{sample.image}: an image must be for training or for validation, it is in both lists; choose")
        if sample.group in groups:
            raise DataError(f"{sample.image}: a group must be on one side, {sample.group!r} is in both lists; choose")
    names = {sample.name for sample in train}  # hashes, card and panels tell samples apart by name
    apart = (replace(sample, name=f"validation_{sample.name}") if sample.name in names else sample for sample in validation)
    return Split("given", tuple(train), tuple(apart))


def _group_of(sample: Sample) -> str:
    # an image without a group is a group of its own, and never the same as a named one
    return f"image {sample.name}" if sample.group is None else f"group {sample.group}"


def _split_region(sample: Sample, fraction: float, guard: int) -> tuple[Sample, Sample]:
    """The training and the validation part of one image.

    Of the four sides, the strip is taken whose share of foreground is nearest to the image's own, among those that leave
    both classes on both sides: an empty strip could not tell a good network from a bad one.
    """
    if sample.label is None:
        raise DataError(f"{sample.image}: a sample to split must have a label, got none; add it")
    foreground = read_label(sample.label) > 0
    share = foreground.mean()
    sides = [
        (train, held)
        for train, held in _strips(foreground.shape[0], foreground.shape[1], fraction, guard)
        if all(_has_both_classes(part.crop(foreground)) for part in (train, held))
    ]
    if not sides:
        raise DataError(
            f"{sample.image}: a strip of {fraction:.0%} along one side must leave foreground and background on both its "
            f"sides, got {foreground.shape[0]} x {foreground.shape[1]} pixels and a guard of {guard} where none does; set "
            "guard lower or validation_fraction higher, or with several images split to images"
        )
    train, held = min(sides, key=lambda side: abs(float(side[1].crop(foreground).mean() - share)))
    return replace(sample, region=train), replace(sample, region=held)


def _strips(height: int, width: int, fraction: float, guard: int) -> list[tuple[Region, Region]]:
    """(training, validation) for a strip at the top, bottom, left and right."""
    rows, columns = max(1, round(fraction * height)), max(1, round(fraction * width))
    sides = [
        (Region(rows + guard, 0, height, width), Region(0, 0, rows, width)),
        (Region(0, 0, height - rows - guard, width), Region(height - rows, 0, height, width)),
        (Region(0, columns + guard, height, width), Region(0, 0, height, columns)),
        (Region(0, 0, height, width - columns - guard), Region(0, width - columns, height, width)),
    ]
    return [side for side in sides if side[0].bottom > side[0].top and side[0].right > side[0].left]


def _has_both_classes(mask: Pixels) -> bool:
    return bool(mask.size and np.any(mask) and not np.all(mask))
