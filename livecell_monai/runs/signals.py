"""Ctrl-C and SIGTERM: the process finishes its iteration before it ends; a second signal ends it at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE_S = 2.0  # for the current iteration; together with a tracker that does not answer, at most 5
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Delays a signal to the end of an iteration; `requested` is whether one has arrived."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def deferred(self, enabled: bool = True) -> Iterator[None]:
        """Delay signals while the block runs, and raise KeyboardInterrupt after it; only in the main thread.

        A signal that is ignored, as in background jobs of a shell, stays ignored.
        """
        if not enabled or threading.current_thread() is not threading.main_thread():
            yield
            return
        handled = [one for one in SIGNALS if signal.getsignal(one) not in (signal.SIG_IGN, None)]
        self._before = {one: signal.signal(one, self._remember) for one in handled}
        try:
            yield
        finally:
            self.cancel_deadline()
            self._restore()
        if self.requested:
            raise KeyboardInterrupt

    def cancel_deadline(self) -> None:
        """Remove the time limit of the current iteration."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()  # the next signal ends the process at once
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, _interrupt)
            signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    def _restore(self) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)
        self._before = {}


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Make SIGTERM raise KeyboardInterrupt while the block runs, as Ctrl-C does; only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
