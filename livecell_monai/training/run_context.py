"""How one call of a training runs: what the weights do not depend on."""

import time
from dataclasses import dataclass
from pathlib import Path

from livecell_monai.bundle.open import OpenBundle
from livecell_monai.training.history import OnEpoch
from livecell_monai.training.request import TrainingRequest


@dataclass(frozen=True)
class RunContext:
    """Options of a call of `train`.

    Attributes:
        started: `time.monotonic()` at the start of the program, from which a budget of minutes counts; None for now.
        parent_run: id of the MLflow run that this run is nested under; None for none.
        on_epoch: called with each epoch and its metrics; an exception ends the training. Must be None on several devices.
        resume: resume the interrupted training of the same request if the folder has one.
        force: resume even if the data have changed.
        plan: file of the plan; it becomes `configs/plan.yaml` of the bundle. None without one.
        request: recorded so that the training can be resumed without its files; set by `train`.
    """

    started: float | None = None
    parent_run: str | None = None
    on_epoch: OnEpoch | None = None
    resume: bool = False
    force: bool = False
    plan: Path | None = None
    request: TrainingRequest | None = None

    def apply(self, opened: OpenBundle) -> None:
        """Hand the options to a training that is initialised and not running yet."""
        session = opened.session
        session.writer.plan, session.on_epoch = self.plan, self.on_epoch
        session.tracker.parent = self.parent_run
        session.checkpoints.request, session.checkpoints.force = self.request, self.force
        opened.budget.count_from(time.monotonic() if self.started is None else self.started)
