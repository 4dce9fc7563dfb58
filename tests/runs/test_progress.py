"""A bar over the whole run."""

import io
import sys
from types import SimpleNamespace

import pytest
from ignite.engine import Engine, Events

from livecell_monai.runs.progress import ProgressBar, close_bars, counting


def run(bar, epochs=3, length=4):
    engine = Engine(lambda *_: None)
    bar.attach(engine)
    engine.run(range(length), max_epochs=epochs)
    return engine


def test_counts_all_batches_of_all_epochs(capsys):
    bar = ProgressBar("training")
    run(bar)
    assert (bar.bar.total, bar.bar.n) == (12, 12)
    assert bar.bar.disable  # closed
    assert "training: 100%" in capsys.readouterr().err


def test_accepts_a_total_that_the_engine_does_not_know():
    bar = ProgressBar("predicting", total=7)
    run(bar, epochs=1)
    assert (bar.bar.total, bar.bar.n) == (7, 4)


def test_shows_epoch_and_metrics(capsys):
    bar = ProgressBar("training")
    engine = Engine(lambda *_: None)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: engine.state.metrics.update(train_iou=0.12345, other="text"))
    bar.attach(engine)
    engine.run(range(2), max_epochs=2)
    assert bar.bar.postfix == "epoch=2, train_iou=0.123"


def test_shows_nothing_if_disabled(capsys):
    bar = ProgressBar("training", enabled=False)
    run(bar)
    assert bar.bar is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("terminal", "interval"), [(True, 0.5), (False, 60.0)])
def test_a_file_gets_a_line_a_minute(monkeypatch, terminal, interval):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stream)
    bar = ProgressBar("training")
    run(bar)
    assert bar.bar.mininterval == interval


def test_a_second_run_has_its_own_bar():
    bar = ProgressBar("training")
    run(bar)
    first = bar.bar
    run(bar)
    assert bar.bar is not first


def test_a_budget_gives_the_fraction_done():
    budget = SimpleNamespace(done=0.25)  # a training that was resumed
    bar = ProgressBar("training", budget=budget)
    engine = Engine(lambda *_: None)
    bar.attach(engine)
    seen = []
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: setattr(budget, "done", budget.done + 0.2))
    engine.add_event_handler(Events.ITERATION_STARTED, lambda: seen.append(bar.bar.n))
    engine.run(range(10**6), max_epochs=1, epoch_length=3)
    assert (bar.bar.total, seen, bar.bar.n) == (100, [25, 25, 45], 85)


def test_an_error_message_starts_on_a_new_line(capsys):
    bar = ProgressBar("training")
    engine = Engine(lambda *_: 1 / 0)
    bar.attach(engine)
    with pytest.raises(ZeroDivisionError):
        engine.run(range(2))
    assert not bar.bar.disable
    close_bars()
    assert bar.bar.disable
    assert capsys.readouterr().err.endswith("\n")


def test_counts_work_without_an_engine(capsys):
    with counting("mosaic", "window", 7) as advance:
        advance(3)
        advance(4)
    assert "7/7" in capsys.readouterr().err
    with pytest.raises(ValueError, match="on the way"), counting("mosaic", "window", 7) as advance:
        raise ValueError("on the way")
    assert capsys.readouterr().err.endswith("\n")  # what is printed next has a line of its own
    with counting("mosaic", "window", 7, enabled=False) as advance:
        advance(3)
    assert capsys.readouterr().err == ""
