"""What differs between a training as it was begun and as it is gone on with: refused, or told."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from livecell_monai.bundle.export import package_versions
from livecell_monai.errors import DataError, SettingError
from livecell_monai.network.accelerator import Accelerator

LOGGER = logging.getLogger(__name__)


def describe_machine(accelerator: Accelerator) -> dict[str, Any]:
    """What bits of the weights hang on beside data, settings and seed."""
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


def check_same_settings(folder: Path, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with other settings.

    Args:
        folder: of the training.
        begun: settings by name, as recorded.
        now: as resolved now.

    Raises:
        SettingError: the first that differs.
    """
    plain = json.loads(json.dumps(dict(now)))
    for name in sorted({*begun, *plain}):
        if begun.get(name) != plain.get(name):
            raise SettingError(
                f"{folder}: a training must go on with the same {name}, begun with {begun.get(name)!r}, now "
                f"{plain.get(name)!r}; leave the change out, or train into another folder"
            )


def list_changes(begun: Mapping[str, str], now: Mapping[str, str], paths: Mapping[str, Path]) -> list[str]:
    """The files that differ from what they were, each with what has become of it.

    Args:
        begun: SHA-256 of each file by its name, as recorded.
        now: as they are.
        paths: where the files are, by name.
    """
    changes = []
    for name in sorted({*begun, *now}):
        if begun.get(name) != now.get(name):
            what = "is new" if name not in begun else "is gone" if name not in now else "has changed"
            changes.append(f"{paths.get(name, name)} {what}")
    return changes


def check_data_unchanged(folder: Path, changes: list[str], force: bool) -> None:
    """Refuse to go on with other data, unless that is asked for.

    Raises:
        DataError: the first file that differs.
    """
    if changes and not force:
        more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
        raise DataError(
            f"{folder}: the data must be those that the training was begun with, {changes[0]} since{more}; restore them, "
            "train into another folder, or go on all the same by --force"
        )


def tell_other_machine(folder: Path, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Say that the weights will not be those of an uninterrupted training to the bit, where they will not."""
    plain = json.loads(json.dumps(dict(now)))
    other = [f"{name} {begun.get(name)} -> {plain.get(name)}" for name in plain if begun.get(name) != plain.get(name)]
    if other:
        LOGGER.warning(
            "%s: goes on otherwise than it was begun (%s): the weights will not be bit-equal to those of a training that "
            "was never stopped",
            folder,
            ", ".join(other),
        )
