"""The thread that sends what a training logs, so that no slow store keeps the training waiting."""

import logging
import threading
import time

from livecell_monai.experiments.outbox_run import OutboxRun
from livecell_monai.experiments.store import find_reason

LOGGER = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # between two tries at a store that does not answer; each is twice the one before
ENOUGH = 3  # tries in a row that fail, when there is nothing left but to end


class Uploader:
    """Sends an outbox until it is closed; a store that fails is reported once.

    Args:
        outbox_run: sends its entries.
        is_told: whether it was reported already that the store does not answer.
    """

    def __init__(self, outbox_run: OutboxRun, is_told: bool = False) -> None:
        self.outbox_run = outbox_run
        self.outbox = outbox_run.outbox
        self.is_told = is_told
        self._news, self._closing, self._given_up = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to send."""
        self._news.set()

    def close(self, seconds: float) -> int:
        """End, when all is sent or the store fails again and again, at the latest after some seconds.

        Returns:
            The number of entries that are still to be sent.
        """
        self._closing.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        self._given_up.set()
        self.outbox.close()  # a call that still hangs may come through later: it changes nothing then
        return len(self.outbox.waiting())

    def _work(self) -> None:
        failures = last_failures = 0
        while not self._given_up.is_set() and last_failures < ENOUGH:
            self._news.clear()
            try:
                is_more = self.outbox_run.send_next()
            except Exception as error:  # whatever a store does, the training continues
                failures += 1
                self._warn(error)
                if self._closing.is_set():
                    last_failures += 1
                    time.sleep(FIRST_PAUSE_S / 4)
                else:
                    self._closing.wait(min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S))
                continue
            failures = last_failures = 0
            if not is_more:
                if self._closing.is_set() and not self.outbox.waiting():
                    return
                self._news.wait()

    def _warn(self, error: Exception) -> None:
        if not self.is_told:
            reason = find_reason(error)
            LOGGER.warning("MLflow does not answer, the training continues, what it logs is kept and sent later: %s", reason)
        self.is_told = True
