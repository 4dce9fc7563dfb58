"""One row an epoch, from two engines that run for real."""

import csv
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events

from livecell_monai.runs.atomic import write_table
from livecell_monai.training.history import History

IOUS = [0.2, 0.7, 0.5, 0.7]


@pytest.fixture
def run():
    """(history, rows as they were handed on) of four epochs whose rate halves after each."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.8)
    trainer, evaluator = Engine(lambda *_: None), Engine(lambda *_: None)
    trainer.optimizer = optimizer
    handed = []
    history = History(evaluator, lambda epoch, row: handed.append((epoch, dict(row))))

    @trainer.on(Events.EPOCH_COMPLETED)
    def validate():
        epoch = trainer.state.epoch
        trainer.state.metrics = {"train_loss": 1 / epoch}
        evaluator.run([0], max_epochs=1)
        evaluator.state.metrics = {"val_iou": torch.tensor(IOUS[epoch - 1], dtype=torch.float64)}
        optimizer.param_groups[0]["lr"] /= 2  # as a scheduler does, ahead of the history's own handler

    history.attach(trainer)
    trainer.run([0], max_epochs=len(IOUS))
    return SimpleNamespace(history=history, handed=handed)


def test_a_row_has_the_metrics_of_both_engines_and_the_learning_rate(run):
    assert run.history.rows == [
        {"epoch": epoch, "lr": 0.8 / 2 ** (epoch - 1), "train_loss": 1 / epoch, "val_iou": iou}
        for epoch, iou in enumerate(IOUS, start=1)
    ]


def test_listeners_get_each_row(run):
    assert [epoch for epoch, _ in run.handed] == [1, 2, 3, 4]
    assert [{"epoch": epoch, **row} for epoch, row in run.handed] == run.history.rows


def test_best_is_the_first_of_equal_rows(run):
    assert run.history.best()["epoch"] == 2


def test_writes_csv(run, tmp_path):
    write_table(tmp_path / "history.csv", run.history.rows)
    with open(tmp_path / "history.csv", encoding="utf-8", newline="") as stream:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
    assert rows == run.history.rows
    assert list(rows[0])[:2] == ["epoch", "lr"]


def test_a_metric_of_later_epochs_has_a_column(tmp_path):
    write_table(tmp_path / "history.csv", [{"epoch": 1, "a": 1.0}, {"epoch": 2, "a": 1.0, "b": 2.0}])
    assert (tmp_path / "history.csv").read_text().splitlines() == ["epoch,a,b", "1,1.0,", "2,1.0,2.0"]
