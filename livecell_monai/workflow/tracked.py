"""What a training asks of whatever tracks it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


class Run(Protocol):
    """A run as the tracker has opened it."""

    run_id: str

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note the metrics of one epoch."""

    def log_result(self, folder: Path, scores: Mapping[str, float]) -> None:
        """Note the scores of the weights that are kept, and keep the files of a folder."""


class Tracker(Protocol):
    """What opens a run and ends it by how the block inside ended."""

    def start(
        self, settings: Mapping[str, Any], data: Mapping[str, str], name: str, again: str | None = None
    ) -> AbstractContextManager[Run]:
        """Open a run with settings and the hashes of its data, or an old one again."""
