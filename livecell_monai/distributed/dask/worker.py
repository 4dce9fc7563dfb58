"""The tasks of a worker: the engine of the bundle, loaded once per process, runs on a part of the images."""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from livecell_monai.bundle.open import OpenBundle, open_bundle
from livecell_monai.data.dataset.items import Item
from livecell_monai.errors import LiveCellError, TooLargeError, find_user_error
from livecell_monai.outputs.base import Row
from livecell_monai.sample import IMAGE

_ONE_AT_A_TIME = threading.Lock()  # a worker with several threads gives them all to one network


@dataclass(frozen=True)
class Job:
    """What all tasks of a prediction share, as plain values."""

    bundle: str  #: folder of the bundle, the same on every worker
    output: str  #: folder of the results, the same on every worker
    settings: str  #: values that override those of the bundle, as JSON
    weights: str = ""  #: SHA-256 of the weights; a worker loads the bundle again if it changes
    threads: int = 0  #: of torch in a worker; 0 for as many as Dask gives it


@dataclass(frozen=True)
class TaskResult:
    """What a task returns."""

    rows: list[Row] = field(default_factory=list)  #: of the table
    failures: dict[Path, str] = field(default_factory=dict)  #: the message for each unreadable image, by its path
    error: LiveCellError | None = None  #: a user error that ends the whole prediction, such as a full disk


def run_task(job: Job, task: Callable[..., TaskResult], *arguments: Any) -> TaskResult:
    """Call a task with the opened bundle. A user error is returned and not raised, since a retry would not help."""
    with _ONE_AT_A_TIME:
        try:
            return task(_open(job), *arguments)
        except Exception as error:
            _open.cache_clear()
            known = find_user_error(error)
            if known is None:
                raise
            return TaskResult(error=known)


def predict_frames(opened: OpenBundle, items: Sequence[Item]) -> TaskResult:
    """Predict some frames of a movie, and keep them for the process that writes them in order."""
    opened.dataset.is_part = opened.writer.keeps_frames = True
    try:
        return predict_images(opened, items)
    finally:
        opened.dataset.is_part = opened.writer.keeps_frames = False


def predict_images(opened: OpenBundle, items: Sequence[Item]) -> TaskResult:
    """Predict images, and write their files; rows of a first attempt are read back."""
    run, writer, dataset, evaluator = opened.unfinished, opened.writer, opened.dataset, opened.evaluator
    writer.rows, dataset.failures, writer.failures = [], {}, {}
    dataset.data = run.missing(items, writer.files(), writer.movie_files())
    if dataset.data:
        evaluator.state.epoch_length = None  # that of the previous task
        evaluator.run()
    return TaskResult(run.merge(writer.rows), {**dataset.failures, **writer.failures})


def predict_band(opened: OpenBundle, item: Item, top: int, bottom: int) -> TaskResult:
    """Predict rows [top, bottom) of a large image; its row of the table is made when all bands are complete."""
    try:
        opened.large_images.predict_band(item, top, bottom)
    except TooLargeError as error:
        return TaskResult(failures={Path(item[IMAGE]): str(error)})
    return TaskResult()


@lru_cache(maxsize=1)
def _open(job: Job) -> OpenBundle:
    from distributed import get_worker

    torch.set_num_threads(job.threads or get_worker().state.nthreads)
    logging.getLogger("ignite").setLevel(logging.CRITICAL)  # it logs errors that are raised again
    settings = {**json.loads(job.settings), "resume": True, "show_progress": False}  # existing results are of this run
    paths = {"dataset_dir": job.output, "output_dir": job.output, "items": []}
    opened = open_bundle(job.bundle, ["inference"], settings, paths)
    opened.network  # noqa: B018  loads the weights before the engine is built
    opened.unfinished.shared = True
    opened.evaluator  # noqa: B018  builds all parts; an error if the folder of the run is not visible here
    return opened
