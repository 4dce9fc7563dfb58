"""Ctrl-C and the polite kill: the work in hand is finished first, then the state is saved; a second one ends at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

PATIENCE_S = (
    2.0  # for the iteration at work, of 5 that a tracker that does not answer shares; the last epoch is saved already
)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Notes that the training is to end, where it would else end in the middle of an iteration.

    Attributes:
        noted: whether it is to end.
    """

    def __init__(self) -> None:
        self.noted = False
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def heeded(self, enabled: bool = True) -> Iterator[None]:
        """Note what comes while the block runs, and end as interrupted behind it where nothing inside has.

        A signal that is ignored, as in jobs of a shell's background, stays so.

        Args:
            enabled: whether to do so; else, as in any thread but the main one, the signals do what they did.
        """
        if not enabled or threading.current_thread() is not threading.main_thread():
            yield
            return
        heeded = [one for one in SIGNALS if signal.getsignal(one) not in (signal.SIG_IGN, None)]
        self._before = {one: signal.signal(one, self._note) for one in heeded}
        try:
            yield
        finally:
            self.calm()
            self._give_back()
        if self.noted:
            raise KeyboardInterrupt

    def calm(self) -> None:
        """Take the time that is needed: the iteration is finished."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.noted = True
        self._give_back()  # the next one ends at once
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, _end)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)

    def _give_back(self) -> None:
        for one, handler in self._before.items():
            with suppress(TypeError):  # a handler that was not set from Python
                signal.signal(one, handler)
        self._before = {}


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
