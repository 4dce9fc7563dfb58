"""A handler that writes what an engine gives: one image while the network predicts the next one."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from livecell_monai.outputs.base import Row
from livecell_monai.runs.atomic import make_folder


class BackgroundWriter:
    """Calls the function that `take` returns for each image, in a thread of its own.

    An error in writing is raised with the next image, or at the end. The output folder is created for the first result.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.folder = Path(output_dir)
        self.rows: list[Row] = []
        self.last_time = 0.0
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.writing: Future[Row | None] | None = None

    def attach(self, engine: Engine) -> None:
        """Follow an evaluator whose step decollates the batches."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write_batch)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._abort)

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row | None]:
        """A function that writes one image and returns its row of the table, for a movie at the last frame only.

        It must not keep tensors of the sample or of the engine's output. `seconds` have passed since the previous image.
        """
        raise NotImplementedError

    def announce(self) -> None:
        """Log, before the run, what the user should know about its results."""

    def start(self) -> None:
        """Called before each image is written: create the output folder."""
        make_folder(self.folder)

    def finish(self) -> None:
        """Wait for the last image, then write the files of the run."""
        self._wait()
        self.discard()
        self.write_run()

    def write_run(self) -> None:
        """Write the files of the run."""

    def discard(self) -> None:
        """Delete what is incomplete."""

    def _start(self) -> None:
        self.thread.submit(int).result()  # a thread that starts during Ctrl-C is not registered, and would never end
        self.last_time = time.monotonic()

    def _write_batch(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            self.start()
            now = time.monotonic()
            write, self.last_time = self.take(item, output, now - self.last_time), now
            self._wait()
            self.writing = self.thread.submit(write)

    def _wait(self) -> None:
        """Wait for the image that is being written, if there is one, and keep its row."""
        if self.writing is None:
            return
        writing, self.writing = self.writing, None
        row = writing.result()
        if row is not None:
            self.rows.append(row)

    def _abort(self, engine: Engine, error: BaseException) -> None:
        """Delete what is half-written; ignite expects that the error is raised again."""
        self.thread.shutdown()
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.discard()
        raise error
