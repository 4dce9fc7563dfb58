"""What runs on a worker: the engine of the bundle, loaded once in a process, over a part of the images."""

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.dataset.items import Item
from livecell_monai.errors import LiveCellError, TooLargeError, find_user_error
from livecell_monai.sample import IMAGE

_ONE_AT_A_TIME = threading.Lock()  # a worker of several threads gives them all to one network
Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What all tasks of a prediction share, in plain values that can be sent.

    Attributes:
        bundle: the bundle's folder, the same for every worker.
        output: the folder of the results, likewise.
        settings: values over those of the bundle, in JSON.
        weights: SHA-256 of the weights: other ones are loaded anew.
        threads: of torch in a worker; 0 for as many as Dask gives the worker.
    """

    bundle: str
    output: str
    settings: str
    weights: str = ""
    threads: int = 0


@dataclass(frozen=True)
class Done:
    """What a task gives back.

    Attributes:
        rows: of the table.
        failures: the message for each image that could not be read, by its path.
        error: what ends the whole prediction, such as a full disk; None where nothing does.
    """

    rows: list[Row] = field(default_factory=list)
    failures: dict[Path, str] = field(default_factory=dict)
    error: LiveCellError | None = None


def predict_images(job: Job, items: Sequence[Item]) -> Done:
    """Predict some images, or the frames of a movie, and write what belongs to them.

    What a task that was begun before has finished is not written again: its rows are read back.

    Args:
        job: what the tasks share.
        items: the images.
    """
    return _guarded(job, lambda part: part.predict(items))


def predict_band(job: Job, item: Item, top: int, bottom: int) -> Done:
    """Predict rows [top, bottom) of a large image that was begun; chunks that are on disk stay as they are."""
    return _guarded(job, lambda part: part.predict_band(item, top, bottom))


class PartOfRun:
    """A bundle opened for tasks of one prediction.

    Args:
        job: what the tasks share.

    Raises:
        LiveCellError: the bundle cannot be opened here.
    """

    def __init__(self, job: Job) -> None:
        logging.getLogger("ignite").setLevel(logging.CRITICAL)  # of errors that are raised again
        own = {"resume": True, "show_progress": False}  # what is there belongs to this very run
        paths = {"dataset_dir": job.output, "output_dir": job.output, "items": []}
        settings = {**json.loads(job.settings), **own}
        opened = open_bundle(job.bundle, ["inference"], settings, paths)
        self.network = opened.network  # ready before the engine has it
        self.run = opened.unfinished
        self.run.shared = True
        self.evaluator, self.dataset = opened.evaluator, opened.dataset
        self.writer, self.large_images = opened.writer, opened.large_images

    def predict(self, items: Sequence[Item]) -> Done:
        """Run the engine over what is missing of some images."""
        self.writer.rows, self.dataset.failures = [], {}
        self.dataset.data = self.run.missing(items, self.writer.files(), self.writer.movie_files())
        if self.dataset.data:
            self.evaluator.state.epoch_length = None  # that of the part before
            self.evaluator.run()
        return Done(self.run.merge(self.writer.rows), dict(self.dataset.failures))

    def predict_band(self, item: Item, top: int, bottom: int) -> Done:
        """Rows of a large image; its row of the table comes when all are there."""
        try:
            self.large_images.predict_band(item, top, bottom)
        except TooLargeError as error:
            return Done(failures={Path(item[IMAGE]): str(error)})
        return Done()


def _guarded(job: Job, work: Any) -> Done:
    """Do a part; what the user can mend comes back as a value, since trying it again would not help."""
    with _ONE_AT_A_TIME:
        try:
            done: Done = work(_open(job))
        except Exception as error:
            _open.cache_clear()
            known = find_user_error(error)
            if known is None:
                raise
            return Done(error=known)
        return done


@lru_cache(maxsize=1)
def _open(job: Job) -> PartOfRun:
    torch.set_num_threads(job.threads or _dask_threads())
    return PartOfRun(job)


def _dask_threads() -> int:
    from distributed import get_worker

    return int(get_worker().state.nthreads)
