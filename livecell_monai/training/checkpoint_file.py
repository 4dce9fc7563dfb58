"""Checkpoints on disk: each is written atomically and synced, its name holds its hash; the last two are kept."""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import DataError
from livecell_monai.runs.atomic import remove, temporary_path, writing_errors

KEPT = 2
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{64})\.pt")


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, the newest first; includes damaged ones."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def write_checkpoint(folder: Path, state: Mapping[str, Any]) -> Path:
    """Write tensors and plain values as a checkpoint, and remove those before the last two.

    Raises a DataError if it cannot be written; earlier checkpoints are unchanged then.
    """
    temporary = temporary_path(folder / "checkpoint.pt")
    try:
        with writing_errors(folder / "checkpoint"):
            _write_synced(temporary, state)
            before = list_checkpoints(folder)
            number = int(before[0].name.partition("-")[0]) + 1 if before else 1
            path = temporary.replace(folder / f"{number:06d}-{hash_file(temporary)}.pt")
            _sync_folder(folder)
    finally:
        remove(temporary)
    remove_checkpoints(folder, KEPT)
    return path


def remove_checkpoints(folder: Path, kept: int = 0) -> None:
    """Remove the checkpoints of a folder except the newest ones."""
    for old in list_checkpoints(folder)[kept:]:
        remove(old)


def pick_checkpoint(folder: Path) -> Path | None:
    """The newest intact checkpoint, None if there are none; newer damaged ones are removed with a warning.

    Raises a DataError if all are damaged.
    """
    paths = list_checkpoints(folder)
    for number, path in enumerate(paths):
        if hash_file(path) == path.stem.partition("-")[2]:
            for damaged in paths[:number]:
                logging.getLogger(__name__).warning(
                    "%s: the checkpoint is damaged, its hash differs; the one before is used", damaged
                )
                remove(damaged)
            return path
    if paths:
        raise DataError(
            f"{folder}: a training needs an undamaged checkpoint to resume, the hashes of all {len(paths)} differ; "
            "remove the folder of the run and train again"
        )
    return None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state in a checkpoint, with tensors on the CPU; a DataError if it holds more than tensors and plain values."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, LookupError, EOFError, UnpicklingError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{path}: the checkpoint must be readable, got: {reason}; remove it, or train again") from error
    return state


def _write_synced(path: Path, state: Mapping[str, Any]) -> None:
    """Write a file that survives a power failure from here on."""
    with open(path, "wb", buffering=0) as stream:
        try:
            torch.save(state, stream)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # the reason, which torch leaves out
                raise error.__context__ from None
            raise
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a new name survive a power failure, where folders can be opened: not on Windows."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
