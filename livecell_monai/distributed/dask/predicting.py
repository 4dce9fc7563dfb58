"""A prediction handed out to workers: its tasks, their retries, and the rows of the table gathered from them."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from livecell_monai.bundle.open import OpenBundle
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import Item
from livecell_monai.distributed.dask.cluster import Workers, check_workers, connect
from livecell_monai.distributed.dask.partition import share_images, share_rows
from livecell_monai.distributed.dask.shared_folders import require_seeing
from livecell_monai.distributed.dask.worker import Done, Job, predict_band, predict_images
from livecell_monai.errors import LiveCellError, SettingError
from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.runs.progress import counting
from livecell_monai.sample import NAME

RETRIES = 3  # of a task that fails otherwise than by the user's hand, and of one whose worker has died
AHEAD = 3  # tasks that are handed out for each worker: one runs, the others wait beside it


@dataclass(frozen=True)
class Task:
    """One call on a worker.

    Attributes:
        function: called there with the job and the arguments.
        arguments: plain values.
        images: how many images are done with it.
        large_image: the item that it belongs to; None for images.
    """

    function: Callable[..., Done]
    arguments: tuple[Any, ...]
    images: int = 0
    large_image: Item | None = None


def run_distributed(
    opened: OpenBundle, job: Job, workers: int | None, scheduler: str | None, tell: Callable[[str], None] | None = None
) -> dict[Path, str]:
    """Initialise a bundle that is opened for prediction, and run it on workers.

    Args:
        opened: the bundle.
        job: what the tasks share.
        workers: number of processes on this machine.
        scheduler: address of one that runs; in place of the number.
        tell: called with a line about the workers, when they are there; None for nothing.

    Returns:
        As `predict_distributed`.

    Raises:
        LiveCellError: as `check_workers`, `connect` and `predict_distributed`.
    """
    check_workers(workers, scheduler)
    opened.initialize()
    with connect(workers, scheduler) as found:
        if tell is not None:
            tell(str(found))
        try:
            return predict_distributed(opened, job, found)
        except LiveCellError:
            raise
        except Exception as error:
            if found.client.status == "running":
                raise
            raise _gone(found) from error  # whatever was asked of it last
        finally:
            opened.unfinished.remove_if_empty()


def predict_distributed(opened: OpenBundle, job: Job, workers: Workers) -> dict[Path, str]:
    """Predict on workers what a bundle that is opened and initialised would predict here.

    Args:
        opened: the bundle, whose `initialize` has found nothing wrong.
        job: what its tasks share.
        workers: who does them.

    Returns:
        The message for each image that could not be read, by its path; the rows are those of the bundle's writer.

    Raises:
        LiveCellError: workers do not see the same folders, the scheduler went away, or a result cannot be written. What
            was finished stays, and `resume` goes on from there.
    """
    run, writer, large_images, images = opened.unfinished, opened.writer, opened.large_images, opened.images
    is_new = not run.folder.exists()
    run.start()
    job = replace(job, threads=workers.threads, weights=hash_file(opened.checkpoint))
    require_seeing(workers, job)
    prediction = _Prediction(writer, large_images, images)
    show = opened.settings["show_progress"]
    total = len({item[NAME] for item in images}) + len(large_images.large)
    results = closing(_hand_out(workers, job, prediction.tasks(workers)))  # what is handed out is called back on an error
    with counting("predicting", "image", total, show) as advance, results as finished:
        for task, done in finished:
            advance(prediction.take(task, done))
    writer.finish()
    if is_new and not writer.rows:
        with suppress(OSError):
            run.folder.rmdir()  # as where nothing could be read without workers
    return {**prediction.failures, **large_images.failures}


class _Prediction:
    """The tasks of a prediction, and what has come back of them."""

    def __init__(self, writer: Any, large_images: Any, images: list[Item]) -> None:
        self.writer, self.large_images, self.images = writer, large_images, images
        self.failures: dict[Path, str] = {}
        self.open: dict[str, int] = {}  # bands that are not back yet, by large image

    def tasks(self, workers: Workers) -> Iterator[Task]:
        """Images first; a large image is begun when there is room for its bands."""
        for items in share_images(self.images, workers.count()):
            yield Task(predict_images, (items,), len({item[NAME] for item in items}))
        for item in self.large_images.large:
            begun = self.large_images.begin(item)
            if begun is None:
                continue
            bands = share_rows(begun, workers.count(), CHUNK)
            self.open[item[NAME]] = len(bands)
            for top, bottom in bands:
                yield Task(predict_band, (item, top, bottom), large_image=item)
            if not bands:
                self.writer.add(self.large_images.finish(item))

    def take(self, task: Task, done: Done) -> int:
        """Keep what a task has given; how many images are finished by it."""
        if done.error is not None:
            raise done.error
        self.writer.rows.extend(done.rows)
        self.failures.update(done.failures)
        if task.large_image is None:
            return task.images
        name = task.large_image[NAME]
        self.open[name] -= 1
        if self.open[name] > 0:
            return 0
        if not self.large_images.missing(task.large_image):  # or a band of it was too large for the memory of its worker
            self.writer.add(self.large_images.finish(task.large_image))
        return 1


def _hand_out(workers: Workers, job: Job, tasks: Iterator[Task]) -> Generator[tuple[Task, Done], None, None]:
    """Tasks with their results, as they come; never more of them handed out than keep the workers busy."""
    from distributed import as_completed

    running: dict[Any, Task] = {}
    finished = as_completed(loop=workers.client.loop)

    def top_up() -> None:
        while len(running) < AHEAD * workers.count():
            task = next(tasks, None)
            if task is None:
                return
            future = workers.client.submit(task.function, job, *task.arguments, pure=False, retries=RETRIES)
            running[future] = task
            finished.add(future)

    try:
        top_up()
        for future in finished:
            task = running.pop(future)
            yield task, _result(future, task, workers)
            future.release()
            top_up()
    finally:
        if workers.client.status == "running":  # or this would wait for a scheduler that is gone
            workers.client.cancel(list(running), force=True)


def _result(future: Any, task: Task, workers: Workers) -> Done:
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise _gone(workers)
    try:
        done: Done = future.result()
    except LiveCellError:
        raise
    except KilledWorker as error:
        first = task.large_image or task.arguments[0][0]
        raise SettingError(
            f"{first[NAME]}: a worker must outlive its task, {RETRIES + 1} have died of it (their memory?); give fewer "
            "--workers or a smaller window_memory, and go on by --resume"
        ) from error
    except (OSError, TimeoutError) as error:
        raise _gone(workers) from error
    return done


def _gone(workers: Workers) -> SettingError:
    return SettingError(
        f"{workers.address}: the scheduler must be there to the end, it has gone away; start it again, and go on by --resume"
    )
