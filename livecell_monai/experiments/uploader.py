"""The thread that sends what a training notes, so that no store, however slow, keeps the training waiting."""

import logging
import threading
import time

from livecell_monai.experiments.outbox_run import OutboxRun
from livecell_monai.experiments.store import find_reason

LOGGER = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # between two tries at a store that does not answer; each is twice the one before
ENOUGH = 3  # tries in a row that fail, when there is nothing left but to end


class Uploader:
    """Sends a spool until it is closed; what a store does to it is said once.

    Args:
        delivery: of the spool.
        is_told: whether it was said already that the store does not answer.
    """

    def __init__(self, delivery: OutboxRun, is_told: bool = False) -> None:
        self.delivery = delivery
        self.spool = delivery.spool
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
        self.spool.close()  # a call that still hangs may come through later: it changes nothing then
        return len(self.spool.waiting())

    def _work(self) -> None:
        failures = last_failures = 0
        while not self._given_up.is_set() and last_failures < ENOUGH:
            self._news.clear()
            try:
                is_more = self.delivery.send_next()
            except Exception as error:  # whatever a store does, the training goes on
                failures += 1
                self._tell(error)
                if self._closing.is_set():
                    last_failures += 1
                    time.sleep(FIRST_PAUSE_S / 4)
                else:
                    self._closing.wait(min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S))
                continue
            failures = last_failures = 0
            if not is_more:
                if self._closing.is_set() and not self.spool.waiting():
                    return
                self._news.wait()

    def _tell(self, error: Exception) -> None:
        if not self.is_told:
            reason = find_reason(error)
            LOGGER.warning("MLflow does not answer, training goes on, what it notes is kept and sent later: %s", reason)
        self.is_told = True
