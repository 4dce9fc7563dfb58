"""What a training asks of whatever tracks it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
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
    """What opens a run and ends it by how the block inside ended.

    Attributes:
        parent: id of the run that a new one is nested under; None for none.
    """

    parent: str | None

    def start(
        self, settings: Mapping[str, Any], data: Mapping[str, str], name: str, again: str | None = None
    ) -> AbstractContextManager[Run]:
        """Open a run with settings and the hashes of its data, or an old one again."""


@contextmanager
def noted(opening: AbstractContextManager[Run], note: Callable[[str], None]) -> Iterator[Run]:
    """A run for the time of the block, whose id is noted at its end too: a store that is slow has given none at the start.

    Args:
        opening: opens the run, and ends it.
        note: takes its id, empty as long as there is none.
    """
    run = None
    try:
        with opening as run:
            note(run.run_id)
            yield run
    finally:
        if run is not None:
            note(run.run_id)
