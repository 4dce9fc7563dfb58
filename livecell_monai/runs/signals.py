"""Ctrl-C and SIGTERM: work in progress is finished before the process ends; a second signal ends it at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

GRACE_S = 2.0  # for the iteration at work, of 5 that a tracker that does not answer shares; the last epoch is saved already
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Remembers that the process is to end, so that it does not end in the middle of an iteration.

    Attributes:
        requested: whether it is to end.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def deferred(self, enabled: bool = True) -> Iterator[None]:
        """Remember signals while the block runs, and raise KeyboardInterrupt behind it if nothing inside has.

        A signal that is ignored, as in background jobs of a shell, stays ignored.

        Args:
            enabled: whether to do so; else, as in any thread but the main one, the signals do what they did.
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
        """Take the time that is needed: the iteration is finished."""
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
            with suppress(TypeError):  # a handler that was not set from Python
                signal.signal(one, handler)
        self._before = {}


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Have SIGTERM raise KeyboardInterrupt while the block runs, as Ctrl-C does; in the main thread alone."""
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
