"""The course of a training: one row an epoch, handed on as it comes and kept for curves and tables."""

from collections.abc import Callable
from pathlib import Path

import torch
from ignite.engine import Engine, Events

from livecell_monai.runs.atomic import write_table

Row = dict[str, float]
OnEpoch = Callable[[int, Row], None]


class History:
    """Collects the metrics of trainer and evaluator after each epoch.

    Args:
        evaluator: the engine that validates; its metrics join the trainer's in one row.
        listeners: what to call with each epoch and its row as soon as it is there, in this order.
    """

    def __init__(self, evaluator: Engine, *listeners: OnEpoch) -> None:
        self.evaluator = evaluator
        self.listeners = list(listeners)
        self.rows: list[Row] = []
        self.optimizer: torch.optim.Optimizer | None = None
        self.lr = 0.0

    def attach(self, trainer: Engine) -> None:
        """Follow a trainer; to be attached last, behind the handler that validates."""
        self.optimizer = trainer.optimizer
        trainer.add_event_handler(Events.EPOCH_STARTED, self._note_lr)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self._add)

    def _note_lr(self) -> None:
        assert self.optimizer is not None
        self.lr = float(self.optimizer.param_groups[0]["lr"])  # before the scheduler lowers it for the next epoch

    def _add(self, trainer: Engine) -> None:
        row = {"lr": self.lr}
        for metrics in (trainer.state.metrics, self.evaluator.state.metrics):
            row.update({name: float(value) for name, value in metrics.items()})
        epoch = int(trainer.state.epoch)
        self.rows.append({"epoch": epoch, **row})
        for listener in self.listeners:
            listener(epoch, row)

    def best(self) -> Row:
        """The row of the best epoch by validation IoU, the first of equals."""
        return max(self.rows, key=lambda row: (row["val_iou"], -row["epoch"]))

    def write(self, path: Path) -> None:
        """Write the rows as CSV."""
        write_table(path, self.rows)
