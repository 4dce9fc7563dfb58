"""Metrics of each epoch, for listeners, curves and tables."""

from collections.abc import Callable

from ignite.engine import Engine, Events

Row = dict[str, float]
OnEpoch = Callable[[int, Row], None]


class History:
    """Collects the metrics of trainer and evaluator after each epoch, and calls the listeners with epoch and row."""

    def __init__(self, evaluator: Engine, *listeners: OnEpoch) -> None:
        self.evaluator = evaluator
        self.listeners = list(listeners)
        self.rows: list[Row] = []
        self.lr = 0.0

    def attach(self, trainer: Engine) -> None:
        """Follow a trainer. Attach last, after the handler that validates."""
        trainer.add_event_handler(Events.EPOCH_STARTED, self._note_lr)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self._add)

    def _note_lr(self, trainer: Engine) -> None:
        self.lr = float(trainer.optimizer.param_groups[0]["lr"])  # before the scheduler changes it for the next epoch

    def _add(self, trainer: Engine) -> None:
        metrics = {**trainer.state.metrics, **self.evaluator.state.metrics}
        row = {"lr": self.lr, **{name: float(value) for name, value in metrics.items()}}
        epoch = int(trainer.state.epoch)
        self.rows.append({"epoch": epoch, **row})
        for listener in self.listeners:
            listener(epoch, row)

    def best(self) -> Row:
        """The row of the epoch with the best validation IoU; of equal ones the first."""
        return max(self.rows, key=lambda row: (row["val_iou"], -row["epoch"]))
