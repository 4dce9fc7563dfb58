"""What is there and what is wrong: every sample read once, measured and held against the rules."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from livecell_monai.data.dataset.folder import list_samples, names_role
from livecell_monai.data.readers.kinds import read_border, read_image, read_label
from livecell_monai.data.readers.read_cache import measure_once
from livecell_monai.errors import DataError, LiveCellError
from livecell_monai.sample import Pixels, Sample


@dataclass(frozen=True)
class Finding:
    """What was found in one sample.

    Attributes:
        role: `train`, `validation` or `test`.
        name: the sample's name.
        size: (Y, X) pixels of the image.
        dtype: type of the image's values.
        low: least value of the image.
        high: greatest value of the image.
        foreground: share of foreground pixels in [0, 1], None without a label.
        cells: number of instances, or of connected components where the label is binary; None without a label.
        problem: what is wrong, one line; None where nothing is.
    """

    role: str
    name: str
    size: tuple[int, int] | None = None
    dtype: str = ""
    low: float | None = None
    high: float | None = None
    foreground: float | None = None
    cells: int | None = None
    problem: str | None = None


def check_data(data: str | Path) -> list[Finding]:
    """Look at every sample of a data folder or datalist; a problem stands in its finding and does not stop the others.

    Raises:
        DataError: where the folder itself cannot be listed.
    """
    findings = [look_at(sample, "train") for sample in list_samples(data, "train")]
    for role in ("validation", "test"):
        if not names_role(data, role):  # neither is needed; what is there must be in order
            continue
        try:
            findings += [look_at(sample, role) for sample in list_samples(data, role)]
        except DataError as error:
            findings.append(Finding(role, "", problem=str(error)))
    return findings


def check_samples(samples: list[Sample], role: str) -> list[Finding]:
    """Read every sample and refuse the first that breaks a rule.

    Raises:
        DataError: the first problem found.
    """
    findings = []
    for sample in samples:
        finding = look_at(sample, role)
        if finding.problem is not None:
            raise DataError(finding.problem)
        findings.append(finding)
    return findings


def look_at(sample: Sample, role: str) -> Finding:
    """Read one sample and say what it is, or what is wrong with it; the whole image, whatever the sample's region."""
    files = [path for path in (sample.image, sample.label, sample.border) if path is not None]
    key = ("finding", role, sample.name, sample.label is None, sample.border is None)
    return measure_once(key, files, lambda: _look_at(sample, role))


def _look_at(sample: Sample, role: str) -> Finding:
    try:
        image = read_image(sample.image).pixels
        found = Finding(
            role,
            sample.name,
            size=(image.shape[0], image.shape[1]),
            dtype=str(image.dtype),
            low=float(image.min()),
            high=float(image.max()),
        )
        if sample.border is not None:
            _check_other_size(sample.border, read_border(sample.border), image)
        if sample.label is None:
            return found
        label = read_label(sample.label)
        _check_other_size(sample.label, label, image)
        foreground = float((label > 0).mean())
        if role != "test" and foreground in (0.0, 1.0):
            got = "background" if foreground == 0 else "foreground"
            raise DataError(f"{sample.label}: a training label must have both classes, got {got} only; mend or remove it")
    except LiveCellError as error:  # a SettingError too, such as of axes that no option of these commands can name
        return Finding(role, sample.name, problem=str(error))
    return Finding(role, sample.name, found.size, found.dtype, found.low, found.high, foreground, count_cells(label), None)


def count_cells(label: Pixels) -> int:
    """Number of instance ids of a label (Y, X), or of its connected components where it is binary."""
    ids = np.unique(label)
    ids = ids[ids > 0]
    if len(ids) > 1:
        return len(ids)
    return int(ndimage.label(label > 0, structure=np.ones((3, 3)))[1])


def _check_other_size(path: Path, plane: Pixels, image: Pixels) -> None:
    if plane.shape != image.shape:
        raise DataError(
            f"{path}: label and border must have their image's size, got {plane.shape[0]} x {plane.shape[1]} for an "
            f"image of {image.shape[0]} x {image.shape[1]}; export it again on the image's own grid"
        )
