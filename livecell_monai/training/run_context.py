"""How one call of a training runs: what the weights do not depend on."""

from dataclasses import dataclass

from livecell_monai.training.history import OnEpoch


@dataclass(frozen=True)
class RunContext:
    """Options of a call of `train`.

    Attributes:
        started: `time.monotonic()` at the start of the program, from which a budget of minutes counts; None for now.
        parent_run: id of the MLflow run that this run is nested under; None for none.
        on_epoch: called with each epoch and its metrics; an exception ends the training. Must be None on several devices.
        resume: resume the interrupted training of the same request if the folder has one.
        force: resume even if the data have changed.
    """

    started: float | None = None
    parent_run: str | None = None
    on_epoch: OnEpoch | None = None
    resume: bool = False
    force: bool = False
