"""Turns samples into the dictionaries of MONAI's transforms; the lists that the bundle's YAML loads."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from livecell_monai.data.dataset.findings import check_samples
from livecell_monai.data.dataset.folder import has_role, list_samples, name_outputs
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.movies import list_movies
from livecell_monai.data.dataset.split import Split, given_split, split_samples
from livecell_monai.data.paths import list_images
from livecell_monai.data.readers.axes import parse_axes
from livecell_monai.data.readers.listing import list_frames, list_planes
from livecell_monai.errors import DataError
from livecell_monai.sample import IMAGE, LABEL, NAME, REGION, WEIGHT, Sample

Item = dict[str, Any]


def to_items(samples: Iterable[Sample]) -> list[Item]:
    """One dictionary per sample: paths as `image`, `label` and `weight`, its name, and its region if it has one."""
    items = []
    for sample in samples:
        item: Item = {NAME: sample.name, IMAGE: str(sample.image)}
        if sample.label is not None:
            item[LABEL] = str(sample.label)
        if sample.border is not None:
            item[WEIGHT] = str(sample.border)
        if sample.region is not None:
            region = sample.region
            item[REGION] = [region.top, region.left, region.bottom, region.right]
        items.append(item)
    return items


def partition(
    dataset_dir: str | Path,
    split: str = "auto",
    validation_fraction: float = 0.15,
    guard: int = 16,
    seed: int = 0,
    with_borders: bool = True,
) -> Split:
    """Read and check every training sample of a data folder or datalist, and split them; see `split_samples`.

    With `auto`, the validation images of a datalist are used if it lists any.

    Raises:
        DataError: the first invalid sample.
        SettingError: a value is out of range.
    """
    samples = _training_samples(dataset_dir, "train", with_borders)
    if split == "auto" and has_role(dataset_dir, "validation"):
        return given_split(samples, _training_samples(dataset_dir, "validation", with_borders))
    return split_samples(samples, split, validation_fraction, guard, seed)


def _training_samples(dataset_dir: str | Path, role: str, with_borders: bool) -> list[Sample]:
    samples = list_samples(dataset_dir, role)
    check_samples(samples, role)
    return samples if with_borders else [replace(sample, border=None) for sample in samples]


def list_test_items(dataset_dir: str | Path) -> list[Item]:
    """The labelled test images of a data folder or datalist, each checked.

    Raises:
        DataError: a label is missing, or a sample is invalid.
    """
    samples = list_samples(dataset_dir, "test")
    without = next((sample for sample in samples if sample.label is None), None)
    if without is not None:
        raise DataError(f"{without.image}: an image to score must have a label, found none in test/labels; add it")
    check_samples(samples, "test")
    return to_items(samples)


def list_unlabelled_items(images: str | Path | Sequence[str | Path] | None, split: Split) -> list[Item]:
    """Images for training without labels, from files, folders and globs, each checked.

    Annotated images are left out by their hash, because parts of them may be held out.

    Args:
        images: files, folders or globs; None for none.
        split: the annotated images.

    Raises:
        DataError: an input has no image, an image cannot be read, or all are annotated.
    """
    if images is None:
        return []
    annotated = {hash_file(sample.image) for sample in (*split.train, *split.validation)}
    items = [item for item in _list_files(images) if hash_file(item[IMAGE]) not in annotated]
    if not items:
        where = ", ".join(map(str, [images] if isinstance(images, str | Path) else images))
        raise DataError(f"{where}: unlabelled images must differ from the annotated ones, found none; leave it out")
    check_samples([Sample(item[NAME], Path(item[IMAGE])) for item in items], "unlabelled")
    return items


def list_prediction_items(
    images: str | Path | Sequence[str | Path],
    channel: str | int | None = None,
    time: str | int | None = None,
    z: str | int | None = None,
    axes: str | None = None,
    movie: bool = False,
) -> list[Item]:
    """One dictionary for each plane of files, folders and globs; `name` is the name of its outputs.

    `image` is the path of a single-plane file, or the address of a plane of a stack. Frames of one movie share the name, and
    have `frame`, `position` and `frames`. A file that cannot be opened is listed as its path; its reader raises the error.

    Args:
        images: files, folders or globs.
        channel: index or name of the channel, None if there is one.
        time: index of the frame, `first:stop`, or None for all.
        z: index of the plane in depth, None if there is one.
        axes: the axes of the files if their own are wrong or missing.
        movie: whether each folder or glob is one movie of numbered frames, named after the folder; see `FramesStack`.

    Raises:
        DataError: an input has no image, two images have the same output name, or frames are no movie.
        SettingError: a plane does not exist or is not chosen, or axes are unknown.
    """
    axes = None if axes is None else parse_axes(axes)
    given = list_movies([images] if isinstance(images, str | Path) else images) if movie else _list_files(images)
    list_each = list_frames if movie else list_planes
    return [{**item, **plane} for item in given for plane in list_each(Path(item[IMAGE]), channel, time, z, axes)]


def _list_files(images: str | Path | Sequence[str | Path]) -> list[Item]:
    given = [images] if isinstance(images, str | Path) else images
    return [{NAME: name, IMAGE: str(path)} for path, name in name_outputs(list_images(given)).items()]
