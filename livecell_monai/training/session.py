"""A training from the first epoch to the complete bundle, with tracking, checkpoints and interruption."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from monai.engines import SupervisedEvaluator, SupervisedTrainer

from livecell_monai.data.dataset.seen import SEEN_BY_START, TRAINED_ON, find_seen, list_seen
from livecell_monai.data.readers.read_cache import cached_reads
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.settings import select
from livecell_monai.training.bundle_writer import BundleWriter
from livecell_monai.training.checkpoints import Checkpoints
from livecell_monai.training.facts import TrainingDataset, TrainingResult, describe_machine, list_parameters
from livecell_monai.training.history import History, OnEpoch
from livecell_monai.training.start import InitialWeights

if TYPE_CHECKING:  # in a package above
    from livecell_monai.experiments.tracking import RunTracker, TrackedRun


@dataclass(eq=False)
class TrainingSession:
    """Everything around the trainer's loop."""

    trainer: SupervisedTrainer
    evaluator: SupervisedEvaluator  #: validates after each epoch; its metrics are `val_loss`, `val_iou` and `val_accuracy`
    accelerator: Accelerator
    data: TrainingDataset
    settings: Mapping[str, Any]  #: resolved values; the recorded ones are kept
    start: InitialWeights
    tracker: "RunTracker"
    checkpoints: Checkpoints
    writer: BundleWriter
    on_epoch: OnEpoch | None = field(default=None, init=False)  #: called after the tracker; an exception ends the training

    def __post_init__(self) -> None:
        self.settings = select(self.settings, "recorded")

    def run(self) -> dict[str, Any]:
        """Train, write the complete bundle, and return what its metadata say of the training."""
        data, checkpoints, seen = self.data, self.checkpoints, self._describe_seen()
        parameters = list_parameters(self.settings, data, self.accelerator) | self.start.facts
        with (
            cached_reads(),
            checkpoints.opened({**self.settings, **self.start.facts}, data, describe_machine(self.accelerator)),
        ):
            opening = self.tracker.start(parameters, data.annotated_hashes, data.name, checkpoints.run_id)
            with recorded_run(opening, checkpoints.record_run) as run:
                result = self._train(run, seen)
                batches, validation = self.trainer.data_loader, self.evaluator.data_loader.dataset
                training = self.writer.write(result, checkpoints.parts, batches, validation)
                run.log_result(self.writer.folder, training["validation"])
        return training

    def follow(self) -> Any:
        """Train beside the process that runs the session, and write nothing."""
        self.checkpoints.follow(self.trainer, self.evaluator)
        return self.trainer.run()

    def _describe_seen(self) -> dict[str, Any]:
        """What the weights will have seen, for the metadata; warns if the start has seen what is held out here."""
        data, start = self.data, self.start
        facts: dict[str, Any] = {TRAINED_ON: list_seen(data.split.train, data.annotated_hashes, start.seen)}
        names = [] if data.split.leaks else find_seen(data.split.validation, start.seen)
        if not names:
            return facts
        logging.getLogger(__name__).warning(
            "the start %s was trained on %s of the %d validation images (%s), the validation scores are too good; score on "
            "other images, or name another start",
            *(start.facts["start"], len(names), len(data.split.validation), f"{names[0]}{', ...' if names[1:] else ''}"),
        )
        return {**facts, SEEN_BY_START: names}

    def _train(self, run: "TrackedRun", seen: Mapping[str, Any]) -> TrainingResult:
        history = History(self.evaluator, run.log_epoch)
        if self.on_epoch is not None:
            history.listeners.append(self.on_epoch)
        history.attach(self.trainer)
        self.checkpoints.follow(self.trainer, self.evaluator, history)
        for row in history.rows:  # epochs in the checkpoint, which the tracker may lack
            run.log_epoch(int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"})
        with self.checkpoints.interruption.deferred(self.checkpoints.is_alone):  # an interruption saves the state
            self.trainer.run()
        seconds, facts = self.checkpoints.seconds, {**self.checkpoints.facts(), **self.start.facts, **seen}
        return TrainingResult(history, self.settings, self.data, self.accelerator, seconds, facts)


@contextmanager
def recorded_run(opening: AbstractContextManager["TrackedRun"], record: Callable[[str], None]) -> Iterator["TrackedRun"]:
    """Open a tracked run and record its id, and once more at its end: a slow store has none at the start."""
    run = None
    try:
        with opening as run:
            record(run.run_id)
            yield run
    finally:
        if run is not None:
            record(run.run_id)
