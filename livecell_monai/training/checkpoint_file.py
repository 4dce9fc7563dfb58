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

KEPT = 2
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{64})\.pt")


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, the newest first; includes damaged ones."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def write_checkpoint(folder: Path, state: Mapping[str, Any]) -> Path:
    """Write tensors and plain values as a checkpoint, and remove those before the last two.

    Raises:
        DataError: the file cannot be written; earlier checkpoints are unchanged.
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
    """Remove the checkpoints of a folder except the newest ones."""
    for old in list_checkpoints(folder)[kept:]:
        remove(old)


def pick_checkpoint(folder: Path) -> Path | None:
    """The newest intact checkpoint, None if there are none; newer damaged ones are removed with a warning.

    Raises:
        DataError: all are damaged.
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
    """The state in a checkpoint, with tensors on the CPU; anything but tensors and plain values is rejected.

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
    """A file that hashes what is written to it, and keeps the OSError that torch replaces by one without the reason."""

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
    """Write a file that survives a power failure from here on; its SHA-256."""
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
    """Make a new name survive a power failure, where folders can be opened: not on Windows."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
