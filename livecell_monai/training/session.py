"""A training from the first epoch to the complete bundle, with tracking, checkpoints and interruption."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monai.engines import SupervisedEvaluator, SupervisedTrainer

from livecell_monai.data.readers.read_cache import cached_reads
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.settings import select
from livecell_monai.training.bundle_writer import BundleWriter
from livecell_monai.training.changes import describe_machine
from livecell_monai.training.checkpoints import Checkpoints
from livecell_monai.training.dataset import TrainingDataset
from livecell_monai.training.facts import TrainingResult, list_parameters
from livecell_monai.training.figures import Loaders
from livecell_monai.training.history import History, OnEpoch
from livecell_monai.training.tracker import Run, Tracker, noted


@dataclass(frozen=True)
class Engines:
    """What computes.

    Attributes:
        trainer: runs the epochs.
        evaluator: validates after each epoch; its metrics are `val_loss`, `val_iou` and `val_accuracy`.
        accelerator: where both run.
    """

    trainer: SupervisedTrainer
    evaluator: SupervisedEvaluator
    accelerator: Accelerator


class TrainingSession:
    """Everything around the trainer's loop.

    Args:
        engines: trainer and evaluator.
        data: the files that the network learns from.
        settings: resolved value of every setting, for the record and for the bundle's configs.
        tracker: logs the run.
        checkpoints: save the state of the training, and resume it.
        writer: writes the bundle at the end.
        on_epoch: called with each epoch and its metrics, after the tracker; an exception ends the training.
    """

    def __init__(
        self,
        engines: Engines,
        data: TrainingDataset,
        settings: Mapping[str, Any],
        tracker: Tracker,
        checkpoints: Checkpoints,
        writer: BundleWriter,
        on_epoch: OnEpoch | None = None,
    ) -> None:
        self.engines = engines
        self.data = data
        self.settings = select(settings, "recorded")
        self.tracker = tracker
        self.checkpoints = checkpoints
        self.writer = writer
        self.on_epoch = on_epoch

    def run(self) -> dict[str, Any]:
        """Train, and write the complete bundle.

        Returns:
            What the bundle's metadata say of the training.
        """
        data, accelerator = self.data, self.engines.accelerator
        parameters = list_parameters(self.settings, data, accelerator)
        with (
            cached_reads(),
            self.checkpoints.opened(self.settings, data.files, data.file_hashes, describe_machine(accelerator)),
            noted(
                self.tracker.start(parameters, data.annotated_hashes, data.name, self.checkpoints.run_id),
                self.checkpoints.note_run,
            ) as run,
        ):
            result = self._train(run)
            loaders = Loaders(self.engines.trainer.data_loader, self.engines.evaluator.data_loader.dataset)
            training = self.writer.write(result, self.checkpoints.parts, loaders)
            run.log_result(self.writer.folder, training["validation"])
        return training

    def follow(self) -> Any:
        """Train beside the process that runs the session, and write nothing."""
        self.checkpoints.follow(self.engines.trainer, self.engines.evaluator)
        return self.engines.trainer.run()

    def _train(self, run: Run) -> TrainingResult:
        trainer, evaluator = self.engines.trainer, self.engines.evaluator
        history = History(evaluator, run.log_epoch)
        if self.on_epoch is not None:
            history.listeners.append(self.on_epoch)
        history.attach(trainer)
        self.checkpoints.follow(trainer, evaluator, history)
        for row in history.rows:  # epochs in the checkpoint, which the tracker may lack
            run.log_epoch(int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"})
        with self.checkpoints.heeding():
            trainer.run()
        seconds, facts = self.checkpoints.seconds, self.checkpoints.facts()
        return TrainingResult(history, self.settings, self.data, self.engines.accelerator, seconds, facts)
