"""How far a training is: by its iterations, or by the clock where minutes are given."""

import time
from collections.abc import Mapping

from ignite import distributed as idist
from ignite.engine import Engine, Events

from livecell_monai.settings import check_setting

# What follows the last epoch: curves, overlays, page, card, hashes take 3 s of one core for three images of 1024 x 1024 and
# six test images; then come the run's artifacts.
FINISH_S = 6.0
ENDLESS = 10**6
MOST_IN_FINISH = 0.3  # of the whole time, so that a budget of seconds still trains


class Budget:
    """The part of a training that is done, in [0, 1], and the end of each epoch where the clock sets it.

    With minutes, the epochs are equal slices of the time that is left after reading and checking, less what writing the
    bundle takes: however fast the machine, the schedule runs to its end and the last epoch ends in time. The number of
    iterations then hangs on the machine, and two runs are not the same bit by bit.

    Args:
        minutes: of the whole run, from the call on; 0 leaves it to the number of epochs and samples.
        epochs: number of epochs, slices of the time where minutes are given.
    """

    def __init__(self, minutes: float, epochs: int) -> None:
        self.minutes: float = check_setting("minutes", minutes)
        self.epochs = epochs
        self.done = 0.0
        self.validation_s = 0.0
        self.count_from(time.monotonic())
        self.goes_on = False

    def count_from(self, started: float) -> None:
        """Count the minutes from this reading of `time.monotonic()` on, instead of from when the budget was made."""
        self.called = self.from_s = self.validating_from_s = started

    @property
    def until_s(self) -> float:
        """The clock's reading at which the last epoch ends: two more validations come after it, and then the writing."""
        seconds = 60 * self.minutes
        return self.called + seconds - min(FINISH_S + 2 * self.validation_s, MOST_IN_FINISH * seconds)

    @property
    def seconds(self) -> float:
        """Time for the epochs, from the first iteration on."""
        return max(1e-3, self.until_s - self.from_s)

    def epoch_length(self, batches: int) -> int:
        """Iterations of an epoch: as many as there are batches, or more than the clock will ever allow."""
        return batches if self.minutes == 0 else ENDLESS

    def attach(self, trainer: Engine, evaluator: Engine | None = None) -> None:
        """Follow a trainer, and take the time of what validates."""
        trainer.add_event_handler(Events.STARTED, self._start)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        if evaluator is not None:
            evaluator.add_event_handler(Events.STARTED, self._start_validation)
            evaluator.add_event_handler(Events.COMPLETED, self._end_validation)

    def state_dict(self) -> dict[str, float]:
        """How far the training is, and the time that it has taken."""
        spent = {"elapsed_s": time.monotonic() - self.called, "from_s": self.from_s - self.called}
        return {"done": self.done, "validation_s": self.validation_s, **spent}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on: the minutes hold what a training took before it was stopped, not the time that it lay still."""
        self.done, self.validation_s = state["done"], state["validation_s"]
        self.called -= state["elapsed_s"]
        self.from_s = self.called + state["from_s"]
        self.goes_on = True

    def _start(self) -> None:
        if not self.goes_on:
            self.from_s = time.monotonic()

    def _start_validation(self) -> None:
        self.validating_from_s = time.monotonic()

    def _end_validation(self) -> None:
        # the first one also reads the files
        self.validation_s = time.monotonic() - self.validating_from_s

    def _advance(self, trainer: Engine) -> None:
        state = trainer.state
        if state.iteration == 1 and time.monotonic() < self.until_s:
            self._start()  # it has read the files, and compiled the network where that is asked for
        if self.minutes == 0:
            self.done = state.iteration / max(1, state.max_epochs * state.epoch_length)
            return
        # a validation that was faster than the one before leaves more time: what is done stays done
        done = max(self.done, min(1.0, (time.monotonic() - self.from_s) / self.seconds))
        self.done = float(idist.broadcast(done))  # of several processes the first one has the clock: all take as many steps
        if self.done >= state.epoch / state.max_epochs:
            trainer.terminate_epoch()
