"""What whoever starts a training hands to it beside the settings: nothing of it is part of the method."""

from dataclasses import dataclass
from pathlib import Path

from livecell_monai.bundle.open import OpenBundle
from livecell_monai.training.history import OnEpoch
from livecell_monai.training.request import TrainingRequest


@dataclass(frozen=True)
class RunContext:
    """A training as it was called from Python.

    Attributes:
        started: `time.monotonic()` at the call of the program, which a budget of minutes counts from.
        request: what was asked for, recorded so that the training can be resumed without its files.
        plan: file of the plan that some settings come from; it becomes `configs/plan.yaml` of the bundle.
        parent_run: id of the MLflow run that this one is nested under.
        on_epoch: called with each epoch and its metrics; an exception of it ends the training.
        force: resume although the data have changed.
    """

    started: float
    request: TrainingRequest | None = None
    plan: Path | None = None
    parent_run: str | None = None
    on_epoch: OnEpoch | None = None
    force: bool = False

    def apply(self, opened: OpenBundle) -> None:
        """Hand it to the parts of a training that is initialised and not running yet."""
        session = opened.session
        session.plan, session.on_epoch = self.plan, self.on_epoch
        session.tracker.parent = self.parent_run
        session.checkpoints.question, session.checkpoints.force = self.request, self.force
        opened.budget.count_from(self.started)
