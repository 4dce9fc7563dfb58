"""A handler that writes one image while the network works on the next one."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from livecell_monai.outputs.base import Row
from livecell_monai.runs.atomic import make_folder


class BackgroundWriter:
    """Calls what `take` gives for each image on a thread of its own.

    An error in writing is raised with the next image, or at the end.

    Args:
        output_dir: folder to write to; made when the first result is there.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.folder = Path(output_dir)
        self.rows: list[Row] = []
        self.clock = 0.0
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.writing: Future[Row | None] | None = None

    def attach(self, engine: Engine) -> None:
        """Follow an evaluator that decollates its batches."""
        engine.add_event_handler(Events.STARTED, self._restart)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write_batch)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._give_up)

    def settle(self) -> None:
        """Wait for the last image."""
        self._await_row()
        self.discard()

    def finish(self) -> None:
        """Wait for the last image and write what is made of all."""
        raise NotImplementedError

    def discard(self) -> None:
        """Leave nothing that is not complete."""

    def take(self, item: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> Callable[[], Row | None]:
        """A function that writes one image and returns its row of the table; it keeps no tensor of the engine.

        Of a movie's frames only the last one returns a row.

        Args:
            item: what the loader gave.
            output: what the engine made of it.
            seconds: since the image before.
        """
        raise NotImplementedError

    def _restart(self) -> None:
        self.thread.submit(int).result()  # starts it: one that starts as Ctrl-C comes is known to no one, and never ends
        self.clock = time.monotonic()

    def make_room(self) -> None:
        """Make the folder that files are written to."""
        make_folder(self.folder)

    def _write_batch(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            self.make_room()  # in here: an image that was skipped needs none
            now = time.monotonic()
            write, self.clock = self.take(item, output, now - self.clock), now
            self._await_row()
            self.writing = self.thread.submit(write)

    def _await_row(self) -> None:
        """Take the row of the image that is being written, if there is one."""
        if self.writing is None:
            return
        writing, self.writing = self.writing, None
        row = writing.result()
        if row is not None:
            self.rows.append(row)

    def _give_up(self, engine: Engine, error: BaseException) -> None:
        """Leave nothing half-written; a handler of errors must raise them again."""
        self.thread.shutdown()
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.discard()
        raise error
