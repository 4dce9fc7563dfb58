"""Checkpoints on disk: each is written atomically and synced, its name holds its hash; the last two are kept."""

import hashlib
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import DataError
from livecell_monai.runs.atomic import remove, temporary_path, writing_errors

LOGGER = logging.getLogger(__name__)
KEPT = 2
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{64})\.pt")


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder by their number, the newest first, damaged ones among them."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def write_checkpoint(folder: Path, state: Mapping[str, Any]) -> Path:
    """Write a checkpoint, and remove those before the last two.

    Args:
        folder: of the checkpoints.
        state: tensors and plain values, in dictionaries and lists.

    Raises:
        DataError: the system refuses; the checkpoints before are as they were.
    """
    temporary = temporary_path(folder / "checkpoint.pt")
    try:
        with writing_errors(folder / "checkpoint"):
            digest = _write_synced(temporary, state)
            before = list_checkpoints(folder)
            number = int(before[0].name.partition("-")[0]) + 1 if before else 1
            path = temporary.replace(folder / f"{number:06d}-{digest}.pt")
            _sync_folder(folder)
    finally:
        remove(temporary)
    remove_checkpoints(folder, KEPT)
    return path


def remove_checkpoints(folder: Path, kept: int = 0) -> None:
    """Remove the checkpoints of a folder, but for the newest ones."""
    for old in list_checkpoints(folder)[kept:]:
        remove(old)


def pick_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is not damaged; damaged ones that are newer are reported and removed.

    Returns:
        None where none was written yet.

    Raises:
        DataError: all are damaged.
    """
    paths = list_checkpoints(folder)
    damaged: list[Path] = []
    for path in paths:
        if hash_file(path) == path.stem.partition("-")[2]:
            for other in damaged:
                LOGGER.warning("%s: the checkpoint is damaged, its hash differs; the one before is used", other)
                remove(other)
            return path
        damaged.append(path)
    if damaged:
        raise DataError(
            f"{folder}: a training needs an undamaged checkpoint to resume, the hashes of all {len(damaged)} differ; "
            "remove the folder of the run and train again"
        )
    return None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the processor; nothing but tensors and plain values is read from it.

    Raises:
        DataError: it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, LookupError, EOFError, UnpicklingError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{path}: the checkpoint must be readable, got: {reason}; remove it, or train again") from error
    return state


class _HashedFile:
    """A file that hashes what is written to it, and keeps the system's word where torch has another for a full disk."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.hash = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, part: bytes) -> int:
        self.hash.update(part)
        try:
            return self.stream.write(part)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.stream.flush()


def _write_synced(path: Path, state: Mapping[str, Any]) -> str:
    """Write a file that outlasts a loss of power from here on; its SHA-256."""
    with open(path, "wb", buffering=0) as stream:
        hashed = _HashedFile(stream)
        try:
            torch.save(state, hashed)  # type: ignore[arg-type]  # it takes whatever can be written to
        except RuntimeError:
            if hashed.error is None:
                raise
            raise hashed.error from None
        os.fsync(stream.fileno())
    return hashed.hash.hexdigest()


def _sync_folder(folder: Path) -> None:
    """So that a name outlasts it too; where folders cannot be opened, as on Windows, the system sees to it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
