"""Checks every sample of a data set and measures it."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage import measure

from livecell_monai.data.dataset.folder import describe_unlabelled, has_role, list_samples
from livecell_monai.data.ignored import find_labelled, measure_foreground
from livecell_monai.data.label_values import NOTES, check_label_values
from livecell_monai.data.readers.kinds import read_border, read_described_label, read_image
from livecell_monai.data.readers.read_cache import measure_once
from livecell_monai.errors import DataError, LiveCellError
from livecell_monai.sample import Pixels, Sample

LOGGER = logging.getLogger(__name__)
_COVERS = "one cell covers"  # words of a warning
_SAID: set[tuple[Path, str]] = set()  # labels and notes that were logged: a command reads its samples several times
MOST = 0.5  #: fraction of a label; one cell that covers more may be the background of an inverted label
ALMOST_ALL = 0.75  #: fraction of a label; if one cell covers more in every training label, they are inverted


@dataclass(frozen=True)
class Finding:
    """The result of checking one sample; what a sample lacks is None."""

    role: str  #: `train`, `validation` or `test`
    name: str  #: of the sample
    size: tuple[int, int] | None = None  #: (Y, X) pixels of the image
    dtype: str = ""  #: of the image's values
    low: float | None = None  #: minimum of the image
    high: float | None = None  #: maximum of the image
    foreground: float | None = None  #: fraction in [0, 1] of the annotated pixels that are foreground
    ignored: float = 0.0  #: fraction in [0, 1] of the pixels that are not annotated
    cells: int | None = None  #: number of instances, or of connected components of a binary label
    problem: str | None = None  #: the error as one line, None if the sample is valid
    warning: str | None = None  #: what is allowed but unusual as one line, None without one
    note: str | None = None  #: how the label was interpreted as one line, None if as it is
    cover: float = 0.0  #: fraction of the label that its largest cell covers, if more than half of the label is foreground
    split_ids: int = 0  #: ids of the label with several pieces that do not touch


def check_data(data: str | Path, unlabelled_value: int | None = None) -> list[Finding]:
    """Check every sample of a data folder or datalist; a problem is part of its finding and does not stop the others.

    `unlabelled_value` is that of `list_samples`.
    """
    samples = list_samples(data, "train", unlabelled_value)
    findings = [inspect_sample(sample, "train") for sample in samples]
    problem = _find_common_problem(samples, findings)
    if problem is not None:
        findings[0] = replace(findings[0], problem=problem)
    for role in ("validation", "test"):  # both are optional
        if not has_role(data, role):
            continue
        try:
            findings += [inspect_sample(sample, role) for sample in list_samples(data, role, unlabelled_value)]
        except DataError as error:
            findings.append(Finding(role, "", problem=str(error)))
    return findings


def describe_unlabelled_tests(findings: Iterable[Finding]) -> str | None:
    """A note if some valid test images have a label and others have none."""
    tests = [one for one in findings if one.role == "test" and one.problem is None]
    return describe_unlabelled([one.foreground is not None for one in tests])


def check_samples(samples: list[Sample], role: str) -> list[Finding]:
    """Read every sample; the first problem raises a DataError. How labels were interpreted is logged, once for each kind."""
    findings = []
    for sample in samples:
        finding = inspect_sample(sample, role)
        if finding.problem is not None:
            raise DataError(finding.problem)
        findings.append(finding)
    problem = _find_common_problem(samples, findings) if role == "train" else None
    if problem is not None:
        raise DataError(problem)
    for note in summarize_notes(_list_new_notes(samples, findings)):
        LOGGER.warning("%s", note)
    return findings


def _list_new_notes(samples: list[Sample], findings: list[Finding]) -> list[str]:
    """The notes and warnings that this process has not logged yet."""
    new = []
    for sample, found in zip(samples, findings, strict=True):
        for note in (found.note, found.warning):
            if note is None or sample.label is None:
                continue
            key = sample.label.absolute(), note.removeprefix(f"{sample.label}: ")
            if key not in _SAID:
                _SAID.add(key)
                new.append(note)
    return new


def summarize_notes(notes: Iterable[str]) -> list[str]:
    """The first note of each kind, with the number of the others."""
    kinds: dict[str, list[str]] = {}
    for note in notes:
        kinds.setdefault(next(words for words in (*NOTES, _COVERS) if words in note), []).append(note)
    others = [
        f" (also {len(found) - 1} other label{'s' if len(found) > 2 else ''})" if found[1:] else ""
        for found in kinds.values()
    ]
    return [found[0] + more for found, more in zip(kinds.values(), others, strict=True)]


def _find_common_problem(samples: list[Sample], findings: list[Finding]) -> str | None:
    """What is wrong with the training labels together: no cell in any, or all inverted; None if an image is invalid itself.

    Some labels without cells are allowed, and some that one cell covers.
    """
    if not findings or any(found.problem is not None for found in findings):
        return None
    label, count = samples[0].label, len(samples)
    if all(found.foreground == 0 for found in findings):
        return (
            f"{label}: one training label or more must have cells, got background only in all {count}; correct it or add an "
            "image with cells"
        )
    if all(found.cover > ALMOST_ALL for found in findings):
        which = (
            "in the only training label" if count == 1 else f"and one over most of it in each of the {count} training labels"
        )
        return (
            f"{label}: cells must have background around them, got one cell over {findings[0].cover:.0%} of the image, "
            f"{which}; invert the labels (0 is background, above 0 a cell), or give each cell its own number"
        )
    return None


def inspect_sample(sample: Sample, role: str) -> Finding:
    """Read one sample, the whole image whatever its region, and measure it or find its problem."""
    files = [path for path in (sample.image, sample.label, sample.border, sample.ignore) if path is not None]
    has = (sample.label is None, sample.border is None, sample.unlabelled_value)
    key = ("finding", role, sample.name, *has)
    return measure_once(key, files, lambda: _inspect_sample(sample, role))


def _inspect_sample(sample: Sample, role: str) -> Finding:
    found = Finding(role, sample.name)
    try:
        image = read_image(sample.image).pixels
        size, low, high = (image.shape[0], image.shape[1]), float(image.min()), float(image.max())
        measured = replace(found, size=size, dtype=str(image.dtype), low=low, high=high)
        if sample.border is not None:
            _check_same_size(sample.border, read_border(sample.border), image)
        if sample.label is None:
            return measured
        label, note = read_described_label(sample.label, sample.ignore, sample.unlabelled_value)
        _check_same_size(sample.label, label, image)
        if note is None:
            check_label_values(label, sample.label)
        foreground = measure_foreground(label)
        if role != "test" and foreground == 1.0:
            raise DataError(
                f"{sample.label}: a training label must have both classes, got foreground only; correct or remove it"
            )
    except LiveCellError as error:  # also a SettingError: axes that these commands have no option for
        return replace(found, problem=str(error))
    cover, labelled = measure_cover(label, foreground), find_labelled(label)
    measured = replace(measured, foreground=foreground, cells=count_cells(label), split_ids=count_split_ids(label))
    ignored = 0.0 if labelled is None else 1 - float(labelled.mean())
    return replace(measured, ignored=ignored, cover=cover, warning=describe_cover(sample.label, cover), note=note)


def count_cells(label: Pixels) -> int:
    """Number of instance ids of a label (Y, X), or of connected components if it is binary."""
    ids = np.unique(label)
    ids = ids[ids > 0]
    if len(ids) > 1:
        return len(ids)
    return int(ndimage.label(label > 0, structure=np.ones((3, 3)))[1])


def count_split_ids(label: Pixels) -> int:
    """How many ids of a label (Y, X) have several pieces that share no edge; 0 if it is binary."""
    cells = np.maximum(label, 0)
    pieces, count = measure.label(cells, background=0, connectivity=1, return_num=True)
    of_piece = np.zeros(count + 1, cells.dtype)
    of_piece[pieces] = cells
    ids, times = np.unique(of_piece[1:], return_counts=True)
    return int(np.count_nonzero(times > 1)) if len(ids) > 1 else 0


def describe_split_ids(findings: Iterable[Finding]) -> str | None:
    """A note on ids of several pieces in training labels, with the label that has most of them; None without such ids."""
    found = [one for one in findings if one.role == "train" and one.split_ids]
    if not found:
        return None
    most = max(found, key=lambda one: one.split_ids)
    where = f"in {len(found)} labels, {most.split_ids} of them in that of {most.name}" if found[1:] else f"in {most.name}"
    total = sum(one.split_ids for one in found)
    return f"ids with several pieces: {total} {where}; in training, each piece is a cell of its own"


def describe_without_cells(findings: Iterable[Finding]) -> str | None:
    """A note on annotated training images without any cell; None if all have some."""
    trained = [one for one in findings if one.role == "train" and one.cells is not None]
    empty = [one.name for one in trained if one.cells == 0]
    if not empty:
        return None
    named = ", ".join(empty[:5]) + (", ..." if empty[5:] else "")
    return f"without any cell: {len(empty)} of {len(trained)} training images ({named}); they are learned as background"


def describe_ignored(findings: Iterable[Finding]) -> str | None:
    """A note on pixels of training images that are not annotated; None if all are."""
    sizes = [(one.ignored, one.size[0] * one.size[1]) for one in findings if one.role == "train" and one.size is not None]
    some = sum(ignored > 0 for ignored, _ in sizes)
    if not some:
        return None
    share = sum(ignored * pixels for ignored, pixels in sizes) / sum(pixels for _, pixels in sizes)
    return f"not annotated: {share:.1%} of the pixels, in {some} of {len(sizes)} training images; they do not count"


def measure_cover(label: Pixels, foreground: float) -> float:
    """The fraction of a label (Y, X) that its largest cell covers, or of a binary label its largest component.

    `foreground` is the fraction of its pixels > 0; below one half, 0 is returned. Only annotated pixels count.
    """
    if foreground <= MOST:
        return 0.0
    ids = np.unique(np.maximum(label, 0), return_inverse=True)[1].reshape(label.shape)
    cells = ids if ids.max() > 1 else ndimage.label(label > 0, structure=np.ones((3, 3)))[0]
    if label.min() > 0:
        cells = cells + 1  # there is no background
    return float(np.bincount(cells.ravel())[1:].max() / np.count_nonzero(label >= 0))


def describe_cover(path: Path, cover: float) -> str | None:
    """A warning if one cell of a label covers most of it, `cover` being what `measure_cover` returns."""
    if cover <= MOST:
        return None
    return f"{path}: {_COVERS} {cover:.0%} of the image; check that the label is not inverted: 0 must be background"


def _check_same_size(path: Path, plane: Pixels, image: Pixels) -> None:
    if plane.shape != image.shape:
        raise DataError(
            f"{path}: label and border must have their image's size, got {plane.shape[0]} x {plane.shape[1]} for an "
            f"image of {image.shape[0]} x {image.shape[1]}; export it again on the image's own grid"
        )
