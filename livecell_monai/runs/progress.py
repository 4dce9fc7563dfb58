"""What a person sees while it trains or predicts: a bar with the time left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from ignite import distributed as idist
from ignite.engine import Engine, Events
from tqdm import tqdm

_OPEN: "WeakSet[ProgressBar]" = WeakSet()


def close_bars() -> None:
    """Close every bar that an error has left open, so that what is printed next has a line of its own."""
    for bar in list(_OPEN):
        bar.close()


class ProgressBar:
    """One bar over all iterations of all epochs, so that the time left is that of the whole run.

    Ignite's own bar starts anew each epoch and knows the time left of that epoch only.

    Args:
        description: word ahead of the bar.
        unit: what one iteration is.
        total: number of iterations, where the engine cannot know it.
        budget: what sets the end by the clock; the bar then counts the seconds of training.
        enabled: whether to show it.
    """

    def __init__(
        self,
        description: str = "training",
        unit: str = "batch",
        total: int | None = None,
        budget: Any = None,
        enabled: bool = True,
    ) -> None:
        self.description = description
        self.unit = unit
        self.total = total
        self.clock = budget if budget is not None and budget.minutes > 0 else None
        self.enabled = enabled
        self.bar: Any = None

    def attach(self, engine: Engine) -> None:
        """Follow an engine's events, in the first of several processes."""
        if not self.enabled or idist.get_rank() > 0:
            return
        engine.add_event_handler(Events.STARTED, self._open)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._tell)
        engine.add_event_handler(Events.COMPLETED, self.close)

    def close(self) -> None:
        """Leave the bar as it stands."""
        _OPEN.discard(self)
        self.bar.close()

    def _open(self, engine: Engine) -> None:
        state = engine.state
        length = self.total or (state.epoch_length or 0) * (state.max_epochs or 1) or None
        unit = self.unit
        if self.clock is not None:
            length, unit = round(self.clock.seconds), "s"
        _OPEN.add(self)
        self.bar = _open_bar(self.description, unit, length, state.iteration if self.clock is None else 0)

    def _advance(self) -> None:
        self.bar.update(1 if self.clock is None else int(self.clock.done * self.clock.seconds) - self.bar.n)

    def _tell(self, engine: Engine) -> None:
        shown = {name: f"{value:.3f}" for name, value in engine.state.metrics.items() if isinstance(value, float)}
        epoch = {"epoch": engine.state.epoch} if engine.state.max_epochs > 1 else {}
        self.bar.set_postfix({**epoch, **shown}, refresh=False)


@contextmanager
def counting(description: str, unit: str, total: int, enabled: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar for work that no engine does; what is given is called with how much was done.

    Args:
        description: word ahead of the bar.
        unit: what is counted.
        total: how many there are.
        enabled: whether to show it.
    """
    if not enabled:
        yield lambda done: None
        return
    bar = _open_bar(description, unit, total)
    try:
        yield bar.update
    finally:
        bar.close()


def _open_bar(description: str, unit: str, total: int | None, initial: int = 0) -> Any:
    # a file or a pipe gets a line a minute, not ten a second
    interval = 0.5 if sys.stderr.isatty() else 60.0
    return tqdm(total=total, desc=description, unit=unit, mininterval=interval, dynamic_ncols=True, initial=initial)
