"""The thread that sends: it says once what a store does, waits longer and longer, and ends when it is told to."""

import threading
import time

import pytest

from livecell_monai.experiments import uploader as module
from livecell_monai.experiments.outbox import METRICS, open_outbox
from livecell_monai.experiments.uploader import Uploader


class Delivering:
    """In place of a store: fails as often as it is told to, or hangs."""

    def __init__(self, outbox, fails=0):
        self.outbox = outbox
        self.fails = fails
        self.times = []
        self.hang = threading.Event()
        self.hang.set()

    def send_next(self):
        self.times.append(time.monotonic())
        self.hang.wait(20)
        if len(self.times) <= self.fails:
            raise ValueError("no\nanswer")
        waiting = self.outbox.waiting()
        if waiting:
            self.outbox.acknowledge(waiting[0]["n"], "abc")
        return bool(waiting)


@pytest.fixture
def outbox(tmp_path):
    with open_outbox(tmp_path / ".tracking") as outbox:
        outbox.begin(uri="", time=1, again=None)
        yield outbox


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)


def note(outbox, uploader, step):
    outbox.append(METRICS, step=step, time=2, values={"val_iou": 0.5}, once=True)
    uploader.wake()


def wait_until(holds):
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_sends_what_is_noted_as_it_comes(outbox):
    uploader = Uploader(Delivering(outbox))
    uploader.start()
    for step in (1, 2):
        note(outbox, uploader, step)
        wait_until(lambda: not outbox.waiting())
    assert uploader.close(5) == 0
    assert not uploader._thread.is_alive()


def test_says_once_that_a_store_fails_and_goes_on(outbox, caplog):
    outbox_run = Delivering(outbox, fails=4)
    uploader = Uploader(outbox_run)
    uploader.start()
    note(outbox, uploader, 1)
    wait_until(lambda: not outbox.waiting())
    assert uploader.close(5) == 0
    assert [record.getMessage() for record in caplog.records] == [
        "MLflow does not answer, the training continues, what it logs is kept and sent later: no answer"
    ]
    pauses = [after - before for before, after in zip(outbox_run.times, outbox_run.times[1:4], strict=False)]
    assert [pause >= least for pause, least in zip(pauses, (0.01, 0.02, 0.04), strict=True)] == [True] * 3


def test_says_nothing_where_it_was_said(outbox, caplog):
    uploader = Uploader(Delivering(outbox, fails=1), is_told=True)
    uploader.start()
    assert uploader.close(5) == 0
    assert not caplog.records


def test_a_store_that_fails_on_is_not_waited_for(outbox, monkeypatch):
    outbox_run = Delivering(outbox, fails=10**6)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.01)
    uploader = Uploader(outbox_run)
    uploader.start()
    wait_until(lambda: len(outbox_run.times) > module.ENOUGH + 1)
    started = time.monotonic()
    assert uploader.close(20) == 1
    assert time.monotonic() - started < 10
    assert not uploader._thread.is_alive()


def test_one_that_hangs_is_given_up_in_time_and_changes_nothing_when_it_comes_back(outbox):
    outbox_run = Delivering(outbox)
    outbox_run.hang.clear()
    uploader = Uploader(outbox_run)
    uploader.start()
    wait_until(lambda: outbox_run.times)
    note(outbox, uploader, 1)
    assert uploader.close(0.05) == 2
    outbox_run.hang.set()
    uploader._thread.join(10)
    assert not uploader._thread.is_alive()
    assert len(outbox_run.times) == 1
    assert outbox.sent == 0
