"""tqdm progress bars with the remaining time."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from ignite import distributed as idist
from ignite.engine import Engine, Events
from tqdm import tqdm

_OPEN: "WeakSet[tqdm]" = WeakSet()


def close_bars() -> None:
    """Close every bar that an error has left open, so that its message starts on a new line."""
    for bar in list(_OPEN):
        bar.close()


@dataclass(eq=False)
class ProgressBar:
    """One bar over all epochs of an engine, in the main process; ignite's own covers one epoch."""

    description: str  #: word before the bar
    unit: str = "batch"  #: name of one iteration
    total: int | None = None  #: number of iterations, if the engine does not know it
    budget: Any = None  #: its `done` is the finished fraction; without a budget, iterations are counted
    enabled: bool = True
    bar: Any = field(default=None, init=False)

    def attach(self, engine: Engine) -> None:
        """Follow an engine."""
        if self.enabled and idist.get_rank() == 0:
            engine.add_event_handler(Events.STARTED, self._open)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._show_metrics)
            engine.add_event_handler(Events.COMPLETED, self._close)

    def _open(self, engine: Engine) -> None:
        iterations = self.total or (engine.state.epoch_length or 0) * (engine.state.max_epochs or 1) or None
        unit, total = (self.unit, iterations) if self.budget is None else ("%", 100)
        self.bar = _open_bar(self.description, unit, total)
        self._advance(engine)

    def _advance(self, engine: Engine) -> None:
        done = engine.state.iteration if self.budget is None else int(100 * self.budget.done)
        self.bar.update(done - self.bar.n)

    def _close(self, engine: Engine) -> None:
        self._advance(engine)  # the budget may change after the last iteration
        self.bar.close()

    def _show_metrics(self, engine: Engine) -> None:
        shown = {name: f"{value:.3f}" for name, value in engine.state.metrics.items() if isinstance(value, float)}
        epoch = {"epoch": engine.state.epoch} if engine.state.max_epochs > 1 else {}
        self.bar.set_postfix({**epoch, **shown}, refresh=False)


@contextmanager
def counting(description: str, unit: str, total: int, enabled: bool = True) -> Iterator[Callable[[int], Any]]:
    """A bar for work without an engine; call the yielded function with the finished amount."""
    with _open_bar(description, unit, total, disable=not enabled) as bar:
        yield bar.update


def _open_bar(description: str, unit: str, total: int | None, **options: Any) -> Any:
    interval = 0.5 if sys.stderr.isatty() else 60.0  # a file or a pipe gets a line a minute
    bar = tqdm(total=total, desc=description, unit=unit, mininterval=interval, dynamic_ncols=True, **options)
    _OPEN.add(bar)
    return bar
