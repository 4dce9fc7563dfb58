"""Turns samples and images into the dictionaries of MONAI's transforms; the bundle's YAML calls these functions."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any

from livecell_monai.data.dataset.findings import check_samples
from livecell_monai.data.dataset.folder import describe_unlabelled, has_role, list_samples
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.split import Split, given_split, split_samples
from livecell_monai.data.paths import compose, is_frame_series, list_images, stem_of
from livecell_monai.data.readers.base import parse_axes
from livecell_monai.data.readers.selection import Choice, list_frames, list_planes
from livecell_monai.errors import DataError
from livecell_monai.sample import IMAGE, LABEL, NAME, REGION, WEIGHT, Sample

LOGGER = logging.getLogger(__name__)
Item = dict[str, Any]
Images = str | Path | Sequence[str | Path]  # a file, folder or glob, or several


def to_items(samples: Iterable[Sample]) -> list[Item]:
    """One dictionary per sample: paths as `image`, `label` and `weight`, its name, and its region if it has one.

    With an ignore file, `label` is the list of both, as `PlaneReader` takes it.
    """
    items = []
    for sample in samples:
        item: Item = {NAME: sample.name, IMAGE: str(sample.image)}
        if sample.label is not None:
            item[LABEL] = str(sample.label) if sample.ignore is None else [str(sample.label), str(sample.ignore)]
        if sample.border is not None:
            item[WEIGHT] = str(sample.border)
        if sample.region is not None:
            item[REGION] = list(astuple(sample.region))
        items.append(item)
    return items


def partition(
    dataset_dir: str | Path,
    split: str = "auto",
    validation_fraction: float = 0.15,
    guard: int = 16,
    seed: int = 0,
    with_borders: bool = True,
    unlabelled_value: int | None = None,
) -> Split:
    """Read and check every training sample of a data folder or datalist, and split them; see `split_samples`.

    With `auto`, the validation images of a datalist are used if it lists any. The first invalid sample raises a DataError.
    `unlabelled_value` is that of `list_samples`.
    """
    samples, empty = _training_samples(dataset_dir, "train", with_borders, unlabelled_value)
    if split == "auto" and has_role(dataset_dir, "validation"):
        return given_split(samples, _training_samples(dataset_dir, "validation", with_borders, unlabelled_value)[0])
    return split_samples(samples, split, validation_fraction, guard, seed, empty)


def _training_samples(
    dataset_dir: str | Path, role: str, with_borders: bool, unlabelled_value: int | None
) -> tuple[list[Sample], set[str]]:
    """The samples of a role, and the names of those without cells."""
    samples = list_samples(dataset_dir, role, unlabelled_value)
    empty = {found.name for found in check_samples(samples, role) if not found.foreground}
    return (samples if with_borders else [replace(sample, border=None) for sample in samples]), empty


def list_test_items(dataset_dir: str | Path, unlabelled_value: int | None = None) -> list[Item]:
    """The labelled test images of a data folder or datalist; no label at all or an invalid sample raises a DataError.

    How many images have no label is logged. `unlabelled_value` is that of `list_samples`.
    """
    samples = list_samples(dataset_dir, "test", unlabelled_value)
    labelled = [sample for sample in samples if sample.label is not None]
    if not labelled:
        raise DataError(f"{samples[0].image}: an image to score must have a label, found none in test/labels; add it")
    check_samples(labelled, "test")
    note = describe_unlabelled([sample.label is not None for sample in samples])
    if note is not None:
        LOGGER.warning("note: %s", note)
    return to_items(labelled)


def list_unlabelled_items(images: Images | None, split: Split) -> list[Item]:
    """Images for training without labels, from files, folders and globs, each checked; None gives none.

    Images of the split are left out by their hash, because parts of them may be held out. If none is left, or one is
    invalid, a DataError is raised.
    """
    if images is None:
        return []
    annotated = {hash_file(sample.image) for sample in (*split.train, *split.validation)}
    items = [item for item in _list_files(_as_list(images)) if hash_file(item[IMAGE]) not in annotated]
    if not items:
        where = ", ".join(map(str, _as_list(images)))
        raise DataError(f"{where}: unlabelled images must differ from the annotated ones, found none; leave it out")
    check_samples([Sample(item[NAME], Path(item[IMAGE])) for item in items], "unlabelled")
    return items


def list_prediction_items(
    images: Images,
    channel: Choice = None,
    time: Choice = None,
    z: Choice = None,
    axes: str | None = None,
    movie: bool = False,
    allow_gaps: bool = False,
) -> list[Item]:
    """One dictionary for each plane of files, folders and globs; `name` is the name of its outputs.

    `image` is the path of a single-plane file, or the address of a plane of a stack. Frames of one movie share the name, and
    have `frame`, `position` and `frames`. A file that cannot be opened is listed as its path; its reader raises the error.

    `channel`, `time`, `z` and `axes` are those of `choose_planes`. With `movie`, each folder or glob is one movie of
    numbered frames, named after the folder; see `FramesStack`. With `allow_gaps`, missing frames are left out.

    Raises:
        DataError: an input has no image, two images have the same output name, or frames are no movie.
        SettingError: a plane does not exist or is not chosen, or axes are unknown.
    """
    axes = None if axes is None else parse_axes(axes)
    list_inputs = _list_movies if movie else _list_files
    list_each = partial(list_frames, allow_gaps=allow_gaps) if movie else list_planes
    return [
        {**item, **plane}
        for item in list_inputs(_as_list(images))
        for plane in list_each(Path(item[IMAGE]), channel, time, z, axes)
    ]


def _as_list(images: Images) -> Sequence[str | Path]:
    return [images] if isinstance(images, str | Path) else images


def _list_files(inputs: Sequence[str | Path]) -> list[Item]:
    return _name_outputs({path: stem_of(path) for path in list_images(inputs)}, "input")


def _list_movies(inputs: Sequence[str | Path]) -> list[Item]:
    """One dictionary per movie of numbered frames: its folder or glob, and the folder's name.

    All files of a folder are its movie too: a shell makes them of a glob without quotes.
    """
    paths: dict[Path, None] = {}
    files: dict[Path, list[Path]] = {}
    for path in map(Path, inputs):
        if not is_frame_series(path) and path.exists():
            files.setdefault(path.parent, []).append(path)
        elif not path.exists() and any(mark in str(path.parent) for mark in "*?["):
            raise DataError(f"{path}: the glob of a movie may have stars in its last part only; give one glob per folder")
        else:
            paths.setdefault(path)
    for folder, named in files.items():
        if len(named) == 1:
            raise DataError(
                f"{named[0]}: --movie needs a folder or glob of numbered frames, got one file; leave out --movie for a file "
                "that is a movie itself"
            )
        if set(list_images(named)) != set(list_images([folder])):
            raise DataError(
                f"{named[0]}: the frames of --movie must be all images of their folder, got {len(named)} of them; give the "
                "folder, or the glob in quotes"
            )
        paths.setdefault(folder)
    folders = {path: path if path.is_dir() else path.parent for path in paths}
    return _name_outputs({path: compose(folder.resolve().name) or "movie" for path, folder in folders.items()}, "movie")


def _name_outputs(names: Mapping[Path, str], what: str) -> list[Item]:
    """The path and output name of each input; the same name twice is rejected, ignoring case as some file systems do."""
    first: dict[str, Path] = {}
    for path, name in names.items():
        other = first.setdefault(name.lower(), path)
        if other is not path:
            raise DataError(
                f"{path}: each {what} must have its own output name, {other} has the same ({name}); rename one or predict "
                "them into two folders"
            )
    return [{NAME: name, IMAGE: str(path)} for path, name in names.items()]
