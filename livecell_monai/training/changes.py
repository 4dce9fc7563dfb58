"""Data and machine of a training, compared when it resumes: a difference is refused, or gives a warning."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from livecell_monai.bundle.export import package_versions
from livecell_monai.errors import DataError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.runs.ledger import find_differences

LOGGER = logging.getLogger(__name__)


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
    """Refuse to resume with other files than those that the training was started with, unless that is forced.

    Args:
        folder: of the training.
        started: SHA-256 of each file by its name, as recorded.
        now: as they are.
        paths: where the files are, by name.
        force: whether to resume all the same.

    Returns:
        The files that differ, each with what has become of it.

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
    """Warn that the weights will not be bit-equal to those of an uninterrupted training, where that is so."""
    differences = find_differences(started, now).items()
    if differences:
        LOGGER.warning(
            "%s: the training resumes on another machine or setup than it was started on (%s): the weights will not be "
            "bit-equal to those of a training without interruption",
            folder,
            ", ".join(f"{name} {before} -> {after}" for name, (before, after) in differences),
        )
