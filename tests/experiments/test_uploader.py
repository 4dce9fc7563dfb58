"""The thread that sends: it says once what a store does, waits longer and longer, and ends when it is told to."""

import threading
import time

import pytest

from livecell_monai.experiments import uploader as module
from livecell_monai.experiments.outbox import METRICS, open_outbox
from livecell_monai.experiments.uploader import Uploader


class Delivering:
    """In place of a store: fails as often as it is told to, or hangs."""

    def __init__(self, spool, fails=0):
        self.spool = spool
        self.fails = fails
        self.times = []
        self.hang = threading.Event()
        self.hang.set()

    def send_next(self):
        self.times.append(time.monotonic())
        self.hang.wait(20)
        if len(self.times) <= self.fails:
            raise ValueError("no\nanswer")
        waiting = self.spool.waiting()
        if waiting:
            self.spool.acknowledge(waiting[0]["n"], "abc")
        return bool(waiting)


@pytest.fixture
def spool(tmp_path):
    with open_outbox(tmp_path / ".tracking") as spool:
        spool.begin(uri="", time=1, again=None)
        yield spool


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)


def note(spool, sender, step):
    spool.append(METRICS, step=step, time=2, values={"val_iou": 0.5}, once=True)
    sender.wake()


def wait_until(holds):
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_sends_what_is_noted_as_it_comes(spool):
    sender = Uploader(Delivering(spool))
    sender.start()
    for step in (1, 2):
        note(spool, sender, step)
        wait_until(lambda: not spool.waiting())
    assert sender.close(5) == 0
    assert not sender._thread.is_alive()


def test_says_once_that_a_store_fails_and_goes_on(spool, caplog):
    delivery = Delivering(spool, fails=4)
    sender = Uploader(delivery)
    sender.start()
    note(spool, sender, 1)
    wait_until(lambda: not spool.waiting())
    assert sender.close(5) == 0
    assert [record.getMessage() for record in caplog.records] == [
        "MLflow does not answer, training goes on, what it notes is kept and sent later: no answer"
    ]
    pauses = [after - before for before, after in zip(delivery.times, delivery.times[1:4], strict=False)]
    assert [pause >= least for pause, least in zip(pauses, (0.01, 0.02, 0.04), strict=True)] == [True] * 3


def test_says_nothing_where_it_was_said(spool, caplog):
    sender = Uploader(Delivering(spool, fails=1), is_told=True)
    sender.start()
    assert sender.close(5) == 0
    assert not caplog.records


def test_a_store_that_fails_on_is_not_waited_for(spool, monkeypatch):
    delivery = Delivering(spool, fails=10**6)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.01)
    sender = Uploader(delivery)
    sender.start()
    wait_until(lambda: len(delivery.times) > module.ENOUGH + 1)
    started = time.monotonic()
    assert sender.close(20) == 1
    assert time.monotonic() - started < 10
    assert not sender._thread.is_alive()


def test_one_that_hangs_is_given_up_in_time_and_changes_nothing_when_it_comes_back(spool):
    delivery = Delivering(spool)
    delivery.hang.clear()
    sender = Uploader(delivery)
    sender.start()
    wait_until(lambda: delivery.times)
    note(spool, sender, 1)
    assert sender.close(0.05) == 2
    delivery.hang.set()
    sender._thread.join(10)
    assert not sender._thread.is_alive()
    assert len(delivery.times) == 1
    assert spool.sent == 0
