"""The interface between a training and its experiment tracker."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol


class Run(Protocol):
    """An open run."""

    run_id: str

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of one epoch."""

    def log_result(self, folder: Path, scores: Mapping[str, float]) -> None:
        """Log the scores of the kept weights, and the files of a folder as artifacts."""


class Tracker(Protocol):
    """Opens a run, and ends it with the status of the block inside.

    Attributes:
        parent: id of the run that a new run is nested under; None for none.
    """

    parent: str | None

    def start(
        self, settings: Mapping[str, Any], data: Mapping[str, str], name: str, again: str | None = None
    ) -> AbstractContextManager[Run]:
        """Open a run with settings and data hashes, or reopen the run whose id is `again`."""


@contextmanager
def noted(opening: AbstractContextManager[Run], note: Callable[[str], None]) -> Iterator[Run]:
    """A run for the duration of the block. Its id is noted again at the end: a slow store has none at the start.

    Args:
        opening: opens and ends the run.
        note: called with its id, empty while it has none.
    """
    run = None
    try:
        with opening as run:
            note(run.run_id)
            yield run
    finally:
        if run is not None:
            note(run.run_id)
