"""The data and the machine of a training: recorded at its start, compared when it resumes."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from livecell_monai.bundle.export import package_versions
from livecell_monai.data.dataset.folder import name_data
from livecell_monai.data.dataset.identity import hash_file, list_files
from livecell_monai.data.dataset.items import Item
from livecell_monai.data.dataset.split import Split
from livecell_monai.errors import DataError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.runs.ledger import find_differences
from livecell_monai.sample import Sample


class TrainingDataset:
    """A data folder or datalist, split, and the images without labels.

    Args:
        dataset_dir: the data folder or datalist. Records keep its name, not its path.
        split: samples of training and of validation.
        unlabelled: images for pseudo-labels.
    """

    def __init__(self, dataset_dir: str, split: Split, unlabelled: Sequence[Item] = ()) -> None:
        self.dataset_dir = dataset_dir
        self.name = name_data(dataset_dir)
        self.split = split
        self.unlabelled = unlabelled

    @property
    def samples(self) -> list[Sample]:
        """Each image of the split once, sorted by name."""
        both = {sample.name: sample for sample in (*self.split.train, *self.split.validation)}
        return [both[name] for name in sorted(both)]

    @cached_property
    def files(self) -> dict[str, Path]:
        """Path of each file, by `role/file name`."""
        return list_files(self.samples, self.unlabelled)

    @cached_property
    def file_hashes(self) -> dict[str, str]:
        """SHA-256 of each file at the start of the training, by `role/file name`."""
        return {name: hash_file(path) for name, path in self.files.items()}

    @cached_property
    def annotated_hashes(self) -> dict[str, str]:
        """SHA-256 of the images, labels and borders of the split."""
        return {name: self.file_hashes[name] for name in list_files(self.samples)}


def describe_machine(accelerator: Accelerator) -> dict[str, Any]:
    """What the bits of the weights depend on beside data, settings and seed."""
    return {
        "threads": torch.get_num_threads(),
        "workers": 0,  # the process that trains makes its batches itself
        "processes": accelerator.processes,
        "device": accelerator.device.type,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16": accelerator.bf16,
        "compiled": accelerator.compiled,
        **{f"version of {name}": version for name, version in package_versions().items()},
    }


def check_data(
    folder: Path, started: Mapping[str, str], now: Mapping[str, str], paths: Mapping[str, Path], force: bool
) -> list[str]:
    """Check that a training resumes with the files that it was started with.

    Args:
        folder: of the training.
        started: SHA-256 of each file by name, as recorded.
        now: current SHA-256 of each file.
        paths: of the files, by name.
        force: return the differences instead of raising an error.

    Returns:
        One text for each file that differs.

    Raises:
        DataError: the first file that differs.
    """
    changes = []
    for name in find_differences(started, now):
        what = "is new" if name not in started else "is gone" if name not in now else "has changed"
        changes.append(f"{paths.get(name, name)} {what}")
    if changes and not force:
        more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
        raise DataError(
            f"{folder}: a training must resume with the same data: {changes[0]} since it was started{more}; restore the "
            "files, train into another folder, or resume all the same by --force"
        )
    return changes


def warn_of_other_machine(folder: Path, started: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Warn if the weights will not be bit-equal to those of an uninterrupted training."""
    if differences := find_differences(started, now):
        logging.getLogger(__name__).warning(
            "%s: the training resumes on another machine or setup than it was started on (%s): the weights will not be "
            "bit-equal to those of a training without interruption",
            folder,
            ", ".join(f"{name} {before} -> {after}" for name, (before, after) in differences.items()),
        )
