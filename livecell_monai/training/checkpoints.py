"""The whole state of a training: saved after each epoch and at an interruption; a training resumes from it to the bit."""

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from ignite.metrics import Metric

from livecell_monai.runs.signals import Interruption
from livecell_monai.training.changes import check_data, warn_of_other_machine
from livecell_monai.training.checkpoint_file import pick_checkpoint, read_checkpoint, remove_checkpoints, write_checkpoint
from livecell_monai.training.history import History
from livecell_monai.training.metric_states import capture_metrics, restore_metrics
from livecell_monai.training.random_states import RandomStates
from livecell_monai.training.request import TrainingRequest
from livecell_monai.training.training_folder import training_ledger

State = dict[str, Any]


class Checkpoints:
    """Writes the state of a training into its ledger, and resumes a training from the last one.

    Within an epoch a state is saved at an interruption alone. Several processes have the same state; the first one writes
    it, after epochs alone, since they do not end at the same iteration.

    Args:
        output_dir: the folder that becomes the bundle.
        parts: what has a state, by name: `state_dict` and `load_state_dict`.
        metrics: those of the trainer, by name.
        dataloader: what the trainer iterates over; where it has MONAI's transforms, their random states are kept.
        device: where it trains.
        resume: whether to resume the training in the folder; `auto` resumes if there is one, otherwise starts.
        force: resume although the data have changed.
        request: the call of `train`, recorded so that `--resume` can repeat it; None for none.

    Attributes:
        run_id: that of the tracked run to resume; None where there is none.
        resumed: how often the training was resumed.
        changes: the files that had changed by then, each with what has become of it.
    """

    def __init__(
        self,
        output_dir: str,
        parts: Mapping[str, Any],
        metrics: Mapping[str, Metric],
        dataloader: Any,
        device: torch.device,
        resume: bool | str = False,
    ) -> None:
        self.ledger = training_ledger(output_dir)
        self.parts = parts
        self.metrics = metrics
        transform = getattr(getattr(dataloader, "dataset", None), "transform", None)
        self.device = device
        self.random = RandomStates(transform, device)
        self.resume = resume
        self.force = False
        self.request: TrainingRequest | None = None
        self.interruption = Interruption()
        self.is_alone = idist.get_world_size() == 1
        self.run_id: str | None = None
        self.resumed = 0
        self.changes: list[str] = []
        self._seconds, self._from_s = 0.0, time.monotonic()
        self._ahead: State = {}  # random states before the validation at work
        self._pending: State | None = None

    @property
    def seconds(self) -> float:
        """What the training has taken, before it was stopped too."""
        return self._seconds + time.monotonic() - self._from_s

    def facts(self) -> dict[str, Any]:
        """What the bundle's metadata say of it."""
        digest = None if self.request is None else self.request.digest()
        return {"resumed": self.resumed, "data_changes": self.changes, "request_sha256": digest}

    @contextmanager
    def opened(
        self, settings: Mapping[str, Any], files: Mapping[str, Path], hashes: Mapping[str, str], machine: Mapping[str, Any]
    ) -> Iterator[None]:
        """Keep the folder to this training for the time of the block, and start its ledger, or compare what is in it.

        Args:
            settings: those that must be the same on resume, resolved, by name.
            files: what is learned from, by name.
            hashes: their SHA-256.
            machine: what else the bits of the weights depend on.

        Raises:
            LiveCellError: another process is at work, settings differ, or data do and that is not forced.
        """
        with self.ledger.lock():
            facts: State = {"data": dict(hashes), "machine": dict(machine)}
            if self.resume and self.ledger.is_unfinished():
                self.ledger.check_same(settings)
                record, output = self.ledger.read(), self.ledger.output
                changes = check_data(output, record["data"], hashes, files, self.force)
                warn_of_other_machine(output, record["machine"], machine)
                self.run_id = record["run_id"]
                self.resumed, self.changes = record["resumed"] + 1, [*record["changes"], *changes]
                self.ledger.update(resumed=self.resumed, changes=self.changes, **facts)
            else:
                self.resume = False
                remove_checkpoints(self.ledger.path)  # of a training whose record is gone
                request = None if self.request is None else self.request.to_json()
                self.ledger.start(settings, request=request, run_id=None, resumed=0, changes=[], **facts)
            yield
        self.ledger.end()

    def note_run(self, run_id: str) -> None:
        """Record the tracked run, so that a resumed training continues it."""
        if (run_id or None) != self.run_id:
            self.run_id = run_id or None
            self.ledger.update(run_id=self.run_id)

    def follow(self, trainer: Engine, evaluator: Engine, history: History | None = None) -> None:
        """Resume from the last checkpoint, where that is requested, and save the state after each epoch.

        To be called when all else is attached to the engines, but for the listeners of the history.

        Args:
            trainer: runs the epochs.
            evaluator: validates after each.
            history: of the epochs; None in processes that write nothing.

        Raises:
            DataError: all checkpoints are damaged.
        """
        self.trainer, self.evaluator, self.history = trainer, evaluator, history
        trainer.add_event_handler(Events.STARTED, self._start)
        trainer.add_event_handler(Events.GET_BATCH_STARTED, self._resume_within)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._heed)
        evaluator.add_event_handler(Events.STARTED, self._look_ahead)
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._heed_validation)
        if history is not None:
            history.listeners.insert(0, self._save_epoch)  # ahead of what reports the epoch
        if self.resume:
            path = pick_checkpoint(self.ledger.path) if history is not None else None
            name = idist.broadcast(path.name if path else "", safe_mode=True) if not self.is_alone else path and path.name
            if name:
                self._restore(read_checkpoint(self.ledger.path / name))

    def heeding(self) -> Any:
        """The context in which the trainer runs: an interruption saves the state."""
        return self.interruption.deferred(self.is_alone)

    def _capture(self, is_within: bool, random: State | None = None) -> State:
        state, scaler = self.trainer.state, self.trainer.scaler
        assert self.history is not None
        return {
            "epoch": state.epoch,
            "iteration": state.iteration,
            "is_within": is_within,
            "is_full": state.iteration == state.epoch * state.epoch_length
            or bool(self.trainer.should_terminate_single_epoch),
            "is_over": state.epoch == state.max_epochs or bool(self.trainer.should_terminate),
            "best": [
                (engine.state.best_metric, engine.state.best_metric_epoch) for engine in (self.trainer, self.evaluator)
            ],
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "scaler": None if scaler is None else scaler.state_dict(),
            "random": random or self.random.state_dict(),
            "metrics": capture_metrics(self.metrics) if is_within else None,
            "rows": self.history.rows,
            "lr": self.history.lr,
            "seconds": self.seconds,
        }

    def _restore(self, state: State) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        if self.trainer.scaler is not None and state["scaler"] is not None:
            self.trainer.scaler.load_state_dict(state["scaler"])
        if self.history is not None:
            self.history.rows = list(state["rows"])
        for engine, (metric, epoch) in zip((self.trainer, self.evaluator), state["best"], strict=True):
            engine.state.best_metric, engine.state.best_metric_epoch = metric, epoch
        self._seconds, self._pending = state["seconds"], state
        self._place()

    def _place(self) -> None:
        """Where the engine resumes: it counts an epoch up as it begins it."""
        assert self._pending is not None
        self.trainer.state.epoch = self._pending["epoch"] - self._pending["is_within"]
        self.trainer.state.iteration = self._pending["iteration"]

    def _start(self) -> None:
        state = self._pending
        if state is None:
            return
        self._place()  # an engine that has nothing left to do starts again
        if state["is_within"] and not state["is_full"]:
            return
        self._pending = None
        self.random.load_state_dict(state["random"])
        if state["is_within"]:  # its iterations are done, its validation is not
            self._restore_sums(state)
            self.trainer.state.epoch = state["epoch"]
            with warnings.catch_warnings():  # the optimiser's steps were ahead of the stop
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
                self.trainer.fire_event(Events.EPOCH_COMPLETED)
        elif state["is_over"]:
            self.trainer.terminate()

    def _resume_within(self) -> None:
        """Behind what begins an epoch, the making of its batches too: that has drawn, and set the sums to 0."""
        if self._pending is not None:
            self.random.load_state_dict(self._pending["random"])
            self._restore_sums(self._pending)
            self._pending = None

    def _restore_sums(self, state: State) -> None:
        restore_metrics(self.metrics, state["metrics"], self.device)
        if self.history is not None:
            self.history.lr = state["lr"]

    def _save_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        self._write(self._capture(is_within=False))

    def _heed(self) -> None:
        if self.interruption.requested:
            self._save_and_end(None)

    def _look_ahead(self) -> None:
        self._ahead = self.random.state_dict()

    def _heed_validation(self) -> None:
        if self.interruption.requested:
            self._save_and_end(self._ahead)

    def _save_and_end(self, random: State | None) -> None:
        self.interruption.cancel_deadline()
        state = self._capture(is_within=True, random=random)
        self._write({**state, "is_full": state["is_full"] or random is not None})
        raise KeyboardInterrupt

    def _write(self, state: State) -> None:
        write_checkpoint(self.ledger.path, state)
