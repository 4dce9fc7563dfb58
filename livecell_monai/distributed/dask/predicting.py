"""A prediction on workers: it is divided into tasks, and their results are collected."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from livecell_monai.bundle.open import OpenBundle
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import Item
from livecell_monai.distributed.dask.cluster import Workers, check_shared_folders, check_workers, connect
from livecell_monai.distributed.dask.frames import MovieFrames
from livecell_monai.distributed.dask.worker import Job, TaskResult, predict_band, predict_frames, predict_images, run_task
from livecell_monai.errors import LiveCellError, SettingError
from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.outputs.unfinished import FOLDER
from livecell_monai.runs.ledger import RECORD
from livecell_monai.runs.progress import counting
from livecell_monai.sample import FRAMES, NAME

RETRIES = 3  # of a task whose worker has died, or that fails without a user error
AHEAD = 3  # tasks per worker: one runs, the others wait for it
MOST = 32  # images per task: between two tasks the network waits for the next image
TASKS = 4  # least number of tasks per worker, so that none waits long for the last one


@dataclass(frozen=True)
class Task:
    """One call on a worker."""

    function: Callable[..., TaskResult]  #: called with the opened bundle and the arguments
    arguments: tuple[Any, ...]  #: plain values
    images: int = 0  #: number of images that it completes
    large_image: Item | None = None  #: the item whose band it predicts
    frames: Sequence[Item] = ()  #: of one movie, that it predicts


def run_distributed(
    opened: OpenBundle, job: Job, workers: int | None, scheduler: str | None, tell: Callable[[str], None] | None = None
) -> dict[Path, str]:
    """Initialize a bundle that is opened for prediction, and run it on workers, see `connect`.

    `tell` is called with one line about the workers. Returns and raises as `predict_distributed`.
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
            raise _stopped(found) from error
        finally:
            opened.unfinished.remove_if_empty()


def predict_distributed(opened: OpenBundle, job: Job, workers: Workers) -> dict[Path, str]:
    """Predict on workers what an initialized bundle would predict here.

    Returns the message for each image that could not be read, by its path; the rows are those of the bundle's writer.

    Raises:
        LiveCellError: workers do not see the same folders, the scheduler stopped, or a result cannot be written. What is
            finished is kept, and `resume` continues.
    """
    run, large_images = opened.unfinished, opened.large_images
    is_new = not run.folder.exists()
    opened.writer.start()
    job = replace(job, threads=workers.threads, weights=hash_file(opened.checkpoint))
    check_shared_folders(workers, [str(opened.checkpoint), str(Path(job.output) / FOLDER / RECORD)], job.output)
    prediction = _Prediction(opened)
    total = len({item[NAME] for item in prediction.images}) + len(large_images.large)
    results = closing(_submit(workers, job, prediction.tasks(workers)))  # submitted tasks are cancelled on an error
    with counting("predicting", "image", total, opened.settings["show_progress"]) as advance, results as finished:
        for task, result in finished:
            advance(prediction.collect(task, result))
    opened.writer.finish()
    if is_new and not opened.writer.rows:
        with suppress(OSError):
            run.folder.rmdir()
    return {**prediction.failures, **large_images.failures, **opened.writer.failures}


