"""Progress of a training, by iterations or by the clock, and the learning rate that follows it."""

import logging
import math
import time
from collections.abc import Mapping

from ignite import distributed as idist
from ignite.engine import Engine, Events
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR

from livecell_monai.settings import check_setting

FINISH_S = 6.0  # after the last epoch: figures, page, card and hashes take 3 s of one core, then the run's artifacts
MAX_FINISH = 0.3  # of the whole time, so that a budget of seconds still trains
ENDLESS = 10**6  # iterations of an epoch that the clock ends
POWER = 0.9  # of the remaining fraction: nearly linear decay
MEASURED = 10  # iterations after the first one, from which the time of a training without a budget is estimated
LOGGER = logging.getLogger(__name__)


class Budget:
    """Progress of a training in [0, 1]; with minutes, also the end of each epoch.

    With minutes, the epochs are equal parts of the time between reading the data and writing the bundle. The number of
    iterations then depends on the machine, and two runs are not bit-equal. An epoch becomes the last one if no time would
    be left after its validation. With 0 minutes, the number of batches counts.
    """

    def __init__(self, minutes: float, epochs: int) -> None:
        self.minutes: float = check_setting("minutes", minutes)
        self.epochs = epochs
        self.done = 0.0
        self.validation_s = 0.0
        self.count_from(time.monotonic())
        self.is_resumed = False

    def count_from(self, started: float) -> None:
        """Count the minutes from this reading of `time.monotonic()`, instead of from now."""
        self.called = self.from_s = self.validating_from_s = started

    @property
    def until_s(self) -> float:
        """Clock reading at which the last epoch ends. Two validations and the writing of the bundle follow."""
        seconds = 60 * self.minutes
        return self.called + seconds - min(FINISH_S + 2 * self.validation_s, MAX_FINISH * seconds)

    @property
    def seconds(self) -> float:
        """Time for the epochs, from the first iteration."""
        return max(1e-3, self.until_s - self.from_s)

    @property
    def is_ending(self) -> bool:
        """Whether this epoch is the last one, or may become it: its validation may take twice as long as the one before.

        The main process's clock decides, so that all processes must ask.
        """
        return self.done >= 1.0 or (self.minutes > 0 and self._is_over(2 * self.validation_s))

    def epoch_length(self, batches: int) -> int:
        """Iterations of an epoch: the number of batches, or without limit if the clock ends the epoch."""
        return batches if self.minutes == 0 else ENDLESS

    def attach(self, trainer: Engine, evaluator: Engine | None = None) -> None:
        """Follow a trainer, after the handler that validates, and measure the time of validations."""
        trainer.add_event_handler(Events.STARTED, self._start)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch)
        if evaluator is not None:
            evaluator.add_event_handler(Events.STARTED, self._start_validation)
            evaluator.add_event_handler(Events.COMPLETED, self._end_validation)

    def state_dict(self) -> dict[str, float]:
        """Progress and elapsed time."""
        spent = {"elapsed_s": time.monotonic() - self.called, "from_s": self.from_s - self.called}
        return {"done": self.done, "validation_s": self.validation_s, **spent}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Resume: the minutes include the time before an interruption, but not the interruption."""
        self.done, self.validation_s = state["done"], state["validation_s"]
        self.called -= state["elapsed_s"]
        self.from_s = self.called + state["from_s"]
        self.is_resumed = True

    def _start(self) -> None:
        if not self.is_resumed:
            self.from_s = time.monotonic()

    def _start_validation(self) -> None:
        self.validating_from_s = time.monotonic()

    def _end_validation(self) -> None:
        # the first validation also reads the files
        self.validation_s = time.monotonic() - self.validating_from_s

    def _advance(self, trainer: Engine) -> None:
        state = trainer.state
        if state.iteration == 1 and time.monotonic() < self.until_s:
            self._start()  # files are read, and the network is compiled if that is set
        if self.minutes == 0:
            self.done = state.iteration / max(1, state.max_epochs * state.epoch_length)
            self._announce(state.iteration, state.max_epochs * state.epoch_length)
            return
        # a faster validation leaves more time: progress must not decrease
        done = max(self.done, min(1.0, (time.monotonic() - self.from_s) / self.seconds))
        self.done = float(idist.broadcast(done))  # the main process's clock: all take as many steps
        if self.done >= 1.0 or (self.done >= state.epoch / state.max_epochs and not self._is_over(self.validation_s)):
            trainer.terminate_epoch()

    def _announce(self, iteration: int, total: int) -> None:
        """Log how long so many iterations will take, once it can be estimated; the first one is slower than the others."""
        if iteration == 1:
            self._start()
        elif iteration == 1 + MEASURED and idist.get_rank() == 0:
            minutes = (time.monotonic() - self.from_s) / MEASURED * total / 60
            if minutes >= 1:
                message = "note: this training takes about %.0f min here, and its validations; --minutes N sets the time"
                LOGGER.warning(message, minutes)

    def _end_epoch(self, trainer: Engine) -> None:
        if self.minutes > 0 and trainer.state.epoch < trainer.state.max_epochs and (self.done >= 1.0 or self._is_over()):
            trainer.terminate()

    def _is_over(self, later_s: float = 0.0) -> bool:
        """Whether the time for the epochs will be over so many seconds later, by the main process's clock."""
        return bool(idist.broadcast(float(time.monotonic() + later_s >= self.until_s)))


def build_lr_scheduler(
    kind: str, optimizer: Optimizer, budget: Budget, step: int = 1, gamma: float = 0.2, warm_up: float = 0.05
) -> LRScheduler:
    """Build a scheduler: `decay`, stepped after each iteration, warms up, then decays to nearly 0 over the budget.

    `step`, stepped after each epoch, multiplies the rate by `gamma` every `step` epochs.
    """
    check_setting("lr_schedule", kind)
    if kind == "step":
        return StepLR(optimizer, step, gamma)
    return LambdaLR(optimizer, lambda _: decay_factor(budget.done, warm_up))


def decay_factor(done: float, warm_up: float = 0.05) -> float:
    """Factor on the learning rate after a fraction `done` in [0, 1] of the training; at least 0.001.

    It rises within the fraction `warm_up` in (0, 1), and falls all the time.
    """
    rise, fall = min(1.0, done / warm_up + 0.02), math.pow(1 - done, POWER)
    return max(1e-3, rise * fall)
