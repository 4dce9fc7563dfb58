"""The whole state of a training: saved after each epoch and at an interruption; a training resumes from it bit by bit."""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from ignite.metrics import Metric

from livecell_monai.runs.signals import Interruption
from livecell_monai.training.checkpoint_file import pick_checkpoint, read_checkpoint, remove_checkpoints, write_checkpoint
from livecell_monai.training.facts import TrainingDataset, check_data, warn_of_other_machine
from livecell_monai.training.history import History
from livecell_monai.training.request import TrainingRequest, training_ledger
from livecell_monai.training.states import RandomStates, capture_metrics, restore_metrics

State = dict[str, Any]


@dataclass(eq=False)
class Checkpoints:
    """Writes the state of a training into its ledger, and resumes a training from the last one.

    An interruption saves a state within an epoch. Several processes have the same state; the first one writes it, after
    epochs only, since they do not end at the same iteration.
    """

    output_dir: str
    parts: Mapping[str, Any]  #: objects with a state (`state_dict` and `load_state_dict`), by name
    metrics: Mapping[str, Metric]
    dataloader: Any  #: of the trainer; the random states of its MONAI transforms are saved
    device: torch.device
    resume: bool | str = False  #: `auto` resumes the training in the folder if there is one, otherwise starts
    force: bool = False  #: resume although the data have changed
    request: TrainingRequest | None = None  #: the call of `train`, recorded so that `--resume` can repeat it
    run_id: str | None = None
    resumed: int = 0
    changes: Sequence[str] = ()  #: the files that had changed on resume, one text each

    def __post_init__(self) -> None:
        self.ledger = training_ledger(self.output_dir)
        transform = getattr(getattr(self.dataloader, "dataset", None), "transform", None)
        self.random = RandomStates(transform, self.device)
        self.interruption = Interruption()
        self.is_alone = idist.get_world_size() == 1
        self._seconds, self._from_s = 0.0, time.monotonic()
        self._random_before_validation: State = {}
        self._pending: State | None = None  # read, and not completely restored yet

    @property
    def seconds(self) -> float:
        """Duration of the training, including the time before interruptions."""
        return self._seconds + time.monotonic() - self._from_s

    def facts(self) -> dict[str, Any]:
        """What the bundle's metadata record of resumes."""
        digest = None if self.request is None else self.request.digest()
        return {"resumed": self.resumed, "data_changes": list(self.changes), "request_sha256": digest}

    @contextmanager
    def opened(self, settings: Mapping[str, Any], data: TrainingDataset, machine: Mapping[str, Any]) -> Iterator[None]:
        """Lock the folder during the block, and start its ledger, or compare settings, data and machine on resume.

        Raises a LiveCellError if another process works in the folder, settings differ, or data differ and `force` is False.
        """
        with self.ledger.lock():
            facts: State = {"data": data.file_hashes, "machine": dict(machine)}
            if self.resume and self.ledger.is_unfinished():
                self.ledger.check_same(settings)
                record, output = self.ledger.read(), self.ledger.output
                changes = check_data(output, record["data"], data.file_hashes, data.files, self.force)
                warn_of_other_machine(output, record["machine"], machine)
                self.run_id = record["run_id"]
                self.resumed, self.changes = record["resumed"] + 1, [*record["changes"], *changes]
                self.ledger.update(resumed=self.resumed, changes=self.changes, **facts)
            else:
                self.resume = False
                remove_checkpoints(self.ledger.path)  # of a training whose record is gone
                request = None if self.request is None else asdict(self.request)
                self.ledger.start(settings, request=request, run_id=None, resumed=0, changes=[], **facts)
            yield
        self.ledger.end()

    def record_run(self, run_id: str) -> None:
        """Record the tracked run, so that a resumed training continues it."""
        if (run_id or None) != self.run_id:
            self.run_id = run_id or None
            self.ledger.update(run_id=self.run_id)

    def follow(self, trainer: Engine, evaluator: Engine, history: History | None = None) -> None:
        """Restore the last checkpoint on resume, and save the state after each epoch.

        Call it when everything else is attached to the engines, except the listeners of the history. Processes that write
        nothing have no history. Raises a DataError if all checkpoints are damaged.
        """
        self.trainer, self.evaluator, self.history = trainer, evaluator, history
        trainer.add_event_handler(Events.STARTED, self._start)
        trainer.add_event_handler(Events.GET_BATCH_STARTED, self._resume_within)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._save_if_interrupted)
        evaluator.add_event_handler(Events.STARTED, self._remember_random)
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._save_if_interrupted)
        if history is not None:
            history.listeners.insert(0, self._save_epoch)  # ahead of what reports the epoch
        if self.resume:
            path = None if history is None else pick_checkpoint(self.ledger.path)
            name = "" if path is None else path.name
            if not self.is_alone:
                name = idist.broadcast(name, safe_mode=True)
            if name:
                self._restore(read_checkpoint(self.ledger.path / name))

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
        self._set_position(state)

    def _set_position(self, state: State) -> None:
        self.trainer.state.epoch = state["epoch"] - state["is_within"]  # the engine adds 1 when an epoch begins
        self.trainer.state.iteration = state["iteration"]

    def _start(self) -> None:
        state = self._pending
        if state is None:
            return
        self._set_position(state)  # an engine that has nothing left to do starts again
        if state["is_within"] and not state["is_full"]:
            return
        self._pending = None
        self.random.load_state_dict(state["random"])
        if state["is_within"]:  # its iterations are done, its validation is not
            self._restore_metrics(state)
            self.trainer.state.epoch = state["epoch"]
            with warnings.catch_warnings():  # the optimiser's steps were before the interruption
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
                self.trainer.fire_event(Events.EPOCH_COMPLETED)
        elif state["is_over"]:
            self.trainer.terminate()

    def _resume_within(self) -> None:
        """Restore after the start of the epoch, which draws random numbers and resets the metrics."""
        if self._pending is not None:
            self.random.load_state_dict(self._pending["random"])
            self._restore_metrics(self._pending)
            self._pending = None

    def _restore_metrics(self, state: State) -> None:
        restore_metrics(self.metrics, state["metrics"], self.device)
        if self.history is not None:
            self.history.lr = state["lr"]

    def _save_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        write_checkpoint(self.ledger.path, self._capture(is_within=False))

    def _remember_random(self) -> None:
        self._random_before_validation = self.random.state_dict()

    def _save_if_interrupted(self, engine: Engine) -> None:
        if not self.interruption.requested:
            return
        self.interruption.cancel_deadline()
        is_validation = engine is self.evaluator
        state = self._capture(is_within=True, random=self._random_before_validation if is_validation else None)
        write_checkpoint(self.ledger.path, {**state, "is_full": state["is_full"] or is_validation})
        raise KeyboardInterrupt