class _Prediction:
    """The tasks of a prediction and their results."""

    def __init__(self, opened: OpenBundle) -> None:
        self.writer, self.large_images, self.images = opened.writer, opened.large_images, opened.images
        self.failures: dict[Path, str] = {}
        self.movies = MovieFrames(opened.writer)
        self.open_bands: dict[str, int] = {}  # by large image

    def tasks(self, workers: Workers) -> Iterator[Task]:
        """Images first; a large image is begun when its first band can be submitted."""
        for items in divide_images(self.images, workers.count()):
            if FRAMES in items[0]:
                yield Task(predict_frames, (items,), frames=items)
                continue
            yield Task(predict_images, (items,), len({item[NAME] for item in items}))
        self.large_images.mark_replaced()
        for item in self.large_images.large:
            missing = self.large_images.begin(item)
            if missing is None:
                continue
            bands = divide_rows(missing, workers.count(), CHUNK)
            self.open_bands[item[NAME]] = len(bands)
            for top, bottom in bands:
                yield Task(predict_band, (item, top, bottom), large_image=item)
            if not bands:
                self.large_images.complete(item)

    def collect(self, task: Task, result: TaskResult) -> int:
        """Keep the result of a task; the number of images that it completes."""
        if result.error is not None:
            raise result.error
        if task.frames:
            return int(self.movies.add(task.frames, result.failures))
        self.writer.rows.extend(result.rows)
        self.failures.update(result.failures)
        if task.large_image is None:
            return task.images
        name = task.large_image[NAME]
        self.open_bands[name] -= 1
        if self.open_bands[name] > 0:
            return 0
        if not self.large_images.missing(task.large_image):  # else a band did not fit into the memory of its worker
            self.large_images.complete(task.large_image)
        return 1


def divide_images(items: Sequence[Item], workers: int) -> Iterator[list[Item]]:
    """Items of each task, in order: a few images, or a few frames of one movie that follow each other."""
    singles = sum(FRAMES not in item for item in items)
    size = _choose_size(singles, workers)
    part: list[Item] = []
    for item in items:
        is_other = bool(part) and (FRAMES in part[0] or FRAMES in item) and part[0][NAME] != item[NAME]
        full = _choose_size(part[0][FRAMES], workers) if part and FRAMES in part[0] else size
        if is_other or len(part) == full:
            yield part
            part = []
        part.append(item)
    if part:
        yield part


def _choose_size(count: int, workers: int) -> int:
    """Items of a task, of so many that are alike."""
    return max(1, min(MOST, count // (TASKS * max(1, workers))))


def divide_rows(bands: Iterable[tuple[int, int]], workers: int, chunk: int) -> list[tuple[int, int]]:
    """Bands of rows [top, bottom), divided so that every worker gets some; each starts at a chunk.

    Larger bands are more efficient: windows at the border of a band are predicted by both tasks.
    """
    missing = list(bands)
    rows = sum(bottom - top for top, bottom in missing)
    height = max(1, round(rows / (TASKS * max(1, workers) * chunk))) * chunk
    return [(first, min(first + height, bottom)) for top, bottom in missing for first in range(top, bottom, height)]


def _submit(workers: Workers, job: Job, tasks: Iterator[Task]) -> Generator[tuple[Task, TaskResult], None, None]:
    """Tasks with their results, as they are completed; only as many are submitted as keep the workers busy."""
    from distributed import as_completed

    running: dict[Any, Task] = {}
    finished = as_completed(loop=workers.client.loop)

    def top_up() -> None:
        while len(running) < AHEAD * workers.count():
            task = next(tasks, None)
            if task is None:
                return
            future = workers.client.submit(run_task, job, task.function, *task.arguments, pure=False, retries=RETRIES)
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
        if workers.client.status == "running":  # else this would wait for a scheduler that has stopped
            workers.client.cancel(list(running), force=True)


def _result(future: Any, task: Task, workers: Workers) -> TaskResult:
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise _stopped(workers)
    try:
        result: TaskResult = future.result()
    except LiveCellError:
        raise
    except KilledWorker as error:
        first = task.large_image or task.arguments[0][0]
        raise SettingError(
            f"{first[NAME]}: a worker must survive its task, {RETRIES + 1} have died (out of memory?); give fewer --workers "
            "or a smaller window_memory, and continue by --resume"
        ) from error
    except (OSError, TimeoutError) as error:
        raise _stopped(workers) from error
    return result


def _stopped(workers: Workers) -> SettingError:
    return SettingError(
        f"{workers.address}: the scheduler must run until the end, it has stopped; start it again, and continue by --resume"
    )
