"""Parts of a data set: folds of a cross-validation, rectangles of a learning curve."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.split import ENOUGH_IMAGES, group_of, has_classes
from livecell_monai.data.ignored import find_extent
from livecell_monai.data.plane_files import write_plane
from livecell_monai.data.readers.kinds import read_annotation, read_border, read_image
from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.atomic import atomic_path, make_folder
from livecell_monai.sample import Pixels, Region, Sample

FOLDS = 5  # the default from seven images on
TRIES = 100  # places tried for a rectangle


@dataclass(frozen=True)
class Fold:
    """Training images and held-out images of one fold; names are `fold_1`, ... in the order of the first held-out image."""

    name: str
    train: tuple[Sample, ...]
    held_out: tuple[Sample, ...]


@dataclass(frozen=True)
class FoldOptions:
    """The arguments `count` and `pattern` of `make_folds`."""

    count: int = 0
    group_pattern: str | None = None


AUTO_FOLDS = FoldOptions()


def make_folds(samples: Sequence[Sample], count: int = 0, pattern: str | None = None, seed: int = 0) -> list[Fold]:
    """Folds by scikit-learn's splitters: leave one group out below seven images, else grouped k-fold.

    Args:
        samples: all samples, with labels; one without a group is a group of its own.
        count: number of folds; 0 for one per group below seven images, else 5.
        pattern: regular expression that finds an image's group in its name, overriding the sample's: the first parenthesis
            that is not empty, or the whole match.
        seed: of the shuffle before a grouped k-fold.

    Raises:
        SettingError: the pattern is invalid, or there are more folds than groups.
        DataError: a name does not match, or there are fewer than two groups.
    """
    from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

    grouped = [sample if pattern is None else replace(sample, group=_find_group(sample, pattern)) for sample in samples]
    groups = [group_of(sample) for sample in grouped]
    found = len(set(groups))
    if found < 2:
        raise DataError(f"a cross-validation needs 2 or more images or groups, got {found}; annotate another image")
    if count == 0:
        count = found if len(samples) < ENOUGH_IMAGES else min(FOLDS, found)
    if not 2 <= count <= found:
        raise SettingError(
            f"--folds must be between 2 and the number of images or groups ({found}), got {count}; correct it"
        )
    splitter = LeaveOneGroupOut() if count == found else GroupKFold(count, shuffle=True, random_state=seed)
    parts = sorted((list(held), list(train)) for train, held in splitter.split(grouped, groups=groups))
    return [
        Fold(f"fold_{number}", tuple(grouped[i] for i in train), tuple(grouped[i] for i in held))
        for number, (held, train) in enumerate(parts, start=1)
    ]


def check_unique_names(samples: Sequence[Sample]) -> None:
    """Reject duplicate images with a DataError: one might be trained on and the other held out."""
    found: dict[str, Sample] = {}
    for sample in samples:
        other = found.setdefault(hash_file(sample.image), sample)
        if other is not sample:
            raise DataError(f"{sample.image}: each image must be listed once, {other.image} is the same; remove one of them")


def has_cells(sample: Sample) -> bool:
    """Whether the label of a sample has foreground."""
    return sample.label is not None and bool((read_annotation(sample) > 0).any())


def check_fold_cells(folds: Sequence[Fold]) -> None:
    """Reject, with a DataError, folds that would train on images without cells only."""
    for fold in folds:
        if not any(map(has_cells, fold.train)):
            raise DataError("a cross-validation needs cells in 2 or more images or groups, got one; annotate another image")


def write_fold(path: Path, fold: Fold) -> Path:
    """Write a fold as a datalist: the held-out images are both the validation and the test images."""
    train, held = ([_to_entry(sample) for sample in side] for side in (fold.train, fold.held_out))
    lists = {"training": train, "validation": held, "test": held}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(lists, indent=2) + "\n", encoding="utf-8")
    return path


def _to_entry(sample: Sample) -> dict[str, str]:
    paths = {"image": sample.image, "label": sample.label, "border": sample.border, "ignore": sample.ignore}
    # its name in the whole list, because two folders may have images of the same stem
    named = {"name": sample.name} | {key: str(file.resolve()) for key, file in paths.items() if file is not None}
    return named if sample.group is None else {**named, "group": sample.group}


def _find_group(sample: Sample, pattern: str) -> str:
    try:
        match = re.search(pattern, sample.name)
    except re.error as error:
        raise SettingError(f"--group-pattern must be a regular expression, got {pattern!r}: {error}; correct it") from error
    if match is None:
        raise DataError(f"{sample.image}: the name does not match --group-pattern {pattern!r}; correct one of them")
    group = next((part for part in match.groups() if part), None) if match.re.groups else match[0]
    if not group:
        raise DataError(f"{sample.image}: --group-pattern {pattern!r} finds an empty group in the name; correct one of them")
    return group


def crop_sample(sample: Sample, share: float, folder: Path, rng: np.random.Generator, allow_empty: bool = False) -> Sample:
    """Write a rectangle of an annotated sample as TIFF files into `images`, `labels` and `borders` of a folder.

    The rectangle has the proportions of the image, covers the fraction `share` of its area, in (0, 1], and holds foreground
    and background, otherwise a DataError is raised; `rng` draws its place. With `allow_empty`, an image
    without cells may have any rectangle. Of an image that is annotated in part, the smallest rectangle that holds all of
    these pixels takes the place of the image; in the written label, pixels that are not annotated are `IGNORED`.
    """
    label = read_annotation(sample)
    region = _draw_region(label, share, rng, allow_empty and not (label > 0).any())
    if region is None:
        raise DataError(
            f"{sample.image}: a rectangle of {share:.1%} of the area must hold cells and background, found none; leave the "
            "image out or set larger shares"
        )

    def write(kind: str, pixels: Pixels) -> Path:
        path = make_folder(folder / kind) / f"{sample.name}.tif"
        write_plane(path, region.crop(pixels))
        return path

    return replace(
        sample,
        image=write("images", read_image(sample.image).pixels),
        label=write("labels", label),
        border=None if sample.border is None else write("borders", read_border(sample.border)),
        ignore=None,
    )


def _draw_region(label: Pixels, share: float, rng: np.random.Generator, is_any: bool) -> Region | None:
    extent = find_extent(label)
    shape = extent.bottom - extent.top, extent.right - extent.left
    height, width = (max(1, round(side * share**0.5)) for side in shape)
    for _ in range(TRIES):
        top, left = int(rng.integers(shape[0] - height + 1)), int(rng.integers(shape[1] - width + 1))
        region = Region(extent.top + top, extent.left + left, extent.top + top + height, extent.left + left + width)
        if has_classes(region.crop(label), not is_any):
            return region
    return None
