"""Folds of a cross-validation: every image is held out once, and all images of a group together."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.split import ENOUGH_IMAGES
from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Sample

FOLDS = 5  # where there are enough images for each to hold several


@dataclass(frozen=True)
class Fold:
    """One of the folds.

    Attributes:
        name: `fold_1` and so on, in the order of the first image held out.
        train: what the network learns from.
        held: what it is scored on.
    """

    name: str
    train: tuple[Sample, ...]
    held: tuple[Sample, ...]


def make_folds(samples: Sequence[Sample], count: int = 0, pattern: str | None = None, seed: int = 0) -> list[Fold]:
    """Folds by scikit-learn's splitters: leave one group out below seven images, else grouped k-fold.

    An image without a group is a group of its own.

    Args:
        samples: what there is, each with a label.
        count: number of folds; 0 for one by group below seven images, else 5.
        pattern: regular expression that gives an image's group from its name: its first parenthesis that holds
            something, or else what matches; takes the place of the samples' own groups.
        seed: of the shuffle ahead of a grouped k-fold.

    Raises:
        SettingError: where the pattern is no regular expression or there are not as many groups as folds.
        DataError: where a name does not match, or there are fewer than two groups.
    """
    from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

    grouped = [sample if pattern is None else replace(sample, group=_find_group(sample, pattern)) for sample in samples]
    groups = [f"image {sample.name}" if sample.group is None else f"group {sample.group}" for sample in grouped]
    found = len(set(groups))
    if found < 2:
        raise DataError(f"a cross-validation must have 2 images or groups or more, got {found}; annotate another image")
    if count == 0:
        count = found if len(samples) < ENOUGH_IMAGES else min(FOLDS, found)
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= found:
        raise SettingError(f"--folds must be 2 or more and at most the number of images or groups ({found}), got {count}")
    each = count == found
    splitter = LeaveOneGroupOut() if each else GroupKFold(count, shuffle=True, random_state=seed)
    parts = sorted((list(held), list(train)) for train, held in splitter.split(grouped, groups=groups))
    return [
        Fold(f"fold_{number}", tuple(grouped[i] for i in train), tuple(grouped[i] for i in held))
        for number, (held, train) in enumerate(parts, start=1)
    ]


def check_unique_names(samples: Sequence[Sample]) -> None:
    """Refuse an image that is there twice: one would be trained on, the other held out.

    Raises:
        DataError: the first such pair.
    """
    found: dict[str, Sample] = {}
    for sample in samples:
        other = found.setdefault(hash_file(sample.image), sample)
        if other is not sample:
            raise DataError(f"{sample.image}: each image must be there once, {other.image} is the same; remove one of them")


def write_fold(path: Path, fold: Fold) -> Path:
    """Write a fold as a datalist: what is held out is both what validates and what is scored at the end."""

    def entry(sample: Sample) -> dict[str, str]:
        paths = {"image": sample.image, "label": sample.label, "border": sample.border}
        # by its name in the whole list: in a fold alone its stem may do, and images of two folders would be one
        named = {"name": sample.name} | {key: str(file.resolve()) for key, file in paths.items() if file is not None}
        return named if sample.group is None else {**named, "group": sample.group}

    held = [entry(sample) for sample in fold.held]
    lists = {"training": [entry(sample) for sample in fold.train], "validation": held, "test": held}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(lists, indent=2) + "\n", encoding="utf-8")
    return path


def _find_group(sample: Sample, pattern: str) -> str:
    try:
        match = re.search(pattern, sample.name)
    except re.error as error:
        raise SettingError(f"--group-pattern must be a regular expression, got {pattern!r}: {error}; correct it") from error
    if match is None:
        raise DataError(f"{sample.image}: the name must match --group-pattern {pattern!r}, it does not; correct one of them")
    group = next((part for part in match.groups() if part), None) if match.re.groups else match[0]
    if not group:
        raise DataError(
            f"{sample.image}: --group-pattern {pattern!r} must find a group in each name, it finds nothing in this one; "
            "correct one of them"
        )
    return group
